package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"strings"

	"github.com/pulumi/pulumi/pkg/v3/secrets"
	"github.com/pulumi/pulumi/sdk/v3/go/common/diag"
	"github.com/pulumi/pulumi/sdk/v3/go/common/diag/colors"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/config"
	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"
	"github.com/spf13/pflag"

	"plattr.dev/plattr/internal/engine/linked"
	"plattr.dev/plattr/internal/engine/secret"
	"plattr.dev/plattr/internal/engine/state"
)

func configFlags(f *pflag.FlagSet) {
	jsonFlag(f)
	f.Bool("show-secrets", false, "")
	f.Bool("path", false, "")
	f.String("config-file", "", "")
}

func configSetFlags(f *pflag.FlagSet) {
	configFlags(f)
	f.Bool("secret", false, "")
	f.Bool("plaintext", false, "")
}

func configSetAllFlags(f *pflag.FlagSet) {
	configFlags(f)
	f.StringArray("secret", nil, "")
	f.StringArray("plaintext", nil, "")
}

func configRefreshFlags(f *pflag.FlagSet) { f.BoolP("force", "f", false, "") }

// configValue is a value as `pulumi config --json` prints it.
type configValue struct {
	Name        string  `json:"name,omitempty"`
	Value       *string `json:"value,omitempty"`
	ObjectValue any     `json:"objectValue,omitempty"`
	Secret      bool    `json:"secret"`
}

// valueOf shows a value; a secret one only with a decrypter.
func valueOf(v config.Value, decrypter config.Decrypter) configValue {
	shown := configValue{Secret: v.Secure()}
	if v.Secure() && decrypter == nil {
		return shown
	}
	text, err := v.Value(decrypter)
	if err != nil {
		text = "ERROR_UNABLE_TO_DECRYPT"
	}
	shown.Value = &text
	if err == nil && v.Object() {
		_ = json.Unmarshal([]byte(text), &shown.ObjectValue) // an object's text is JSON
	}
	return shown
}

// settingsFile is the stack's Pulumi.STACK.yaml.
func (s *session) settingsFile(ref state.Ref) string {
	if f, err := s.flags.GetString("config-file"); err == nil && f != "" {
		return f
	}
	return filepath.Join(s.dir, "Pulumi."+ref.Stack+".yaml")
}

func (s *session) settings(ref state.Ref) (*workspace.ProjectStack, error) {
	p, err := s.project()
	if err != nil {
		return nil, err
	}
	sink := diag.DefaultSink(s.err, s.err, diag.FormatOptions{Color: colors.Never})
	settings, err := workspace.LoadProjectStack(sink, p, s.settingsFile(ref))
	if err != nil {
		return nil, fmt.Errorf("read stack settings: %w", err)
	}
	return settings, nil
}

// manager opens the secrets of the stack: its settings name them, else its state; a new stack gets new ones.
func (s *session) manager(ctx context.Context, r *linked.Runner, ref state.Ref) (secrets.Manager, error) {
	settings, err := s.settings(ref)
	if err != nil {
		return nil, err
	}
	keys, err := s.keyring()
	if err != nil {
		return nil, err
	}
	if settings.EncryptionSalt != "" {
		return keys.FromState(settings.EncryptionSalt)
	}
	return r.Manager(ctx, ref)
}

// edit changes the settings and saves them. The change gets an encrypter only if it asks.
func (s *session) edit(
	ctx context.Context, change func(p *workspace.Project, c config.Map, encrypt func(string) (string, error)) error,
) error {
	r, ref, err := s.existing(ctx, "")
	if err != nil {
		return err
	}
	p, err := s.project()
	if err != nil {
		return err
	}
	settings, err := s.settings(ref)
	if err != nil {
		return err
	}
	if settings.Config == nil {
		settings.Config = config.Map{}
	}
	encrypt := func(text string) (string, error) {
		m, err := s.manager(ctx, r, ref)
		if err != nil {
			return "", err
		}
		settings.EncryptionSalt = secret.Salt(m)
		return m.Encrypter().EncryptValue(ctx, text)
	}
	if err := change(p, settings.Config, encrypt); err != nil {
		return err
	}
	if err := settings.Save(s.settingsFile(ref)); err != nil {
		return fmt.Errorf("save stack settings: %w", err)
	}
	return nil
}

// parseKey gives a key without a namespace the project's.
func parseKey(p *workspace.Project, name string) (config.Key, error) {
	if !strings.Contains(name, ":") {
		name = string(p.Name) + ":" + name
	}
	key, err := config.ParseKey(name)
	if err != nil {
		return config.Key{}, fmt.Errorf("config key %q: %w", name, err)
	}
	return key, nil
}

func (s *session) configAll(ctx context.Context, _ []string) error {
	r, ref, err := s.existing(ctx, "")
	if err != nil {
		return err
	}
	settings, err := s.settings(ref)
	if err != nil {
		return err
	}
	var decrypter config.Decrypter
	if s.flag("show-secrets") && settings.Config.HasSecureValue() {
		m, err := s.manager(ctx, r, ref)
		if err != nil {
			return err
		}
		decrypter = m.Decrypter()
	}
	all := map[string]configValue{}
	for k, v := range settings.Config {
		all[k.String()] = valueOf(v, decrypter)
	}
	return s.print(all)
}

func (s *session) configGet(ctx context.Context, args []string) error {
	r, ref, err := s.existing(ctx, "")
	if err != nil {
		return err
	}
	p, err := s.project()
	if err != nil {
		return err
	}
	settings, err := s.settings(ref)
	if err != nil {
		return err
	}
	if len(args) != 1 {
		return errors.New("config get: want one key")
	}
	key, err := parseKey(p, args[0])
	if err != nil {
		return err
	}
	v, ok, err := settings.Config.Get(key, s.flag("path"))
	if err != nil {
		return fmt.Errorf("get config key %s: %w", key, err)
	}
	if !ok {
		return fmt.Errorf("configuration key '%s' not found for stack '%s'", args[0], ref.Stack)
	}
	var decrypter config.Decrypter
	if v.Secure() {
		m, err := s.manager(ctx, r, ref)
		if err != nil {
			return err
		}
		decrypter = m.Decrypter()
	}
	shown := valueOf(v, decrypter)
	if !s.flag("json") {
		_, err := fmt.Fprintln(s.out, *shown.Value)
		return err //nolint:wrapcheck // the stream is the caller's
	}
	shown.Name = key.String()
	return s.print(shown)
}

func (s *session) configSet(ctx context.Context, args []string) error {
	if len(args) != 2 {
		return errors.New("config set: want a key and a value")
	}
	return s.set(ctx, map[string]string{args[0]: args[1]}, s.flag("secret"))
}

func (s *session) configSetAll(ctx context.Context, _ []string) error {
	for name, isSecret := range map[string]bool{"plaintext": false, "secret": true} {
		values := map[string]string{}
		for _, kv := range s.list(name) {
			k, v, ok := strings.Cut(kv, "=")
			if !ok {
				return fmt.Errorf("config set-all: --%s wants key=value", name) // kv may be a secret
			}
			values[k] = v
		}
		if err := s.set(ctx, values, isSecret); err != nil {
			return err
		}
	}
	return nil
}

func (s *session) set(ctx context.Context, values map[string]string, isSecret bool) error {
	return s.edit(ctx, func(p *workspace.Project, c config.Map, encrypt func(string) (string, error)) error {
		for name, text := range values {
			key, err := parseKey(p, name)
			if err != nil {
				return err
			}
			v := config.NewValue(text)
			if isSecret {
				if text, err = encrypt(text); err != nil {
					return err
				}
				v = config.NewSecureValue(text)
			}
			if err := c.Set(key, v, s.flag("path")); err != nil {
				return fmt.Errorf("set config key %s: %w", key, err)
			}
		}
		return nil
	})
}

func (s *session) configRemove(ctx context.Context, args []string) error {
	return s.edit(ctx, func(p *workspace.Project, c config.Map, _ func(string) (string, error)) error {
		for _, name := range args {
			key, err := parseKey(p, name)
			if err != nil {
				return err
			}
			if err := c.Remove(key, s.flag("path")); err != nil {
				return fmt.Errorf("remove config key %s: %w", key, err)
			}
		}
		return nil
	})
}

// configRefresh takes the configuration of the last run.
func (s *session) configRefresh(ctx context.Context, _ []string) error {
	r, ref, err := s.existing(ctx, "")
	if err != nil {
		return err
	}
	runs, err := r.State.History(ctx, ref, 1)
	if err != nil {
		return err
	}
	if len(runs) == 0 {
		return fmt.Errorf("stack '%s' has never been updated", ref.Stack)
	}
	return s.edit(ctx, func(_ *workspace.Project, c config.Map, _ func(string) (string, error)) error {
		clear(c)
		maps.Copy(c, runs[0].Config)
		return nil
	})
}
