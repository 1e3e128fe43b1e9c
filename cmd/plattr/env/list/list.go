// Package list is the `env list` command.
package list

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"plattr.dev/plattr/cmd/plattr/internal/local"
	"plattr.dev/plattr/cmd/plattr/internal/remote"
	"plattr.dev/plattr/internal/cli"
	"plattr.dev/plattr/internal/config"
	"plattr.dev/plattr/internal/config/names"
	"plattr.dev/plattr/internal/deploy"
	"plattr.dev/plattr/localdev"
	"plattr.dev/plattr/localdev/envfile"
)

// masked stands for a value. It has the same length for every value.
const masked = "********"

// variable is one entry of what `env list -o json` prints.
type variable struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	// From says who set it: plattr, plattr.yaml, env set or local.env.
	From string `json:"from"`
}

type options struct {
	*cli.Session
	open remote.Opener
	env  string
	show bool
}

// New returns the `env list` command.
func New(s *cli.Session, open remote.Opener) *cobra.Command {
	o := &options{Session: s, open: open}
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the application's environment variables",
		Long: "List the application's environment variables.\n\n" +
			"Values are masked unless --show is given. The last column says where each comes from; what was set with\n" +
			"`plattr env set` since the last `plattr dev` is in it already.",
		Example: "  plattr env list\n  plattr env list --show -o json\n  plattr env list --env staging",
		Args:    cli.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context()) },
	}
	cmd.Flags().BoolVar(&o.show, "show", false, "print the values, secrets too")
	remote.AddFlag(cmd, &o.env, "`environment` of plattr.platform.yaml (default: this machine)")
	return cmd
}

func (o *options) run(ctx context.Context) error {
	variables, err := o.variables(ctx)
	if err != nil {
		return err
	}
	if !o.show {
		for i := range variables {
			variables[i].Value = masked
		}
	}
	return o.Print(variables, func(w io.Writer) {
		rows := make([][]string, len(variables))
		for i, v := range variables {
			rows[i] = []string{v.Name, v.Value, v.From}
		}
		cli.Table(w, rows)
	})
}

func (o *options) variables(ctx context.Context) ([]variable, error) {
	if o.env != "" && o.env != names.Local {
		return o.there(ctx)
	}
	app, dir, err := local.Load(o.Session)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(envfile.Path(dir, app.Name)); err != nil {
		return nil, fmt.Errorf("list the environment of %s: %w", app.Name, localdev.ErrNotUp)
	}
	variables, err := read(app, dir)
	if err != nil {
		return nil, fmt.Errorf("list the environment of %s: %w", app.Name, err)
	}
	return variables, nil
}

// there are those of the release that serves in an environment.
func (o *options) there(ctx context.Context) ([]variable, error) {
	e, err := o.open(ctx, o.env, "plattr env list")
	if err != nil {
		return nil, err
	}
	layers, err := e.Deployer.Variables(ctx, e.App, e.Bare)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", e.Label(), err)
	}
	out := []variable{}
	for _, v := range layers {
		from := map[deploy.Origin]string{deploy.FromPlatform: "plattr", deploy.FromFile: "plattr.yaml", deploy.FromPeople: "env set"}[v.From]
		out = append(out, variable{v.Name, v.Value, from})
	}
	return out, nil
}

// read lays what was set over what the last run wrote, in the order that holds
// for the environment file.
func read(app *config.App, dir string) ([]variable, error) {
	written, err := envfile.Read(envfile.Path(dir, app.Name))
	if err != nil {
		return nil, err
	}
	set, err := envfile.Read(envfile.SetPath(dir, app.Name))
	if err != nil {
		return nil, err
	}
	out := make([]variable, len(written))
	for i, v := range written {
		out[i] = variable{v.Name, v.Value, "plattr"}
	}
	own := map[string]string{}
	for _, v := range set {
		own[v.Name] = v.Value
	}
	for _, layer := range []struct {
		from   string
		values map[string]string
	}{{"plattr.yaml", app.Env}, {"env set", own}, {"local.env", app.Local.Env}} {
		for _, name := range slices.Sorted(maps.Keys(layer.values)) {
			i := slices.IndexFunc(out, func(v variable) bool { return v.Name == name })
			if i < 0 {
				out = append(out, variable{Name: name})
				i = len(out) - 1
			}
			out[i].Value, out[i].From = layer.values[name], layer.from
		}
	}
	return out, nil
}
