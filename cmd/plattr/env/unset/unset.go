// Package unset is the `env unset` command.
package unset

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"plattr.dev/plattr/cmd/plattr/internal/local"
	"plattr.dev/plattr/cmd/plattr/internal/remote"
	"plattr.dev/plattr/internal/cli"
	environments "plattr.dev/plattr/internal/config/names"
	"plattr.dev/plattr/localdev/envfile"
)

// report is what `env unset -o json` prints.
type report struct {
	Unset []string `json:"unset"`
	Next  string   `json:"next,omitempty"`
	// Release is the one that was made of it in an environment; empty where none serves.
	Release string `json:"release,omitempty"`
}

type options struct {
	*cli.Session
	open remote.Opener
	env  string
}

// New returns the `env unset` command.
func New(s *cli.Session, open remote.Opener) *cobra.Command {
	o := &options{Session: s, open: open}
	cmd := &cobra.Command{
		Use:   "unset NAME...",
		Short: "Take back variables that env set has set",
		Long: "Take back variables that env set has set.\n\n" +
			"What plattr and plattr.yaml give stays. A name that was never set is an error, so that a typing mistake is seen.",
		Example: "  plattr env unset LOG_LEVEL\n  plattr env unset LOG_LEVEL --env staging",
		Args:    cli.Args(1, -1, "one NAME or more"),
		RunE:    func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), args) },
	}
	remote.AddFlag(cmd, &o.env, "`environment` of plattr.platform.yaml (default: this machine)")
	return cmd
}

// there takes them back in an environment.
func (o *options) there(ctx context.Context, names []string) error {
	e, err := o.open(ctx, o.env, "plattr env unset")
	if err != nil {
		return err
	}
	release, err := e.SetEnv(ctx, o.Session, nil, names)
	if err != nil {
		return err
	}
	r := report{Unset: names, Release: release}
	return o.Print(r, func(w io.Writer) { fmt.Fprintf(w, "unset %s in %s\n", strings.Join(r.Unset, ", "), e.Label()) })
}

func (o *options) run(ctx context.Context, names []string) error {
	if o.env != "" && o.env != environments.Local {
		return o.there(ctx, names)
	}
	app, dir, err := local.Load(o.Session)
	if err != nil {
		return err
	}
	file := envfile.SetPath(dir, app.Name)
	have, err := envfile.Read(file)
	if err != nil {
		return fmt.Errorf("env unset: %w", err)
	}
	for _, name := range names {
		if !slices.ContainsFunc(have, func(v envfile.Var) bool { return v.Name == name }) {
			return cli.Usagef("env unset: %q was not set with plattr env set", name)
		}
	}
	if err := envfile.Change(file, nil, names); err != nil {
		return fmt.Errorf("env unset: %w", err)
	}
	r := report{Unset: names, Next: "plattr dev"}
	if o.env == environments.Local {
		if r.Release, err = o.open.ApplySet(ctx, o.Session, "plattr env unset"); err != nil {
			return err
		}
	}
	if r.Release != "" {
		r.Next = ""
	}
	return o.Print(r, func(w io.Writer) {
		fmt.Fprintf(w, "unset %s\n", strings.Join(names, ", "))
		if r.Next != "" {
			fmt.Fprintf(w, "Next: %s\n", r.Next)
		}
	})
}
