package localdev

import (
	"context"
	"fmt"
	"strconv"

	"plattr.dev/plattr/internal/deploy"
	"plattr.dev/plattr/localdev/envfile"
)

// Deployer works on the application's stack of this machine, the same that Up works on.
func (d *Dev) Deployer() *deploy.Deployer { return d.deployer }

// Cluster brings up what the application needs to run in this machine's cluster, and returns it as it runs there, without a
// release, and where it goes. A runtime without a cluster returns ErrNoCluster. The caller makes a release with Deployer; Up
// leaves that as it is from then on.
func (d *Dev) Cluster(ctx context.Context, r Reports) (deploy.Application, deploy.Platform, error) {
	app := d.options.Application
	if d.runtime.Name() != KindRuntime {
		return app, deploy.Platform{}, ErrNoCluster
	}
	if err := d.claim(ctx); err != nil {
		return app, deploy.Platform{}, explain(err)
	}
	present, err := d.deployer.Present(ctx, app, deploy.Platform{Target: d.target})
	if err != nil {
		return app, deploy.Platform{}, explain(err)
	}
	servers := deploy.Wanted(app).Or(present)
	servers.Cluster = true
	needs := d.needs(servers)
	if err := d.runtime.State().Use(ctx, app.Name, needs.names()); err != nil {
		return app, deploy.Platform{}, explain(err)
	}
	e, err := d.runtime.Ensure(ctx, needs, r.Services)
	if err != nil {
		return app, deploy.Platform{}, err
	}
	if err := d.settleScratch(ctx, e); err != nil {
		return app, deploy.Platform{}, err
	}
	p, err := d.platform(e)
	return d.application(e), p, err
}

// application is the application where it runs: on the laptop alone, or in the cluster with the laptop beside it.
func (d *Dev) application(e Endpoints) deploy.Application {
	app := d.options.Application
	if e.Cluster == nil {
		return app
	}
	app.AlsoAt = append(app.AlsoAt, app.URL)
	app.Host = app.Name + ".localhost"
	app.URL = "http://" + app.Host + ":" + strconv.Itoa(e.Cluster.IngressPort)
	return app
}

// Unserve ends the application's PostgREST on this machine, as its logins are about to go. The next Up starts it again.
func (d *Dev) Unserve(ctx context.Context) error {
	return d.runtime.RemoveService(ctx, PostgRESTName(d.options.Application.Name))
}

// Place is the application in this machine's cluster, and the cluster, as far as that is known without starting anything:
// enough to look at what is there. A runtime without a cluster returns ErrNoCluster; a cluster that was never made ErrNotUp.
func (d *Dev) Place(ctx context.Context) (deploy.Application, deploy.Platform, error) {
	app, p := d.options.Application, deploy.Platform{Target: d.target}
	pods, ok := d.runtime.(*Pods)
	if !ok {
		return app, p, ErrNoCluster
	}
	made, err := pods.wasMade()
	if err == nil && !made {
		err = ErrNotUp
	}
	if err != nil {
		return app, p, fmt.Errorf("%s, local: %w", app.Name, err)
	}
	at, err := pods.look(ctx)
	if err != nil {
		return app, p, explain(err)
	}
	c := at.clusterEndpoint()
	p.Cluster = c.Platform
	return d.application(Endpoints{Cluster: c}), p, nil
}

// Set are the variables that `plattr env set` keeps on this machine.
func (d *Dev) Set() (map[string]string, error) {
	vars, err := envfile.Read(envfile.SetPath(d.options.Dir, d.options.Application.Name))
	out := map[string]string{}
	for _, v := range vars {
		out[v.Name] = v.Value
	}
	return out, err
}

// There is this machine's cluster with the servers that are wanted, as they were last asked for: nothing is started. One that
// nobody asked for yet is ErrNotUp, as is a cluster that was never made.
func (d *Dev) There(ctx context.Context, wanted deploy.Servers) (deploy.Platform, error) {
	pods, ok := d.runtime.(*Pods)
	if !ok {
		return deploy.Platform{Target: d.target}, ErrNoCluster
	}
	at, err := pods.look(ctx)
	if err != nil {
		return deploy.Platform{Target: d.target}, explain(err)
	}
	needs := d.needs(wanted)
	for _, name := range needs.names() {
		if _, known := at.record.specOf(name, at.podsSetting); !known && name != ingressName {
			return deploy.Platform{Target: d.target}, fmt.Errorf("%s: %w", name, ErrNotUp)
		}
	}
	return d.platform(at.endpoints(needs))
}
