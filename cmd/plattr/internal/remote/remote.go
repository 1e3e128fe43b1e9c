// Package remote opens the application of plattr.yaml in an environment of plattr.platform.yaml, for the commands that work
// there.
package remote

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"plattr.dev/plattr/cmd/plattr/internal/local"
	"plattr.dev/plattr/internal/cli"
	"plattr.dev/plattr/internal/config"
	"plattr.dev/plattr/internal/config/names"
	"plattr.dev/plattr/internal/deploy"
	"plattr.dev/plattr/internal/platform"
	"plattr.dev/plattr/localdev"
	"plattr.dev/plattr/localdev/state"
)

// PlatformVariable names the platform's file, where it is not the nearest one.
const PlatformVariable = "PLATTR_PLATFORM"

// Environment is an application in an environment.
type Environment struct {
	// App is what plattr.yaml asks for there.
	App deploy.Application
	// Config is plattr.yaml as the environment sees it, Dir the absolute path of its directory.
	Config *config.App
	Dir    string
	// Deployer works on the environment's state.
	Deployer *deploy.Deployer
	// Bare is the platform without its servers: enough to look at what is there.
	Bare deploy.Platform

	// Owners are whom the environment belongs to, as the platform's file says.
	Owners []string

	// servers completes the platform.
	servers func(context.Context, deploy.Servers) (deploy.Platform, error)
	// there is the platform with servers as they are, to be looked at: nothing is started, and no more credentials are read
	// than that takes.
	there func(context.Context, deploy.Servers) (deploy.Platform, error)
	// unserve ends what runs beside the application for its data alone; nil: nothing does.
	unserve func(context.Context) error
	// ingress is where this machine's cluster takes requests for every host; empty elsewhere.
	ingress string
}

// Name is the environment's.
func (e *Environment) Name() string { return e.Bare.Target.Environment }

// Label is what people call it: board, staging.
func (e *Environment) Label() string { return e.App.Name + ", " + e.Name() }

// Platform is the platform with the servers that the application wants or has something on.
func (e *Environment) Platform(ctx context.Context, wanted deploy.Servers) (deploy.Platform, error) {
	present, err := e.Deployer.Present(ctx, e.App, e.Bare)
	if err != nil {
		return deploy.Platform{}, err
	}
	return e.servers(ctx, wanted.Or(present))
}

// Discard deletes everything that the application has there.
func (e *Environment) Discard(ctx context.Context, p deploy.Platform, o deploy.Options) (deploy.Result, error) {
	if e.unserve != nil {
		if err := e.unserve(ctx); err != nil {
			return deploy.Result{}, err
		}
	}
	return e.Deployer.Discard(ctx, e.App, p, o)
}

// Opener opens an environment. It is called when a command runs, so that --help needs nothing. command is what others read
// who find the application locked.
type Opener func(ctx context.Context, environment, command string) (*Environment, error)

// NewOpener returns an Opener for the file that the session's flags name; here opens the application on this machine, whose
// cluster is the environment local.
func NewOpener(s *cli.Session, here local.Opener) Opener {
	return func(ctx context.Context, environment, command string) (*Environment, error) {
		if environment == names.Local {
			return openLocal(ctx, s, here, command)
		}
		return open(ctx, s, environment, command)
	}
}

// openLocal opens the cluster of this machine. Its services are started when the platform is asked for.
func openLocal(ctx context.Context, s *cli.Session, here local.Opener, command string) (*Environment, error) {
	app, err := here(ctx, command)
	if err != nil {
		return nil, err
	}
	e := &Environment{Config: app.Config, Dir: app.Dir, Deployer: app.Deployer(), there: app.There, unserve: app.Unserve}
	if e.App, e.Bare, err = app.Place(ctx); err != nil {
		return nil, err
	}
	e.ingress = net.JoinHostPort("127.0.0.1", strconv.Itoa(e.Bare.Cluster.Ingress.Port))
	if e.App.UserEnv, err = app.Set(); err != nil {
		return nil, err
	}
	e.servers = func(ctx context.Context, _ deploy.Servers) (deploy.Platform, error) {
		view := s.NewView()
		defer view.Close()
		watch := local.NewWatch(view, e.Label())
		_, p, err := app.Cluster(ctx, watch.Reports())
		watch.CloseQuietly(err)
		return p, err
	}
	return e, nil
}

func open(ctx context.Context, s *cli.Session, environment, command string) (*Environment, error) {
	if environment == "" {
		return nil, cli.Usagef("--env is missing: name the environment, as --env staging")
	}
	path, err := s.File()
	if err != nil {
		return nil, err
	}
	app, err := config.Load(path)
	if err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", app.Name, err)
	}
	e := &Environment{Dir: dir}
	if err := e.openPlatform(ctx, app, environment, command); err != nil {
		return nil, err
	}
	return e, nil
}

// openPlatform opens an environment of the platform's file.
func (e *Environment) openPlatform(ctx context.Context, app *config.App, environment, command string) error {
	file, err := loadPlatform(e.Dir)
	if err != nil {
		return err
	}
	opened, err := platform.Open(file, environment, platform.Secrets{Getenv: os.Getenv}, images())
	if err != nil {
		return cli.Usagef("--env: %v", err)
	}
	if e.Config, err = app.For(environment); err != nil {
		return cli.Usagef("--env: %v", err)
	}
	run, err := opened.Engine(ctx, localdev.Project, command)
	if err != nil {
		return err
	}
	host := opened.Host(app.Name, e.Config.Domain)
	e.App = deploy.Application{
		Name: app.Name, Spec: e.Config.ApplicationSpec, InBrowser: app.Framework == config.Static,
		Repository: state.Repository(ctx, e.Dir), Host: host, URL: opened.URL(app.Name, host),
	}
	e.Deployer, e.Bare, e.Owners = deploy.New(run), opened.Bare(app.Name), opened.Owners()
	e.servers = func(ctx context.Context, wanted deploy.Servers) (deploy.Platform, error) {
		return opened.Platform(ctx, app.Name, wanted)
	}
	e.there = func(ctx context.Context, wanted deploy.Servers) (deploy.Platform, error) {
		return opened.Administered(ctx, app.Name, wanted)
	}
	return nil
}

// NoPlatformError says that nothing describes environments.
type NoPlatformError struct{ Dir string }

func (e *NoPlatformError) Error() string {
	return fmt.Sprintf("no %s in %s or above: it says where environments are", config.PlatformFileName, e.Dir)
}

// Hint is the next step.
func (e *NoPlatformError) Hint() string {
	return "write one beside plattr.yaml (docs/platform.md has an example), or name it in " + PlatformVariable
}

func loadPlatform(dir string) (*config.Platform, error) {
	path := os.Getenv(PlatformVariable)
	if path == "" {
		path = config.FindPlatform(dir)
	}
	if path == "" {
		return nil, &NoPlatformError{dir}
	}
	return config.LoadPlatform(path)
}

// images are those of what runs beside applications, by the names of [config.PlatformImages]; PLATTR_IMAGE_PLATTR and the
// like say others.
func images() map[string]string {
	all := map[string]string{
		"plattr": "ghcr.io/plattr/plattr:latest", "postgrest": "docker.io/postgrest/postgrest:v12.2.12",
		"redis": "docker.io/library/redis:7.4", "opensearch": "docker.io/opensearchproject/opensearch:3.1.0",
	}
	for name := range all {
		if set := os.Getenv("PLATTR_IMAGE_" + strings.ToUpper(name)); set != "" {
			all[name] = set
		}
	}
	return all
}

// Confirm asks before production is changed.
func (e *Environment) Confirm(ctx context.Context, s *cli.Session, what string) error {
	if e.Name() != names.Production {
		return nil
	}
	return s.Confirm(ctx, what+" in production")
}

// By is who works on the environment, for its history: the one who started a CI job, or the user of this machine.
func By() string {
	for _, name := range []string{"GITHUB_ACTOR", "GITLAB_USER_LOGIN", "USER", "LOGNAME"} {
		if v := os.Getenv(name); v != "" {
			return v
		}
	}
	return ""
}
