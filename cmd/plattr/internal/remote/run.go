package remote

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"plattr.dev/plattr/cmd/plattr/internal/local"
	"plattr.dev/plattr/internal/cli"
	"plattr.dev/plattr/internal/config/names"
	"plattr.dev/plattr/internal/deploy"
	"plattr.dev/plattr/internal/engine"
	"plattr.dev/plattr/localdev"
)

// Run does something to an environment with a live tree. The tree's root, called label, ends with what done says, or as failed.
func Run(s *cli.Session, label string, do func(events chan<- engine.Event) error, done func() (label, detail, remark string)) error {
	view := s.NewView()
	defer view.Close()
	watch := local.NewWatch(view, label)
	watch.Begin()
	events, finished := engine.Forward(watch.Reports().Resources)
	err := do(events)
	finished()
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
	return e.ChangeEnv(ctx, s, func(env map[string]string) (map[string]string, error) {
		for _, name := range unset {
			if _, ok := env[name]; !ok {
				return nil, fmt.Errorf("%s was not set there", name)
			}
			delete(env, name)
		}
		maps.Copy(env, set)
		return env, nil
	})
}

// ChangeEnv is SetEnv by a function, which may change or replace the variables.
func (e *Environment) ChangeEnv(
	ctx context.Context, s *cli.Session, change func(map[string]string) (map[string]string, error),
) (string, error) {
	if err := e.Confirm(ctx, s, "change variables of "+e.App.Name); err != nil {
		return "", err
	}
	last, err := e.Deployer.AsLast(ctx, e.App, e.Bare)
	if err != nil {
		return "", err
	}
	p, err := e.Platform(ctx, deploy.Wanted(last))
	if err != nil {
		return "", err
	}
	var res deploy.Released
	err = Run(s, e.Label(), func(events chan<- engine.Event) (err error) {
		res, err = e.Deployer.SetEnv(ctx, e.App, p, change, deploy.ReleaseOptions{Options: deploy.Options{Events: events}, By: By()})
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

// ApplySet rolls out what `plattr env set` keeps on this machine, where the application runs in this machine's cluster. It
// returns the release that was made, if one was.
func (o Opener) ApplySet(ctx context.Context, s *cli.Session, command string) (string, error) {
	e, err := o(ctx, names.Local, command)
	if errors.Is(err, localdev.ErrNoCluster) || errors.Is(err, localdev.ErrNotUp) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	_, serves, err := e.Deployer.Live(ctx, e.App, e.Bare)
	if err != nil || !serves {
		return "", err
	}
	return e.ChangeEnv(ctx, s, func(map[string]string) (map[string]string, error) { return e.App.UserEnv, nil })
}
