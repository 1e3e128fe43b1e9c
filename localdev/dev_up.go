package localdev

import (
	"context"
	"errors"
	"fmt"
	"time"

	"plattr.dev/plattr/internal/deploy"
	"plattr.dev/plattr/internal/engine"
	"plattr.dev/plattr/internal/environ"
	"plattr.dev/plattr/internal/providers/keycloak/admin"
	"plattr.dev/plattr/localdev/envfile"
	"plattr.dev/plattr/localdev/scratch"
	"plattr.dev/plattr/localdev/services"
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
	Variables []environ.Variable
	EnvFile   string
	// NewDemoPassword says that the demo user got a password in this run.
	NewDemoPassword bool
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
	needs, err := d.use(ctx, true)
	if err != nil {
		return res, err
	}
	if res.Endpoints, err = d.runtime.Ensure(ctx, needs, r.Services); err != nil {
		return res, err
	}
	if err := d.settleScratch(ctx, res.Endpoints); err != nil {
		return res, err
	}
	if err := d.run(ctx, r, generation, &res); err != nil {
		return res, err
	}
	if res.RestURL, err = d.ensureREST(ctx, res.Connections, r.Services); err != nil {
		return res, err
	}
	if search := res.Endpoints.OpenSearch; search != nil && d.options.Application.Spec.SearchEnabled() {
		res.Connections.DashboardsURL = search.DashboardsURL
	}
	if res.Variables, err = d.variables(res.Connections, res.RestURL); err != nil {
		return res, err
	}
	if res.NewDemoPassword, err = d.isNewDemoPassword(res.Connections); err != nil {
		return res, err
	}
	if err := writeVariables(res.EnvFile, res.Variables); err != nil {
		return res, err
	}
	if err := d.release(ctx); err != nil {
		return res, err
	}
	res.Elapsed = time.Since(start)
	return res, nil
}

// run makes the resources.
func (d *Dev) run(ctx context.Context, r Reports, generation string, res *UpResult) error {
	platform, err := d.platform(res.Endpoints)
	if err != nil {
		return err
	}
	events, finished := engine.Forward(r.Resources)
	begun := time.Now()
	res.Result, err = d.deployer.Up(ctx, d.application(res.Endpoints), platform, deploy.Options{
		Events: events, PasswordGeneration: generation,
	})
	finished()
	res.Resources = time.Since(begun)
	return d.diagnose(ctx, explain(err))
}

// diagnose finds out whether a run failed because Keycloak refuses plattr: an engine's error is only text, and says it
// for each resource anew.
func (d *Dev) diagnose(ctx context.Context, err error) error {
	var resource *engine.ResourceError
	if !errors.As(err, &resource) || !d.options.Application.Spec.AuthEnabled() {
		return err
	}
	status, asked := d.runtime.Status(ctx)
	if asked != nil {
		return err
	}
	for _, s := range status.Services {
		var refused *admin.LoginError
		if s.Kind == services.Keycloak && errors.As(CheckKeycloakLogin(ctx, d.runtime, s.Spec), &refused) {
			return &explained{refused, "plattr doctor --fix gives it the secret that this machine keeps"}
		}
	}
	return err
}

// use records which services serve the application, and returns what it needs: for what it asks for and, with
// leftovers, for what is left of what it does not ask for any more.
func (d *Dev) use(ctx context.Context, leftovers bool) (Needs, error) {
	app := d.options.Application
	servers := deploy.Wanted(app)
	present, err := d.deployer.Present(ctx, app, deploy.Platform{Target: d.target})
	if err != nil {
		return Needs{}, explain(err)
	}
	if leftovers {
		servers = servers.Or(present)
	}
	servers.Cluster = present.Cluster // a release that was deployed is not asked for again, and serves
	needs := d.needs(servers)
	return needs, explain(d.runtime.State().Use(ctx, app.Name, needs.names()))
}

// release ends what the application does not use any more, and what nobody does.
func (d *Dev) release(ctx context.Context) error {
	if _, err := d.use(ctx, false); err != nil {
		return err
	}
	app := d.options.Application
	if !app.Spec.RedisEnabled() {
		if err := d.runtime.RemoveService(ctx, RedisName(app.Name)); err != nil {
			return err
		}
	}
	return d.runtime.StopUnused(ctx)
}

// isNewDemoPassword tells whether the demo user's password is another one than the environment file has.
func (d *Dev) isNewDemoPassword(c environ.Connections) (bool, error) {
	old, err := envfile.Read(d.EnvFile())
	if err != nil || c.DemoPassword == "" {
		return false, err
	}
	for _, v := range old {
		if v.Name == "AUTH_DEMO_PASSWORD" {
			return v.Value != c.DemoPassword, nil
		}
	}
	return true, nil
}

// settleScratch ends what a killed reset left, so that the database is there for the run. A template that is not
// needed any more goes first: what it holds belongs to the roles.
func (d *Dev) settleScratch(ctx context.Context, e Endpoints) error {
	if e.PostgreSQL == nil {
		return nil
	}
	o := d.scratchOptions(e)
	keep := d.options.Application.Spec.DatabaseEnabled()
	if keep && !d.options.Application.Spec.RestEnabled() {
		c, err := d.deployer.Connections(ctx, d.options.Application, deploy.Platform{Target: d.target})
		if err != nil && !errors.Is(err, engine.ErrStackNotFound) {
			return explain(err)
		}
		keep = c.RestURL == "" // else the roles of the REST API go in this run
	}
	if keep {
		return explain(scratch.Recover(ctx, o))
	}
	return explain(scratch.Remove(ctx, o))
}

// ensureREST starts the application's PostgREST, or ends it when it is not wanted any more.
func (d *Dev) ensureREST(ctx context.Context, c environ.Connections, report func(Progress)) (string, error) {
	app := d.options.Application
	if !app.Spec.RestEnabled() {
		return "", d.runtime.RemoveService(ctx, PostgRESTName(app.Name))
	}
	return d.runtime.EnsurePostgREST(ctx, app.Name, d.restConfig(c), report)
}

// restConfig makes PostgREST accept tokens of the application's realm that were made for its client, and no others. (The
// role claim is the one that PostgREST reads by itself.)
func (d *Dev) restConfig(c environ.Connections) PostgRESTConfig {
	config := PostgRESTConfig{DatabaseURL: c.RestURL, Schema: c.Schema, Channel: c.Channel, AnonRole: d.Names().AnonRole}
	if c.AuthInternalURL != "" {
		config.Settings = map[string]string{
			services.SettingKeys: c.AuthInternalURL + "/protocol/openid-connect/certs", "jwt-aud": c.ClientID,
		}
	}
	return config
}

// Destroy deletes everything that the application has on this machine: data, logins, buckets, its PostgREST, its
// environment files. The shared services end with the last application.
func (d *Dev) Destroy(ctx context.Context, r Reports) (deploy.Result, error) {
	name := d.options.Application.Name
	if err := d.claim(ctx); err != nil {
		return deploy.Result{}, explain(err)
	}
	if err := d.runtime.RemoveService(ctx, PostgRESTName(name)); err != nil {
		return deploy.Result{}, err
	}
	res, err := d.destroyResources(ctx, r)
	if err != nil {
		return res, explain(err)
	}
	if err := envfile.Remove(d.options.Dir, name); err != nil {
		return res, explain(err)
	}
	if err := d.runtime.Remove(ctx, name); err != nil {
		return res, err
	}
	apps, err := d.runtime.State().Apps()
	if err != nil {
		return res, explain(err)
	}
	if len(apps) > 0 {
		return res, d.runtime.StopUnused(ctx)
	}
	return res, d.runtime.Stop(ctx)
}

func (d *Dev) destroyResources(ctx context.Context, r Reports) (deploy.Result, error) {
	app, target := d.options.Application, deploy.Platform{Target: d.target}
	present, err := d.deployer.Present(ctx, app, target)
	if err != nil {
		return deploy.Result{}, err
	}
	needs := d.needs(present)
	if err := d.runtime.State().Use(ctx, app.Name, needs.names()); err != nil {
		return deploy.Result{}, err
	}
	e, err := d.runtime.Ensure(ctx, needs, r.Services)
	if err != nil {
		return deploy.Result{}, err
	}
	if err := d.sweepCopies(ctx, true); err != nil {
		return deploy.Result{}, err
	}
	if e.PostgreSQL != nil {
		if err := scratch.Remove(ctx, d.scratchOptions(e)); err != nil {
			return deploy.Result{}, fmt.Errorf("delete the template of the database: %w", err)
		}
	}
	platform, err := d.platform(e)
	if err != nil {
		return deploy.Result{}, err
	}
	events, finished := engine.Forward(r.Resources)
	defer finished()
	return d.deployer.Destroy(ctx, app, platform, deploy.Options{Events: events})
}
