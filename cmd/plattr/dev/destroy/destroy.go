// Package destroy is the `dev destroy` command.
package destroy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"plattr.dev/plattr/cmd/plattr/internal/local"
	"plattr.dev/plattr/internal/cli"
	"plattr.dev/plattr/localdev/envfile"
	"plattr.dev/plattr/localdev/state"
)

// Runtime is what this command needs of the services of the machine.
type Runtime interface {
	Apps() ([]state.App, error)
	Destroy(ctx context.Context) error
}

type options struct {
	*cli.Session
	open    local.Opener
	machine func(context.Context) (Runtime, error)
	all     bool
}

// report is what `dev destroy -o json` prints.
type report struct {
	Destroyed []string       `json:"destroyed"`
	Changes   map[string]int `json:"changes,omitempty"`
	Services  bool           `json:"services"`
}

// New returns the `dev destroy` command.
func New(s *cli.Session, open local.Opener, machine func(context.Context) (Runtime, error)) *cobra.Command {
	o := &options{Session: s, open: open, machine: machine}
	cmd := &cobra.Command{
		Use:   "destroy",
		Short: "Delete the application's database, buckets and data on this machine",
		Long: "Delete the application's database, buckets and data on this machine.\n\n" +
			"With --all it deletes those of every application, and the local services with all their data, in every runtime,\n" +
			"with the cluster of the runtime kind. It asks first; scripts pass --yes. plattr.yaml, your code and what you set\n" +
			"with `plattr env set` stay.",
		Example: "  plattr dev destroy --yes\n  plattr dev destroy --all",
		Args:    cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.all {
				return o.everything(cmd.Context())
			}
			return o.one(cmd.Context())
		},
	}
	cmd.Flags().BoolVar(&o.all, "all", false, "every application of this machine, the services and their data")
	return cmd
}

func (o *options) one(ctx context.Context) error {
	app, _, err := local.Load(o.Session)
	if err != nil {
		return err
	}
	if err := o.Confirm(ctx, "delete the database and the buckets of "+app.Name+" on this machine, with all data in them"); err != nil {
		return err
	}
	opened, err := o.open(ctx, "plattr dev destroy")
	if err != nil {
		return err
	}
	changes, err := o.destroy(ctx, opened)
	if err != nil {
		return fmt.Errorf("destroy %s, local: %w", app.Name, err)
	}
	r := report{Destroyed: []string{app.Name}, Changes: changes}
	return o.Print(r, func(w io.Writer) {
		fmt.Fprintln(w, app.Name+" has nothing on this machine any more")
	})
}

func (o *options) destroy(ctx context.Context, app *local.App) (map[string]int, error) {
	view := o.NewView()
	defer view.Close()
	watch := local.NewWatch(view, app.Config.Name+", local")
	watch.Begin()
	watch.Deleting()
	res, err := app.Destroy(ctx, watch.Reports())
	watch.Close("", nil, local.Changes(res.Changes), err)
	delete(res.Changes, "same")
	return res.Changes, err
}

// everything deletes what plattr keeps on this machine. The environment files
// go first: they name passwords of servers that still run then.
func (o *options) everything(ctx context.Context) error {
	machine, err := o.machine(ctx)
	if err != nil {
		return err
	}
	apps, err := machine.Apps()
	if err != nil {
		return fmt.Errorf("list the applications: %w", err)
	}
	r := report{Destroyed: []string{}, Services: true}
	for _, a := range apps {
		if !slices.Contains(r.Destroyed, a.Name) {
			r.Destroyed = append(r.Destroyed, a.Name)
		}
	}
	what := "delete the local services with all their data"
	if len(apps) > 0 {
		what += ", of the applications " + strings.Join(r.Destroyed, ", ")
	}
	if err := o.Confirm(ctx, what); err != nil {
		return err
	}
	if err := o.destroyMachine(ctx, machine, apps); err != nil {
		return fmt.Errorf("destroy the local services: %w", err)
	}
	return o.Print(r, func(w io.Writer) {
		fmt.Fprintln(w, "nothing of plattr is on this machine any more, but for its cache of programs")
	})
}

func (o *options) destroyMachine(ctx context.Context, machine Runtime, apps []state.App) error {
	view := o.NewView()
	defer view.Close()
	view.Start("all", "", "Services")
	view.Update("all", "stopping in order, deleting the data")
	var errs []error
	for _, a := range apps {
		for _, dir := range a.Dirs {
			errs = append(errs, envfile.Remove(dir, a.Name))
		}
	}
	errs = append(errs, machine.Destroy(ctx))
	if err := errors.Join(errs...); err != nil {
		view.Fail("all", err)
		return err
	}
	view.Done("all", "", -1)
	return nil
}
