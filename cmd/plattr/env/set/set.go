// Package set is the `env set` command.
package set

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"plattr.dev/plattr/cmd/plattr/internal/local"
	"plattr.dev/plattr/cmd/plattr/internal/remote"
	"plattr.dev/plattr/internal/cli"
	"plattr.dev/plattr/internal/config/names"
	"plattr.dev/plattr/localdev/envfile"
)

// maxValue is the largest value that is read from a pipe, in bytes.
const maxValue = 1 << 20

// report is what `env set -o json` prints.
type report struct {
	Set []string `json:"set"`
	// File is where they are kept on this machine, Next the command that applies them there.
	File string `json:"file,omitempty"`
	Next string `json:"next,omitempty"`
	// Release is the one that was made of it in an environment; empty where none serves yet.
	Release string `json:"release,omitempty"`
}

type options struct {
	*cli.Session
	open remote.Opener
	env  string
}

// New returns the `env set` command.
func New(s *cli.Session, open remote.Opener) *cobra.Command {
	o := &options{Session: s, open: open}
	cmd := &cobra.Command{
		Use:   "set NAME=VALUE... | NAME",
		Short: "Set environment variables of the application",
		Long: "Set environment variables of the application.\n\n" +
			"On this machine they are kept in .plattr/NAME.set.env (0600) and come after everything but local.env; `plattr dev` applies\n" +
			"them. In an environment they are kept in its state and in the Secret NAME-env, and a release with the same image rolls\n" +
			"them out. NAME alone asks for the value without showing it, or reads it from a pipe: others can read arguments.",
		Example: "  plattr env set LOG_LEVEL=debug\n  plattr env set API_TOKEN\n  plattr env set API_TOKEN --env staging <token.txt",
		Args:    cli.Args(1, -1, "NAME=VALUE, or NAME alone"),
		RunE:    func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), args) },
	}
	remote.AddFlag(cmd, &o.env, "`environment` of plattr.platform.yaml (default: this machine)")
	return cmd
}

func (o *options) run(ctx context.Context, args []string) error {
	if o.env != "" && o.env != names.Local {
		return o.there(ctx, args)
	}
	app, dir, err := local.Load(o.Session)
	if err != nil {
		return err
	}
	vars, err := o.read(args)
	if err != nil {
		return err
	}
	file := envfile.SetPath(dir, app.Name)
	if err := envfile.Change(file, vars, nil); err != nil {
		return fmt.Errorf("env set: %w", err)
	}
	r := report{Set: variableNames(vars), File: file, Next: "plattr dev"}
	if o.env == names.Local {
		if r.Release, err = o.open.ApplySet(ctx, o.Session, "plattr env set"); err != nil {
			return err
		}
	}
	if r.Release != "" {
		r.Next = ""
	}
	return o.Print(r, func(w io.Writer) {
		fmt.Fprintf(w, "set %s\n", strings.Join(r.Set, ", "))
		if r.Next != "" {
			fmt.Fprintf(w, "Next: %s\n", r.Next)
		}
	})
}

// there sets them in an environment.
func (o *options) there(ctx context.Context, args []string) error {
	e, err := o.open(ctx, o.env, "plattr env set")
	if err != nil {
		return err
	}
	vars, err := o.read(args)
	if err != nil {
		return err
	}
	values := map[string]string{}
	for _, v := range vars {
		values[v.Name] = v.Value
	}
	release, err := e.SetEnv(ctx, o.Session, values, nil)
	if err != nil {
		return err
	}
	r := report{Set: variableNames(vars), Release: release}
	return o.Print(r, func(w io.Writer) { fmt.Fprintf(w, "set %s in %s\n", strings.Join(r.Set, ", "), e.Label()) })
}

func variableNames(vars []envfile.Var) []string {
	names := make([]string, len(vars))
	for i, v := range vars {
		names[i] = v.Name
	}
	return names
}

// read takes the variables out of the arguments.
func (o *options) read(args []string) ([]envfile.Var, error) {
	vars := make([]envfile.Var, len(args))
	for i, arg := range args {
		name, value, given := strings.Cut(arg, "=")
		if err := envfile.CheckName(name); err != nil {
			return nil, cli.Usagef("env set: %v", err)
		}
		if !given && len(args) > 1 {
			return nil, cli.Usagef("env set: %s has no value: write %s=VALUE, or give NAME alone to be asked", name, name)
		}
		if !given {
			var err error
			if value, err = readValue(o.Session, name); err != nil {
				return nil, err
			}
		}
		vars[i] = envfile.Var{Name: name, Value: value}
	}
	return vars, nil
}

// readValue asks on a terminal without an echo, or reads a pipe to its end. The
// last line end is not part of the value.
func readValue(s *cli.Session, name string) (string, error) {
	if file, ok := s.In.(*os.File); ok && s.CanPrompt() {
		fmt.Fprintf(s.Err, "%s: ", name)
		raw, err := term.ReadPassword(int(file.Fd()))
		fmt.Fprintln(s.Err)
		if err != nil {
			return "", fmt.Errorf("env set: read the value of %s: %w", name, err)
		}
		return string(raw), nil
	}
	raw, err := io.ReadAll(io.LimitReader(s.In, maxValue+1))
	if err != nil {
		return "", fmt.Errorf("env set: read the value of %s: %w", name, err)
	}
	if len(raw) > maxValue {
		return "", cli.Usagef("env set: the value of %s is larger than %s", name, cli.Size(maxValue))
	}
	if len(raw) == 0 {
		return "", cli.Usagef("env set: there is no value for %s: write %s=VALUE, or pipe it in", name, name)
	}
	return strings.TrimSuffix(strings.TrimSuffix(string(raw), "\n"), "\r"), nil
}
