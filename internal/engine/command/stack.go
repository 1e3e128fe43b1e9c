package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/user"
	"time"

	"github.com/pulumi/pulumi/pkg/v3/backend"
	"github.com/pulumi/pulumi/pkg/v3/resource/stack"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/config"
	"github.com/spf13/pflag"

	"plattr.dev/plattr/internal/engine/linked"
	"plattr.dev/plattr/internal/engine/lock"
	"plattr.dev/plattr/internal/engine/secret"
	"plattr.dev/plattr/internal/engine/state"
)

func initFlags(f *pflag.FlagSet) {
	f.String("secrets-provider", "", "")
	f.Bool("no-select", false, "")
	f.String("copy-config-from", "", "")
}

func listFlags(f *pflag.FlagSet) { jsonFlag(f); f.BoolP("all", "a", false, "") }

func removeFlags(f *pflag.FlagSet) {
	yesFlag(f)
	f.BoolP("force", "f", false, "")
	f.Bool("preserve-config", false, "")
	f.Bool("remove-backups", false, "")
}

func outputFlags(f *pflag.FlagSet) { jsonFlag(f); f.Bool("show-secrets", false, "") }

func historyFlags(f *pflag.FlagSet) {
	outputFlags(f)
	f.Int("page-size", 0, "")
	f.Int("page", 1, "")
	f.Bool("full-dates", false, "")
}

func exportFlags(f *pflag.FlagSet) { f.Bool("show-secrets", false, ""); f.String("file", "", "") }

func importStackFlags(f *pflag.FlagSet) { f.String("file", "", ""); f.BoolP("force", "f", false, "") }

func (s *session) print(v any) error {
	enc := json.NewEncoder(s.out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v) //nolint:wrapcheck // the stream is the caller's
}

func (s *session) whoami(context.Context, []string) error {
	u, err := user.Current()
	if err != nil {
		return fmt.Errorf("who am I: %w", err)
	}
	_, d, openErr := s.open()
	if s.flag("json") {
		if openErr != nil {
			return openErr
		}
		return s.print(map[string]any{"user": u.Username, "url": d.Hide(d.URL())})
	}
	_, err = fmt.Fprintln(s.out, u.Username)
	return err //nolint:wrapcheck // the stream is the caller's
}

func (s *session) stackInit(ctx context.Context, args []string) error {
	if p := s.text("secrets-provider"); p != "" && p != "passphrase" && p != "default" {
		return fmt.Errorf("secrets provider %q is not supported, only passphrase", p)
	}
	name := ""
	if len(args) > 0 {
		name = args[0]
	}
	r, ref, err := s.runner(name)
	if err != nil {
		return err
	}
	ok, err := r.State.Exists(ctx, ref)
	if err != nil {
		return err
	}
	if ok {
		return fmt.Errorf("stack '%s' already exists", ref)
	}
	settings, err := s.settings(ref)
	if err != nil {
		return err
	}
	if settings.EncryptionSalt == "" {
		m, err := r.Keys.New()
		if err != nil {
			return err
		}
		settings.EncryptionSalt = secret.Salt(m)
		if err := settings.Save(s.settingsFile(ref)); err != nil {
			return fmt.Errorf("save stack settings: %w", err)
		}
	}
	return lockText(r.WithLock(ctx, ref, func(ctx context.Context, l *state.Locked) error { return l.Create(ctx, nil) }))
}

// lockText begins the message as the CLI does, because auto.IsConcurrentUpdateError looks for that.
func lockText(err error) error {
	var held *lock.HeldError
	if errors.As(err, &held) {
		return fmt.Errorf("the stack is currently locked by 1 lock(s): %w", err)
	}
	return err
}

func (s *session) stackSelect(ctx context.Context, args []string) error {
	name := ""
	if len(args) > 0 {
		name = args[0]
	}
	_, _, err := s.existing(ctx, name)
	return err
}

func (s *session) stackList(ctx context.Context, _ []string) error {
	p, d, err := s.open()
	if err != nil {
		return err
	}
	project := string(p.Name)
	if s.flag("all") {
		project = ""
	}
	refs, err := d.List(ctx, project)
	if err != nil {
		return err
	}
	type row struct {
		Name             string `json:"name"`
		Current          bool   `json:"current"`
		LastUpdate       string `json:"lastUpdate,omitempty"`
		UpdateInProgress bool   `json:"updateInProgress"`
		ResourceCount    *int   `json:"resourceCount,omitempty"`
	}
	rows := []row{}
	for _, ref := range refs {
		r := row{Name: ref.Stack}
		if ref.Project != string(p.Name) {
			r.Name = ref.String()
		}
		if runs, err := d.History(ctx, ref, 1); err == nil && len(runs) > 0 {
			r.LastUpdate = stamp(runs[0].EndTime)
		}
		if n, err := d.Count(ctx, ref); err == nil {
			r.ResourceCount = &n
		}
		rows = append(rows, r)
	}
	return s.print(rows)
}

func (s *session) stackRemove(ctx context.Context, args []string) error {
	name := ""
	if len(args) > 0 {
		name = args[0]
	}
	r, ref, err := s.existing(ctx, name)
	if err != nil {
		return err
	}
	err = r.WithLock(ctx, ref, func(ctx context.Context, l *state.Locked) error {
		if n, err := l.Count(ctx, ref); err == nil && n > 0 && !s.flag("force") {
			return fmt.Errorf("'%s' still has resources; removal rejected. Possible actions:\n- Make sure that "+
				"'%[1]s' is the stack that you want to destroy\n- Run `pulumi destroy` to delete the resources, then "+
				"run `pulumi stack rm`\n- Run `pulumi stack rm --force` to override this error", ref.Stack)
		}
		return l.Remove(ctx)
	})
	if err != nil || s.flag("preserve-config") {
		return lockText(err)
	}
	if err := os.Remove(s.settingsFile(ref)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

func (s *session) stackRename(ctx context.Context, args []string) error {
	r, ref, err := s.existing(ctx, "")
	if err != nil {
		return err
	}
	if len(args) != 1 {
		return errors.New("stack rename: want the new name")
	}
	to, err := state.ParseRef(ref.Project, args[0])
	if err != nil {
		return err
	}
	if err := r.Rename(ctx, ref, to); err != nil {
		return lockText(err)
	}
	if err := os.Rename(s.settingsFile(ref), s.settingsFile(to)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

func (s *session) stackOutput(ctx context.Context, args []string) error {
	r, ref, err := s.existing(ctx, "")
	if err != nil {
		return err
	}
	m, err := r.Outputs(ctx, ref)
	if err != nil {
		return err
	}
	values := map[string]any{}
	for k, v := range m {
		if !resource.IsInternalPropertyKey(k) {
			values[string(k)] = linked.Plain(v, s.flag("show-secrets"))
		}
	}
	if len(args) == 0 {
		return s.print(values)
	}
	v, ok := values[args[0]]
	if !ok {
		return fmt.Errorf("current stack does not have output property '%v'", args[0])
	}
	return s.print(v)
}

// historyRow is an entry as `pulumi stack history --json` prints it.
type historyRow struct {
	Version         int                    `json:"version"`
	Kind            string                 `json:"kind"`
	StartTime       string                 `json:"startTime"`
	Message         string                 `json:"message"`
	Environment     map[string]string      `json:"environment"`
	Config          map[string]configValue `json:"config"`
	Result          string                 `json:"result,omitempty"`
	EndTime         string                 `json:"endTime"`
	ResourceChanges map[string]int         `json:"resourceChanges"`
}

func stamp(unix int64) string { return time.Unix(unix, 0).UTC().Format("2006-01-02T15:04:05.000Z") }

func (s *session) stackHistory(ctx context.Context, _ []string) error {
	r, ref, err := s.existing(ctx, "")
	if err != nil {
		return err
	}
	size, _ := s.flags.GetInt("page-size")
	page, _ := s.flags.GetInt("page")
	runs, err := r.State.History(ctx, ref, size*max(1, page))
	if err != nil {
		return err
	}
	if size > 0 {
		runs = runs[min(len(runs), size*(max(1, page)-1)):]
	}
	var decrypter config.Decrypter
	if s.flag("show-secrets") {
		m, err := s.manager(ctx, r, ref)
		if err != nil {
			return err
		}
		decrypter = m.Decrypter()
	}
	rows := make([]historyRow, 0, len(runs))
	for _, run := range runs {
		rows = append(rows, historyOf(run, decrypter))
	}
	return s.print(rows)
}

func historyOf(run backend.UpdateInfo, decrypter config.Decrypter) historyRow {
	row := historyRow{
		Version: run.Version, Kind: string(run.Kind), StartTime: stamp(run.StartTime), EndTime: stamp(run.EndTime),
		Message: run.Message, Environment: run.Environment, Result: string(run.Result),
		Config: map[string]configValue{}, ResourceChanges: map[string]int{},
	}
	for k, v := range run.Config {
		row.Config[k.String()] = valueOf(v, decrypter)
	}
	for op, n := range run.ResourceChanges {
		row.ResourceChanges[string(op)] = n
	}
	return row
}

func (s *session) stackExport(ctx context.Context, _ []string) error {
	r, ref, err := s.existing(ctx, "")
	if err != nil {
		return err
	}
	d, err := r.State.Export(ctx, ref)
	if err != nil {
		return err
	}
	if s.flag("show-secrets") {
		snap, _, err := r.State.Load(ctx, ref, r.Keys)
		if err != nil {
			return err
		}
		if snap != nil {
			plain, err := stack.SerializeUntypedDeployment(ctx, snap, &stack.SerializeOptions{ShowSecrets: true})
			if err != nil {
				return fmt.Errorf("export stack %s: %w", ref.Stack, err)
			}
			d = *plain
		}
	}
	if file := s.text("file"); file != "" {
		raw, err := json.MarshalIndent(d, "", "    ")
		if err != nil {
			return fmt.Errorf("export stack %s: %w", ref.Stack, err)
		}
		return os.WriteFile(file, raw, 0o600)
	}
	return s.print(d)
}

func (s *session) stackImport(ctx context.Context, _ []string) error {
	r, ref, err := s.existing(ctx, "")
	if err != nil {
		return err
	}
	in := s.in
	if file := s.text("file"); file != "" {
		f, err := os.Open(file)
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	var d apitype.UntypedDeployment
	if err := json.NewDecoder(in).Decode(&d); err != nil {
		return fmt.Errorf("read deployment: %w", err)
	}
	return lockText(r.Import(ctx, ref, d))
}

// stackTag fails like the CLI: the file layout has no place for tags.
func (s *session) stackTag(context.Context, []string) error {
	return errors.New("stack tags are not supported by a file backend")
}

// cancel removes the stack's locks. A run that lives goes on; on this host no other can begin before it ends.
func (s *session) cancel(ctx context.Context, _ []string) error {
	r, ref, err := s.existing(ctx, "")
	if err != nil {
		return err
	}
	return r.State.Break(ctx, ref)
}
