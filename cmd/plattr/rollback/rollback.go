// Package rollback is the `rollback` command.
package rollback

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"plattr.dev/plattr/cmd/plattr/internal/local"
	"plattr.dev/plattr/cmd/plattr/internal/remote"
	"plattr.dev/plattr/internal/cli"
	"plattr.dev/plattr/internal/deploy"
	"plattr.dev/plattr/internal/engine"
	"plattr.dev/plattr/internal/image"
)

type options struct {
	*cli.Session
	open    remote.Opener
	env, to string
}

// New returns the `rollback` command.
func New(s *cli.Session, open remote.Opener) *cobra.Command {
	o := &options{Session: s, open: open}
	cmd := &cobra.Command{
		Use:   "rollback",
		Short: "Bring an earlier release back into service",
		Long: "Bring an earlier release back into service.\n\n" +
			"Its image, configuration and variables become a new release. Migrations are never undone; those that are newer than the\n" +
			"release are named, and it must be able to live with them.",
		Example: "  plattr rollback --env staging\n  plattr rollback --env staging --to 12",
		Args:    cli.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context()) },
	}
	remote.AddFlag(cmd, &o.env, "`environment` of plattr.platform.yaml, or local for the cluster on this machine")
	cmd.Flags().StringVar(&o.to, "to", "", "`ID` of the release, as plattr history lists it (default: the one before)")
	return cmd
}

// report is what `rollback -o json` prints.
type report struct {
	App             string         `json:"app"`
	Environment     string         `json:"environment"`
	URL             string         `json:"url"`
	Release         string         `json:"release"`
	To              string         `json:"to"`
	Image           string         `json:"image"`
	Changes         map[string]int `json:"changes"`
	NewerMigrations []string       `json:"newerMigrations"`
}

func (o *options) run(ctx context.Context) error {
	e, err := o.open(ctx, o.env, "plattr rollback")
	if err != nil {
		return err
	}
	to, err := e.Deployer.Earlier(ctx, e.App, e.Bare, o.to)
	if err != nil {
		return fmt.Errorf("%s: %w", e.Label(), err)
	}
	if err := e.Confirm(ctx, o.Session, fmt.Sprintf("go back to release %s (%s) of %s", to.ID, image.Short(to.Image), e.App.Name)); err != nil {
		return err
	}
	target := e.App
	target.Spec, target.Release = to.Spec, deploy.Release{Image: to.Image}
	p, err := e.Platform(ctx, deploy.Wanted(target))
	if err != nil {
		return err
	}
	newer, err := e.Deployer.NewerMigrations(ctx, e.App, p, to.ID)
	if err != nil {
		o.Note(fmt.Sprintf("which migrations are newer cannot be read: %v", err))
	}
	for _, name := range newer {
		o.Note("migration " + name + " is newer than release " + to.ID + " and stays")
	}
	var res deploy.Released
	err = remote.Run(o.Session, e.Label(), func(events chan<- engine.Event) (err error) {
		res, err = e.Deployer.Rollback(ctx, e.App, p, to.ID, deploy.ReleaseOptions{Options: deploy.Options{Events: events}, By: remote.By()})
		return err
	}, func() (string, string, string) {
		return e.App.Name + " is live with release " + to.ID, e.App.URL, local.Changes(res.Changes)
	})
	if err != nil {
		return fmt.Errorf("%s: %w", e.Label(), err)
	}
	r := report{
		App: e.App.Name, Environment: e.Name(), URL: e.App.URL, Release: res.Record.ID, To: to.ID, Image: res.Record.Image,
		Changes: res.Changes, NewerMigrations: append([]string{}, newer...),
	}
	return o.Print(r, func(w io.Writer) { fmt.Fprintln(w, r.URL) })
}
