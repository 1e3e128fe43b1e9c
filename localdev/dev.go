package localdev

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"plattr.dev/plattr/internal/config/names"
	"plattr.dev/plattr/internal/deploy"
	"plattr.dev/plattr/internal/engine"
	"plattr.dev/plattr/internal/environ"
	"plattr.dev/plattr/localdev/envfile"
)

// Project is the Pulumi project of every stack.
const Project = "plattr"

// initialPassword is that of every login on the laptop until `plattr db rotate`: the server listens on loopback only,
// and a person can remember it.
const initialPassword = "localdev"

// DevOptions say which application is worked on.
type DevOptions struct {
	Application deploy.Application
	// Dir is the absolute path of the project, where plattr.yaml lies.
	Dir string
	// Port is where the developer's own server listens.
	Port int
	// Env comes after every other variable in the environment file.
	Env map[string]string
	// Owner is shown to whoever finds the application locked, for example "plattr dev".
	Owner string
	// Getenv is os.Getenv, or a test's.
	Getenv func(string) string
}

// Dev is one application on this machine.
type Dev struct {
	options  DevOptions
	target   names.Target
	runtime  Runtime
	engine   *engine.Engine
	deployer *deploy.Deployer
}

// OpenDev opens the state of the machine for an application. Nothing is started.
func OpenDev(ctx context.Context, o DevOptions) (*Dev, error) {
	if o.Getenv == nil {
		o.Getenv = os.Getenv
	}
	if !filepath.IsAbs(o.Dir) {
		return nil, fmt.Errorf("directory %q of application %s is not absolute", o.Dir, o.Application.Name)
	}
	o.Application.URL = "http://localhost:" + strconv.Itoa(o.Port)
	runtime, err := OpenRuntime(ctx, o.Getenv, o.Owner)
	if err != nil {
		return nil, err
	}
	e, err := openEngine(runtime.State(), o.Owner)
	if err != nil {
		return nil, explain(err)
	}
	return &Dev{
		options: o, runtime: runtime, engine: e, deployer: deploy.New(e),
		target: names.Target{Environment: names.Local, Prefix: o.Getenv("PLATTR_BUCKET_PREFIX")},
	}, nil
}

func makeFolder(dir string) error { return os.MkdirAll(dir, 0o700) }

// Runtime is what the application's services run in.
func (d *Dev) Runtime() Runtime { return d.runtime }

// Names are those of what the application has on this machine.
func (d *Dev) Names() names.Names { return deploy.NamesOf(d.options.Application, d.target) }

// EnvFile is the path of the file that holds the application's environment.
func (d *Dev) EnvFile() string { return envfile.Path(d.options.Dir, d.options.Application.Name) }

// needs are the services that something on the servers needs.
func (d *Dev) needs(s deploy.Servers) Needs {
	n := Needs{PostgreSQL: s.Database, S3: s.Storage, Keycloak: s.Auth, OpenSearch: s.Search, Cluster: s.Cluster}
	if s.Redis {
		n.Redis = d.target.Owner(d.options.Application.Name)
	}
	return n
}

// platform is this machine as a place to deploy to.
func (d *Dev) platform(e Endpoints) (deploy.Platform, error) {
	p := deploy.Platform{Target: d.target}
	if pg := e.PostgreSQL; pg != nil {
		admin, err := url.Parse(pg.AdminURL)
		if err != nil {
			return p, errors.New("the administrator's URL of the local PostgreSQL cannot be read")
		}
		password, _ := admin.User.Password()
		p.Database = deploy.DatabaseServer{
			Host: pg.Host, Port: pg.Port, TLS: "disable",
			Admin:        deploy.Credentials{User: admin.User.Username(), Secret: password},
			BootstrapURL: pg.BootstrapURL, Shadow: true, InitialPassword: initialPassword,
		}
	}
	if s3 := e.S3; s3 != nil {
		p.Storage = deploy.StorageServer{
			Endpoint: s3.URL, IAMEndpoint: s3.IAMURL, Region: s3.Region,
			Admin:        deploy.Credentials{User: s3.AccessKey, Secret: s3.SecretKey},
			Capabilities: []deploy.Capability{deploy.CapabilityUsers, deploy.CapabilityOwnershipControls},
		}
	}
	if kc := e.Keycloak; kc != nil {
		p.Auth = deploy.AuthServer{
			URL: kc.URL, InternalURL: kc.InternalURL, Admin: deploy.Credentials{User: kc.Client, Secret: kc.Secret},
			Providers: d.identityProviders(), Lenient: true, DemoUser: demoUser,
		}
	}
	if r := e.Redis; r != nil {
		p.Redis = deploy.RedisServer{
			Host: r.Host, Port: r.Port, Admin: deploy.Credentials{User: r.Admin, Secret: r.Password}, Own: true,
		}
	}
	if s := e.OpenSearch; s != nil {
		p.Search = deploy.SearchServer{URL: s.URL}
	}
	if c := e.Cluster; c != nil {
		p.Cluster = c.Platform
	}
	return p, nil
}

// demoUser is who may sign in on the laptop from the start.
const demoUser = "demo"

// identityProviders are the credentials that the environment holds.
func (d *Dev) identityProviders() map[string]deploy.Credentials {
	out := map[string]deploy.Credentials{}
	if !d.options.Application.Spec.AuthEnabled() {
		return out
	}
	for _, p := range d.options.Application.Spec.Auth.Providers {
		client, secret := deploy.CredentialVariables(p.Name)
		if c := (deploy.Credentials{User: d.options.Getenv(client), Secret: d.options.Getenv(secret)}); c.User != "" && c.Secret != "" {
			out[p.Name] = c
		}
	}
	return out
}

// variables is the application's environment: what the platform gives, then the application's own, the later ones
// before the earlier.
func (d *Dev) variables(c environ.Connections, restURL string) ([]environ.Variable, error) {
	app := d.options.Application
	port := strconv.Itoa(d.options.Port)
	vars := append(environ.Variables(c, environ.SameREST(restURL)),
		environ.Variable{Part: environ.PartApplication, Name: "PORT", Value: port},
		environ.Variable{Part: environ.PartApplication, Name: "APP_URL", Value: app.URL})
	own, err := d.Set()
	if err != nil {
		return nil, err
	}
	for _, layer := range []map[string]string{app.Spec.Env, own, d.options.Env} {
		vars = environ.Override(vars, layer)
	}
	return vars, nil
}

func writeVariables(path string, vars []environ.Variable) error {
	file := make([]envfile.Var, 0, len(vars))
	for _, v := range vars {
		file = append(file, envfile.Var{Name: v.Name, Value: v.Value})
	}
	return envfile.Write(path, file)
}

func (d *Dev) claim(ctx context.Context) error {
	return d.runtime.State().Claim(ctx, d.options.Application.Name, d.options.Dir, time.Now())
}
