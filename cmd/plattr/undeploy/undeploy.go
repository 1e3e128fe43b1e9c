// Package undeploy is the `undeploy` command.
package undeploy

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"plattr.dev/plattr/cmd/plattr/internal/local"
	"plattr.dev/plattr/cmd/plattr/internal/remote"
	"plattr.dev/plattr/internal/cli"
	"plattr.dev/plattr/internal/config/names"
	"plattr.dev/plattr/internal/deploy"
	"plattr.dev/plattr/internal/engine"
)

type options struct {
	*cli.Session
	open             remote.Opener
	env              string
	data, production bool
}

// New returns the `undeploy` command.
func New(s *cli.Session, open remote.Opener) *cobra.Command {
	o := &options{Session: s, open: open}
	cmd := &cobra.Command{
		Use:   "undeploy",
		Short: "Take the application out of service in an environment",
		Long: "Take the application out of service in an environment.\n\n" +
			"Its pods and its address go; its data stay on their servers, and so do its history and variables: the next deploy\n" +
			"finds them. With --data they go, too, and cannot be brought back.",
		Example: "  plattr undeploy --env staging --yes\n  plattr undeploy --env staging --data",
		Args:    cli.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context()) },
	}
	remote.AddFlag(cmd, &o.env, "`environment` of plattr.platform.yaml, or local for the cluster on this machine")
	cmd.Flags().BoolVar(&o.data, "data", false, "delete the data, too: database, buckets, realm, Redis, indices")
	cmd.Flags().BoolVar(&o.production, "yes-delete-production", false, "with --data: yes, the data of production")
	return cmd
}

// report is what `undeploy -o json` prints.
type report struct {
	App         string         `json:"app"`
	Environment string         `json:"environment"`
	Data        bool           `json:"dataDeleted"`
	Changes     map[string]int `json:"changes"`
}

func (o *options) run(ctx context.Context) error {
	e, err := o.open(ctx, o.env, "plattr undeploy")
	if err != nil {
		return err
	}
	last, err := e.Deployer.AsLast(ctx, e.App, e.Bare)
	if err != nil {
		return err
	}
	if err := o.confirm(ctx, e); err != nil {
		return err
	}
	p, err := e.Platform(ctx, deploy.Wanted(last))
	if err != nil {
		return err
	}
	var res deploy.Result
	err = remote.Run(o.Session, e.Label(), func(events chan<- engine.Event) (err error) {
		options := deploy.Options{Events: events}
		if o.data {
			res, err = e.Discard(ctx, p, options)
		} else {
			res, err = e.Deployer.Undeploy(ctx, e.App, p, options)
		}
		return err
	}, func() (string, string, string) {
		if !res.Changed() {
			return e.Label() + ": nothing was there", "", ""
		}
		return e.Label() + " is out of service", "", local.Changes(res.Changes)
	})
	if err != nil {
		return fmt.Errorf("%s: %w", e.Label(), err)
	}
	for _, warning := range res.Warnings {
		o.Note(warning)
	}
	r := report{App: e.App.Name, Environment: e.Name(), Data: o.data, Changes: res.Changes}
	return o.Print(r, func(w io.Writer) {
		switch {
		case o.data:
			fmt.Fprintf(w, "%s and its data are gone\n", e.Label())
		default:
			fmt.Fprintf(w, "%s is out of service; its data are kept (--data deletes them)\n", e.Label())
		}
	})
}

// confirm asks; the data of production want a flag of their own.
func (o *options) confirm(ctx context.Context, e *remote.Environment) error {
	if !o.data {
		return o.Confirm(ctx, "take "+e.App.Name+" out of service in "+e.Name())
	}
	if e.Name() == names.Production && !o.production {
		return cli.Usagef("--data deletes the data of production for good: add --yes-delete-production if that is meant")
	}
	return o.ConfirmName(ctx, "delete "+e.App.Name+" in "+e.Name()+" with all its data", e.App.Name)
}
