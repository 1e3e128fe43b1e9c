package remote

import (
	"context"
	"fmt"

	"plattr.dev/plattr/cmd/plattr/internal/local"
	"plattr.dev/plattr/internal/cli"
	"plattr.dev/plattr/internal/deploy"
	"plattr.dev/plattr/internal/engine"
)

// Run does something to an environment with a live tree. The tree's root, called label, ends with what done says, or as failed.
func Run(s *cli.Session, label string, do func(events chan<- engine.Event) error, done func() (label, detail, remark string)) error {
	view := s.NewView()
	defer view.Close()
	watch := local.NewWatch(view, label)
	watch.Begin()
	events, finished := make(chan engine.Event, 64), make(chan struct{})
	go func() {
		defer close(finished)
		report := watch.Reports().Resources
		for e := range events {
			report(e)
		}
	}()
	err := do(events)
	close(events)
	<-finished
	if err != nil {
		watch.Close("", nil, "", err)
		return err
	}
	label, detail, remark := done()
	watch.Rename(label)
	watch.Close(detail, nil, remark, nil)
	return nil
}

// SetEnv changes the variables that people set, and rolls them out where a release serves. It returns the release, if one was
// made.
func (e *Environment) SetEnv(ctx context.Context, s *cli.Session, set map[string]string, unset []string) (string, error) {
	if err := e.Confirm(ctx, s, "change variables of "+e.App.Name); err != nil {
		return "", err
	}
	live, serves, err := e.Deployer.Live(ctx, e.App, e.Bare)
	if err != nil {
		return "", err
	}
	wanted := deploy.Servers{}
	if serves {
		running := e.App
		running.Spec, running.Release.Image = live.Spec, live.Image
		wanted = deploy.Wanted(running)
	}
	p, err := e.Platform(ctx, wanted)
	if err != nil {
		return "", err
	}
	var res deploy.Released
	err = Run(s, e.Label(), func(events chan<- engine.Event) (err error) {
		res, err = e.Deployer.SetEnv(ctx, e.App, p, set, unset, deploy.ReleaseOptions{Options: deploy.Options{Events: events}, By: By()})
		return err
	}, func() (string, string, string) {
		switch {
		case res.Record.ID == "":
			return e.Label() + ": kept for the first release", "", ""
		case !res.Changed():
			return e.App.Name + " is live, nothing changed", e.App.URL, ""
		default:
			return e.App.Name + " is live", e.App.URL, local.Changes(res.Changes)
		}
	})
	if err != nil {
		return "", fmt.Errorf("%s: %w", e.Label(), err)
	}
	return res.Record.ID, nil
}
