// Package list is the `env list` command.
package list

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"plattr.dev/plattr/cmd/plattr/internal/local"
	"plattr.dev/plattr/internal/cli"
	"plattr.dev/plattr/internal/config"
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

// New returns the `env list` command.
func New(s *cli.Session) *cobra.Command {
	var show bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the application's environment variables on this machine",
		Long: "List the application's environment variables on this machine.\n\n" +
			"Values are masked unless --show is given. The last column says where each comes from; what was set with\n" +
			"`plattr env set` since the last `plattr dev` is in it already.",
		Example: "  plattr env list\n  plattr env list --show -o json",
		Args:    cli.NoArgs,
		RunE:    func(*cobra.Command, []string) error { return run(s, show) },
	}
	cmd.Flags().BoolVar(&show, "show", false, "print the values, secrets too")
	return cmd
}

func run(s *cli.Session, show bool) error {
	app, dir, err := local.Load(s)
	if err != nil {
		return err
	}
	if _, err := os.Stat(envfile.Path(dir, app.Name)); err != nil {
		return fmt.Errorf("list the environment of %s: %w", app.Name, localdev.ErrNotUp)
	}
	variables, err := read(app, dir)
	if err != nil {
		return fmt.Errorf("list the environment of %s: %w", app.Name, err)
	}
	if !show {
		for i := range variables {
			variables[i].Value = masked
		}
	}
	return s.Print(variables, func(w io.Writer) {
		rows := make([][]string, len(variables))
		for i, v := range variables {
			rows[i] = []string{v.Name, v.Value, v.From}
		}
		cli.Table(w, rows)
	})
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
