package localdev

import (
	"context"
	"errors"
	"fmt"
	"time"

	"plattr.dev/plattr/internal/deploy"
	"plattr.dev/plattr/internal/engine"
	"plattr.dev/plattr/localdev/envfile"
	"plattr.dev/plattr/localdev/scratch"
)

// Reports are told what happens. Both may be nil; calls come one at a time for each.
type Reports struct {
	// Services is told of services and their programs.
	Services func(Progress)
	// Resources is told of what is made, changed and deleted in them.
	Resources func(engine.Event)
}

// UpResult is what a run did, and how to reach what is there now.
type UpResult struct {
	deploy.Result
	Endpoints Endpoints
	// RestURL is where PostgREST answers; empty without one.
	RestURL string
	// Variables are those in the environment file.
	Variables []deploy.Variable
	EnvFile   string
	// Resources is how long the resources took, Elapsed the whole.
	Resources, Elapsed time.Duration
}

// Up starts what the application needs, makes what it asks for, repairs what was changed outside, and writes the
// environment file. It is the same whether nothing is there, all of it, or what a killed run left.
func (d *Dev) Up(ctx context.Context, r Reports) (UpResult, error) {
	return d.up(ctx, r, "")
}

// Rotate gives the application's logins new, random passwords and writes them to the environment file.
func (d *Dev) Rotate(ctx context.Context, r Reports) (UpResult, error) {
	return d.up(ctx, r, time.Now().UTC().Format("20060102T150405.000000000Z"))
}

func (d *Dev) up(ctx context.Context, r Reports, generation string) (UpResult, error) {
	start := time.Now()
	if err := d.claim(ctx); err != nil {
		return UpResult{}, explain(err)
	}
	res := UpResult{EnvFile: d.EnvFile()}
	var err error
	if res.Endpoints, err = d.native.Ensure(ctx, d.neededNow(ctx), r.Services); err != nil {
		return res, err
	}
	platform, err := d.platform(res.Endpoints)
	if err != nil {
		return res, err
	}
	if err := d.settleScratch(ctx, res.Endpoints); err != nil {
		return res, err
	}
	events, finished := forward(r.Resources)
	begun := time.Now()
	res.Result, err = d.deployer.Up(ctx, d.options.Application, platform, deploy.Options{
		Events: events, PasswordGeneration: generation,
	})
	finished()
	res.Resources = time.Since(begun)
	if err != nil {
		return res, explain(err)
	}
	if res.RestURL, err = d.ensureREST(ctx, res.Connections, r.Services); err != nil {
		return res, err
	}
	if res.Variables, err = d.variables(platform, res.Connections, res.RestURL); err != nil {
		return res, err
	}
	if err := d.writeEnvFile(res.Variables); err != nil {
		return res, err
	}
	res.Elapsed = time.Since(start)
	return res, nil
}

// neededNow adds the services in which something of the application is left that it does not ask for any more.
func (d *Dev) neededNow(ctx context.Context) Needs {
	needs := d.needs()
	had, err := d.deployer.Connections(ctx, d.options.Application, deploy.Platform{Target: d.target})
	if errors.Is(err, engine.ErrStackNotFound) {
		return needs
	}
	// A stack that cannot be read fails in the run, with the reason; one whose first run was killed has no outputs.
	unknown := err != nil || had.DatabaseURL == "" && len(had.Buckets) == 0
	needs.PostgreSQL = needs.PostgreSQL || unknown || had.DatabaseURL != ""
	needs.S3 = needs.S3 || unknown || len(had.Buckets) > 0
	return needs
}

// settleScratch ends what a killed reset left, so that the database is there for the run. A template that is not
// needed any more goes first: what it holds belongs to the roles.
func (d *Dev) settleScratch(ctx context.Context, e Endpoints) error {
	if e.PostgreSQL == nil {
		return nil
	}
	o := d.scratchOptions(e)
	if d.options.Application.Spec.DatabaseEnabled() {
		return explain(scratch.Recover(ctx, o))
	}
	return explain(scratch.Remove(ctx, o))
}

// ensureREST starts the application's PostgREST, or ends it when it is not wanted any more.
func (d *Dev) ensureREST(ctx context.Context, c deploy.Connections, report func(Progress)) (string, error) {
	app := d.options.Application
	if !app.Spec.RestEnabled() {
		return "", d.native.removePostgREST(ctx, app.Name)
	}
	return d.native.EnsurePostgREST(ctx, app.Name, d.restConfig(c), report)
}

func (d *Dev) restConfig(c deploy.Connections) PostgRESTConfig {
	return PostgRESTConfig{DatabaseURL: c.RestURL, Schema: c.Schema, Channel: c.Channel, AnonRole: d.Names().AnonRole}
}

// forward hands events on to a function; finished returns when all of them were.
func forward(to func(engine.Event)) (events chan<- engine.Event, finished func()) {
	if to == nil {
		return nil, func() {}
	}
	ch, done := make(chan engine.Event), make(chan struct{})
	go func() {
		defer close(done)
		for e := range ch {
			to(e)
		}
	}()
	return ch, func() { close(ch); <-done }
}

// Destroy deletes everything that the application has on this machine: data, logins, buckets, its PostgREST, its
// environment files. The shared services end with the last application.
func (d *Dev) Destroy(ctx context.Context, r Reports) (deploy.Result, error) {
	name := d.options.Application.Name
	if err := d.claim(ctx); err != nil {
		return deploy.Result{}, explain(err)
	}
	if err := d.native.removePostgREST(ctx, name); err != nil {
		return deploy.Result{}, err
	}
	res, err := d.destroyResources(ctx, r)
	if err != nil {
		return res, explain(err)
	}
	if err := envfile.Remove(d.options.Dir, name); err != nil {
		return res, explain(err)
	}
	if err := d.native.Remove(ctx, name); err != nil {
		return res, err
	}
	apps, err := d.native.State().Apps()
	if err != nil || len(apps) > 0 {
		return res, explain(err)
	}
	return res, d.native.Stop(ctx)
}

func (d *Dev) destroyResources(ctx context.Context, r Reports) (deploy.Result, error) {
	app, target := d.options.Application, deploy.Platform{Target: d.target}
	if _, err := d.deployer.Connections(ctx, app, target); errors.Is(err, engine.ErrStackNotFound) {
		return deploy.Result{}, nil
	}
	e, err := d.native.Ensure(ctx, d.neededNow(ctx), r.Services)
	if err != nil {
		return deploy.Result{}, err
	}
	if e.PostgreSQL != nil {
		if err := scratch.Remove(ctx, d.scratchOptions(e)); err != nil {
			return deploy.Result{}, fmt.Errorf("delete the template of the database: %w", err)
		}
	}
	events, finished := forward(r.Resources)
	defer finished()
	return d.deployer.Destroy(ctx, app, target, deploy.Options{Events: events})
}
