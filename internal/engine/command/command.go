// Package command answers the calls of Pulumi's Automation API with the engine in this process: an auto.Stack works
// unchanged, and no pulumi has to be on PATH. A call comes as the arguments of the CLI and goes back as its output, so
// texts and JSON here are those of the CLI where the Automation API reads them.
package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/blang/semver"
	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"
	"github.com/spf13/pflag"

	"plattr.dev/plattr/internal/engine/linked"
	"plattr.dev/plattr/internal/engine/secret"
	"plattr.dev/plattr/internal/engine/state"
)

// version is the version of the linked engine, and of the CLI that would give the same answers.
const version = "3.200.0"

// failed is the exit code of the CLI for every error.
const failed = 255

// Options say what programs can use.
type Options struct {
	// Providers maps a package to what makes an instance of its provider.
	Providers map[string]func() plugin.Provider
	// Keys open secrets when the call's environment names no passphrase; nil: an error, as from the CLI.
	Keys *secret.Keyring
	// Owner is shown to whoever finds a stack locked.
	Owner string
}

// Command is an auto.PulumiCommand. It is safe for concurrent use.
type Command struct {
	options Options

	mu     sync.Mutex
	keys   map[string]*secret.Keyring // by passphrase: a derived key is worth keeping
	stores map[string]*state.Stacks   // by URL: so are connections
}

var _ auto.PulumiCommand = (*Command)(nil)

// New returns a command.
func New(o Options) *Command {
	return &Command{options: o, keys: map[string]*secret.Keyring{}, stores: map[string]*state.Stacks{}}
}

// Version returns the version of the linked engine.
func (c *Command) Version() semver.Version { return semver.MustParse(version) }

// Run answers one call of the CLI.
func (c *Command) Run(
	ctx context.Context, dir string, in io.Reader, out, errOut []io.Writer, env []string, args ...string,
) (string, string, int, error) {
	var stdout, stderr bytes.Buffer
	s := &session{
		command: c, dir: dir, in: in, env: environment(env),
		out: io.MultiWriter(append(out, &stdout)...), err: io.MultiWriter(append(errOut, &stderr)...),
	}
	err := s.dispatch(ctx, args)
	if err == nil {
		return stdout.String(), stderr.String(), 0, nil
	}
	fmt.Fprintf(s.err, "error: %v\n", err)
	return stdout.String(), stderr.String(), failed, err
}

// session is one call.
type session struct {
	command *Command
	dir     string
	env     map[string]string
	in      io.Reader
	out     io.Writer
	err     io.Writer
	flags   *pflag.FlagSet
}

// verb is one command of the CLI: its flags, and what it does with the arguments that are left.
type verb struct {
	flags func(*pflag.FlagSet)
	run   func(s *session, ctx context.Context, args []string) error
}

// verbs are the commands that the Automation API calls, by their words.
func verbs() map[string]verb {
	return map[string]verb{
		"version": {run: (*session).version},
		"whoami":  {flags: jsonFlag, run: (*session).whoami},

		"stack init":    {flags: initFlags, run: (*session).stackInit},
		"stack select":  {run: (*session).stackSelect},
		"stack ls":      {flags: listFlags, run: (*session).stackList},
		"stack rm":      {flags: removeFlags, run: (*session).stackRemove},
		"stack rename":  {run: (*session).stackRename},
		"stack output":  {flags: outputFlags, run: (*session).stackOutput},
		"stack history": {flags: historyFlags, run: (*session).stackHistory},
		"stack export":  {flags: exportFlags, run: (*session).stackExport},
		"stack import":  {flags: importStackFlags, run: (*session).stackImport},
		"stack tag":     {flags: jsonFlag, run: (*session).stackTag},

		"config":         {flags: configFlags, run: (*session).configAll},
		"config get":     {flags: configFlags, run: (*session).configGet},
		"config set":     {flags: configSetFlags, run: (*session).configSet},
		"config set-all": {flags: configSetAllFlags, run: (*session).configSetAll},
		"config rm":      {flags: configFlags, run: (*session).configRemove},
		"config rm-all":  {flags: configFlags, run: (*session).configRemove},
		"config refresh": {flags: configRefreshFlags, run: (*session).configRefresh},

		"up":      {flags: updateFlags, run: (*session).up},
		"preview": {flags: updateFlags, run: (*session).preview},
		"refresh": {flags: updateFlags, run: (*session).refresh},
		"destroy": {flags: updateFlags, run: (*session).destroy},
		"import":  {flags: importFlags, run: (*session).importResources},
		"cancel":  {flags: yesFlag, run: (*session).cancel},
	}
}

func (s *session) dispatch(ctx context.Context, args []string) error {
	name, v, rest, err := find(args)
	if err != nil {
		return err
	}
	s.flags = pflag.NewFlagSet("pulumi "+name, pflag.ContinueOnError)
	s.flags.SetOutput(io.Discard)
	s.flags.StringP("stack", "s", "", "")
	s.flags.Bool("non-interactive", false, "")
	s.flags.Bool("help", false, "")
	if v.flags != nil {
		v.flags(s.flags)
	}
	if err := s.flags.Parse(rest); err != nil {
		return fmt.Errorf("pulumi %s: %w", name, err)
	}
	if s.flag("help") {
		fmt.Fprint(s.out, s.flags.FlagUsages())
		return nil
	}
	return v.run(s, ctx, s.flags.Args())
}

// find returns the verb of the longest match of the leading words.
func find(args []string) (string, verb, []string, error) {
	all := verbs()
	if len(args) > 1 {
		if name := args[0] + " " + args[1]; all[name].run != nil {
			return name, all[name], args[2:], nil
		}
	}
	if len(args) > 0 && all[args[0]].run != nil {
		return args[0], all[args[0]], args[1:], nil
	}
	words := strings.Join(args[:min(2, len(args))], " ")
	return "", verb{}, nil, fmt.Errorf("pulumi %s is not supported by the linked engine; use the stock CLI", words)
}

func (s *session) version(context.Context, []string) error {
	_, err := fmt.Fprintln(s.out, "v"+version)
	return err //nolint:wrapcheck // the stream is the caller's
}

func (s *session) flag(name string) bool { v, _ := s.flags.GetBool(name); return v }

func (s *session) text(name string) string { v, _ := s.flags.GetString(name); return v }

func (s *session) list(name string) []string { v, _ := s.flags.GetStringArray(name); return v }

func yesFlag(f *pflag.FlagSet) { f.BoolP("yes", "y", false, "") }

func jsonFlag(f *pflag.FlagSet) { f.BoolP("json", "j", false, "") }

// environment makes a map of the call's variables. The process's own are asked by [session.variable].
func environment(env []string) map[string]string {
	m := make(map[string]string, len(env))
	for _, e := range env {
		if k, v, ok := strings.Cut(e, "="); ok {
			m[k] = v
		}
	}
	return m
}

func (s *session) variable(name string) (string, bool) {
	if v, ok := s.env[name]; ok {
		return v, true
	}
	return os.LookupEnv(name)
}

// project reads Pulumi.yaml, which the Automation API writes for inline programs.
func (s *session) project() (*workspace.Project, error) {
	path, err := workspace.DetectProjectPathFrom(s.dir)
	if err != nil {
		return nil, fmt.Errorf("no Pulumi.yaml project file found in %s: %w", s.dir, err)
	}
	p, err := workspace.LoadProject(path)
	if err != nil {
		return nil, fmt.Errorf("read project: %w", err)
	}
	return p, nil
}

// open returns the project and the store of its stacks.
func (s *session) open() (*workspace.Project, *state.Stacks, error) {
	p, err := s.project()
	if err != nil {
		return nil, nil, err
	}
	url, _ := s.variable("PULUMI_BACKEND_URL")
	if url == "" && p.Backend != nil {
		url = p.Backend.URL
	}
	if url == "" {
		return nil, nil, errors.New("no backend: set PULUMI_BACKEND_URL, or backend.url in Pulumi.yaml")
	}
	if rest, ok := strings.CutPrefix(url, "file://~"); ok {
		home, err := os.UserHomeDir()
		if err != nil {
			return nil, nil, fmt.Errorf("backend %s: %w", url, err)
		}
		url = "file://" + filepath.Join(home, rest)
	}
	d, err := s.command.store(url)
	return p, d, err
}

// store opens a store, once.
func (c *Command) store(url string) (*state.Stacks, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if d, ok := c.stores[url]; ok {
		return d, nil
	}
	d, err := state.Open(url, state.Options{})
	if err == nil && d.Root() == "" { // a directory may have been removed since, and is made by opening it
		c.stores[url] = d
	}
	return d, err
}

// runner returns what runs the engine on the stacks of the project, and the stack that the call names.
func (s *session) runner(name string) (*linked.Runner, state.Ref, error) {
	p, d, err := s.open()
	if err != nil {
		return nil, state.Ref{}, err
	}
	if name == "" {
		name = s.text("stack")
	}
	if name == "" {
		return nil, state.Ref{}, errors.New("no stack: name one with --stack")
	}
	ref, err := state.ParseRef(string(p.Name), name)
	if err != nil {
		return nil, state.Ref{}, err
	}
	keys, err := s.keyring()
	if err != nil {
		return nil, state.Ref{}, err
	}
	return &linked.Runner{
		State: d, Keys: keys, Providers: s.command.options.Providers, Owner: s.command.options.Owner,
	}, ref, nil
}

// existing is runner for a stack that must be there.
func (s *session) existing(ctx context.Context, name string) (*linked.Runner, state.Ref, error) {
	r, ref, err := s.runner(name)
	if err != nil {
		return nil, ref, err
	}
	ok, err := r.State.Exists(ctx, ref)
	if err == nil && !ok {
		err = fmt.Errorf("no stack named '%s' found", ref.Stack)
	}
	return r, ref, err
}

// keyring returns the keys for the passphrase that the environment names, in the order of the CLI.
func (s *session) keyring() (*secret.Keyring, error) {
	phrase, ok := s.variable("PULUMI_CONFIG_PASSPHRASE")
	if file, set := s.variable("PULUMI_CONFIG_PASSPHRASE_FILE"); !ok && set && file != "" {
		raw, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("unable to read PULUMI_CONFIG_PASSPHRASE_FILE: %w", err)
		}
		phrase, ok = strings.TrimSpace(string(raw)), true
	}
	if !ok && s.command.options.Keys != nil {
		return s.command.options.Keys, nil
	}
	if !ok {
		return secret.New(func() (string, error) {
			return "", errors.New("passphrase must be set with PULUMI_CONFIG_PASSPHRASE or " +
				"PULUMI_CONFIG_PASSPHRASE_FILE environment variables")
		}), nil
	}
	s.command.mu.Lock()
	defer s.command.mu.Unlock()
	keys, found := s.command.keys[phrase]
	if !found {
		keys = secret.New(func() (string, error) { return phrase, nil })
		s.command.keys[phrase] = keys
	}
	return keys, nil
}
