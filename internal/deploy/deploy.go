package deploy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"plattr.dev/plattr/internal/engine"
	"plattr.dev/plattr/internal/environ"
	"plattr.dev/plattr/internal/providers/plattr/sdk"
	"plattr.dev/plattr/stacks/application"
)

// Engine runs programs on stacks; [engine.Engine] does.
type Engine interface {
	runner
	reader
}

type runner interface {
	Up(ctx context.Context, stack string, program pulumi.RunFunc, o engine.RunOptions) (engine.Result, error)
	Preview(ctx context.Context, stack string, program pulumi.RunFunc, o engine.RunOptions) (engine.Result, error)
	Destroy(ctx context.Context, stack string, o engine.RunOptions) (engine.Result, error)
	Reconfigure(ctx context.Context, stack string, program pulumi.RunFunc) error
}

type reader interface {
	Outputs(ctx context.Context, stack string) (map[string]engine.Output, error)
	Types(ctx context.Context, stack string) ([]string, error)
}

// Deployer brings applications to platforms.
type Deployer struct{ engine Engine }

// New returns a Deployer that runs its programs on an engine.
func New(e Engine) *Deployer { return &Deployer{engine: e} }

// Options change one run.
type Options struct {
	// SkipRefresh trusts the state: nothing that was changed outside is seen. For callers that know better.
	SkipRefresh bool
	// Events gets what happens, as [engine.RunOptions] says.
	Events chan<- engine.Event
	// PasswordGeneration gives the logins new, random passwords when it differs from the one before. Empty keeps it.
	PasswordGeneration string
	// Plan says what would be done, and does nothing.
	Plan bool

	// message is kept in the stack's history.
	message string
	// discard lets buckets and the application's own Redis go with what they hold.
	discard bool
}

// Result is what a run did, and how to reach what is there now.
type Result struct {
	engine.Result
	Connections environ.Connections
	// Warnings say what was left out, and why.
	Warnings []string
}

// Up makes what the application asks for in the environment. What it is told to by earlier runs, such as a rotated
// password, stays; so does a release that serves, whatever the application asks for by now: [Deployer.Release] makes the
// next one.
func (d *Deployer) Up(ctx context.Context, app Application, p Platform, o Options) (Result, error) {
	m, err := d.memory(ctx, app, p)
	if err != nil {
		return Result{}, err
	}
	if live, ok := m.find(m.live); ok && app.Release.Image == "" {
		running := m.as(app, live)
		app.Release, app.UserEnv, app.running = running.Release, running.UserEnv, &running.Spec
	}
	return d.up(ctx, app, p, o, m)
}

// up is one run, after which the stack remembers m.
func (d *Deployer) up(ctx context.Context, app Application, p Platform, o Options, m memory) (Result, error) {
	config, warnings, err := m.compile(app, p, o)
	if err != nil {
		return Result{}, err
	}
	stack := StackName(app.Name, p.Target)
	run := engine.RunOptions{Refresh: !o.SkipRefresh, Events: o.Events, Message: o.message}
	if o.Plan {
		res, err := d.engine.Preview(ctx, stack, application.Program(config), run)
		return Result{Result: res, Warnings: warnings}, err
	}
	if err := d.follow(ctx, app, p, m); err != nil {
		return Result{Warnings: warnings}, err
	}
	res, err := d.engine.Up(ctx, stack, application.Program(config), run)
	if err != nil {
		return Result{Result: res, Warnings: warnings}, err
	}
	connections, err := connections(res.Outputs)
	return Result{Result: res, Connections: connections, Warnings: warnings}, err
}

// compile is the configuration of a run, with what the stack shall remember after it.
func (m memory) compile(app Application, p Platform, o Options) (application.Config, []string, error) {
	config, warnings, err := compile(app, p, cmp.Or(o.PasswordGeneration, m.generation))
	if err != nil {
		return config, warnings, err
	}
	config.Kept, err = m.kept()
	if o.discard && err == nil {
		config.Kept[keptDiscard] = "true"
		if config.Storage != nil {
			config.Storage.ForceDestroy = true
		}
		if config.Redis != nil {
			config.Redis.Discard = true
		}
	}
	return config, warnings, err
}

// Destroy deletes everything that the application has in the environment, and the stack. An application that is not
// there is no error.
func (d *Deployer) Destroy(ctx context.Context, app Application, p Platform, o Options) (Result, error) {
	m, err := d.memory(ctx, app, p)
	if err != nil {
		return Result{}, err
	}
	if err := d.follow(ctx, app, p, m); err != nil {
		return Result{}, err
	}
	res, err := d.engine.Destroy(ctx, StackName(app.Name, p.Target), engine.RunOptions{
		Refresh: !o.SkipRefresh, Events: o.Events, Remove: true,
	})
	if errors.Is(err, engine.ErrStackNotFound) {
		return Result{}, nil
	}
	return Result{Result: res}, err
}

// memory is what the stack of an application remembers; that of one that is not there is empty.
func (d *Deployer) memory(ctx context.Context, app Application, p Platform) (memory, error) {
	outputs, err := d.engine.Outputs(ctx, StackName(app.Name, p.Target))
	if err != nil && !errors.Is(err, engine.ErrStackNotFound) {
		return memory{}, fmt.Errorf("read what %s has: %w", app.Name, err)
	}
	return recall(outputs)
}

// Connections is how to reach what an earlier Up made.
func (d *Deployer) Connections(ctx context.Context, app Application, p Platform) (environ.Connections, error) {
	outputs, err := d.engine.Outputs(ctx, StackName(app.Name, p.Target))
	if err != nil {
		return environ.Connections{}, err
	}
	return connections(outputs)
}

// Current is how to reach what an earlier Up made, if another Up with the same arguments would declare the same: true then.
// It asks no server, so it does not know what was changed outside since.
func (d *Deployer) Current(ctx context.Context, app Application, p Platform) (environ.Connections, bool, error) {
	m, err := d.memory(ctx, app, p)
	if err != nil || !m.exists {
		return environ.Connections{}, false, err
	}
	config, _, err := m.compile(app, p, Options{})
	if err != nil {
		return environ.Connections{}, false, err
	}
	hash, err := config.Hash()
	if err != nil {
		return environ.Connections{}, false, err
	}
	c, err := connections(m.outputs)
	return c, m.outputs[application.OutputConfig].Value == hash, err
}

func connections(outputs map[string]engine.Output) (environ.Connections, error) {
	values := map[string]any{}
	for name, output := range outputs {
		values[name] = output.Value
	}
	return application.ConnectionsOf(values)
}

// Servers are the servers of an environment that an application uses.
type Servers struct{ Database, Storage, Auth, Redis, Search, Cluster bool }

// Wanted are the servers of what the application asks for.
func Wanted(app Application) Servers {
	return Servers{
		Database: app.Spec.DatabaseEnabled(), Storage: app.Spec.StorageEnabled(), Auth: app.Spec.AuthEnabled(),
		Redis: app.Spec.RedisEnabled(), Search: app.Spec.SearchEnabled(), Cluster: app.Release.Image != "",
	}
}

// Or is what one of the two has.
func (s Servers) Or(o Servers) Servers {
	return Servers{
		Database: s.Database || o.Database, Storage: s.Storage || o.Storage, Auth: s.Auth || o.Auth,
		Redis: s.Redis || o.Redis, Search: s.Search || o.Search, Cluster: s.Cluster || o.Cluster,
	}
}

// Present are the servers on which something of the application is, or was being made when a run was killed. An
// application that is not there has none.
func (d *Deployer) Present(ctx context.Context, app Application, p Platform) (Servers, error) {
	types, err := d.engine.Types(ctx, StackName(app.Name, p.Target))
	if errors.Is(err, engine.ErrStackNotFound) {
		return Servers{}, nil
	}
	var s Servers
	for _, t := range types {
		pkg, _, _ := strings.Cut(t, ":")
		s = s.Or(Servers{
			Database: pkg == "postgresql", Storage: pkg == "aws", Auth: pkg == "keycloak",
			Redis: t == sdk.RedisUserType, Search: t == sdk.SearchSpaceType, Cluster: pkg == "kubernetes",
		})
	}
	return s, err
}
