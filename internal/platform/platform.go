// Package platform makes an environment of plattr.platform.yaml a place to deploy to: references become secrets, and what
// is left out gets its default. Nothing is asked that an application does not need.
package platform

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"

	"plattr.dev/plattr/internal/config"
	"plattr.dev/plattr/internal/config/names"
	"plattr.dev/plattr/internal/deploy"
	"plattr.dev/plattr/internal/engine"
	"plattr.dev/plattr/stacks/application"
)

// PassphraseVariable holds what secrets in the state are encrypted with, where the file names nothing else.
const PassphraseVariable = "PLATTR_STATE_PASSPHRASE"

// Environment is one environment of a platform.
type Environment struct {
	// Name is staging, preview, ...
	Name     string
	file     *config.Platform
	settings config.PlatformEnvironment
	secrets  Secrets
	// images are those of this version of plattr.
	images map[string]string
}

// Open returns an environment of a file. Where it is not in the file, the error lists those that are. images are the
// defaults, by the names of [config.PlatformImages].
func Open(file *config.Platform, name string, secrets Secrets, images map[string]string) (*Environment, error) {
	settings, err := file.Environment(name)
	if err != nil {
		return nil, err
	}
	secrets.Dir = filepath.Dir(file.Path)
	e := &Environment{Name: name, file: file, settings: settings, secrets: secrets, images: images}
	if secrets.Kubernetes == nil {
		e.secrets.Kubernetes = e.readSecret
	}
	if secrets.AWS == nil {
		e.secrets.AWS = e.readAWS
	}
	return e, nil
}

// wrap says where in the file an error belongs.
func (e *Environment) wrap(field string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: environments.%s.%s: %w", filepath.Base(e.file.Path), e.Name, field, err)
}

// Engine opens the state of the environment; owner is shown to whoever finds an application locked.
func (e *Environment) Engine(ctx context.Context, project, owner string) (*engine.Engine, error) {
	address := e.settings.State.URL
	if !strings.Contains(address, "://") {
		var err error
		if address, err = e.secrets.Get(ctx, config.Reference(address)); err != nil {
			return nil, e.wrap("state", err)
		}
	}
	if rest, ok := strings.CutPrefix(address, "file://"); ok && !filepath.IsAbs(rest) {
		absolute, err := filepath.Abs(filepath.Join(e.secrets.Dir, rest))
		if err != nil {
			return nil, e.wrap("state", err)
		}
		address = engine.FileURL(absolute)
	}
	o := engine.Options{Project: project, StateURL: address, Owner: owner}
	if reference := e.settings.State.Passphrase; reference != "" {
		o.Passphrase = func() (string, error) {
			value, err := e.secrets.Get(ctx, reference)
			return value, e.wrap("state.passphrase", err)
		}
	} else if value := e.secrets.Getenv(PassphraseVariable); value != "" {
		o.Passphrase = func() (string, error) { return value, nil }
	}
	opened, err := engine.New(o)
	return opened, e.wrap("state", err)
}

// Target is where an application runs.
func (e *Environment) Target() names.Target {
	t := names.Target{Environment: e.Name}
	if e.settings.Storage != nil {
		t.Prefix = e.settings.Storage.Prefix
	}
	return t
}

// Bare is the platform without its servers: enough to look at what is there.
func (e *Environment) Bare(app string) deploy.Platform {
	s := e.settings
	cluster := deploy.Cluster{
		Kubeconfig: e.path(s.Cluster.Kubeconfig), Context: s.Cluster.Context, Namespace: s.Namespace,
		PlattrImage: e.image("plattr"), RestImage: e.image("postgrest"),
		Ingress: application.Ingress{
			Class: s.Ingress.Class, Annotations: s.Ingress.Annotations, Controller: s.Ingress.Namespace,
			Rewrite: application.Rewrite{Traefik: s.Ingress.Rewrite.Traefik, Path: s.Ingress.Rewrite.Path, Annotations: s.Ingress.Rewrite.Annotations},
		},
	}
	if s.Ingress.TLS == config.TLSExternal {
		cluster.Ingress.HTTPS = true
	} else {
		cluster.Ingress.TLSSecret = strings.ReplaceAll(s.Ingress.TLS, "{app}", app)
	}
	if r := &cluster.Ingress.Rewrite; len(r.Annotations) > 0 {
		r.Path = cmp.Or(r.Path, "/api/rest")
	}
	for _, peer := range s.Services {
		cluster.Services = append(cluster.Services, application.Peer{Namespace: peer.Namespace, CIDR: peer.CIDR, Ports: peer.Ports})
	}
	return deploy.Platform{Target: e.Target(), Cluster: cluster}
}

// path begins in the file's directory.
func (e *Environment) path(p string) string {
	if p == "" || filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(e.secrets.Dir, p)
}

func (e *Environment) image(name string) string {
	return cmp.Or(e.settings.Images[name], e.images[name])
}

// Platform is the platform with the servers that are wanted, and their credentials. One that the environment has not is an
// error with every such server in it.
func (e *Environment) Platform(ctx context.Context, app string, wanted deploy.Servers) (deploy.Platform, error) {
	p, err := e.Administered(ctx, app, wanted)
	if wanted.Database && e.settings.Database != nil {
		err = errors.Join(err, e.addBootstrap(ctx, &p))
	}
	if wanted.Auth && e.settings.Auth != nil {
		err = errors.Join(err, e.addProviders(ctx, &p))
	}
	return p, err
}

// Administered is Platform without the credentials that only making something takes: enough to ask the servers.
func (e *Environment) Administered(ctx context.Context, app string, wanted deploy.Servers) (deploy.Platform, error) {
	p := e.Bare(app)
	var errs []error
	for _, part := range []struct {
		wanted, there bool
		field         string
		add           func(context.Context, *deploy.Platform) error
	}{
		{wanted.Database, e.settings.Database != nil, "database", e.addDatabase},
		{wanted.Storage, e.settings.Storage != nil, "storage", e.addStorage},
		{wanted.Auth, e.settings.Auth != nil, "auth", e.addAuth},
		{wanted.Redis, e.settings.Redis != nil, "redis", e.addRedis},
		{wanted.Search, e.settings.Search != nil, "search", e.addSearch},
	} {
		switch {
		case !part.wanted:
		case !part.there:
			errs = append(errs, e.wrap(part.field, fmt.Errorf("is missing, and %s has %s: add it, or take it out of plattr.yaml", app, part.field)))
		default:
			errs = append(errs, part.add(ctx, &p))
		}
	}
	return p, errors.Join(errs...)
}

func (e *Environment) addDatabase(ctx context.Context, p *deploy.Platform) error {
	d := e.settings.Database
	user, password, err := e.secrets.credentials(ctx, d.Admin)
	p.Database = deploy.DatabaseServer{
		Host: d.Host, Port: cmp.Or(d.Port, 5432), Database: d.Name, TLS: cmp.Or(d.TLS, "verify-full"),
		Admin: deploy.Credentials{User: user, Secret: password},
	}
	return e.wrap("database.admin", err)
}

func (e *Environment) addBootstrap(ctx context.Context, p *deploy.Platform) error {
	d := e.settings.Database
	bootstrap, secret, err := e.secrets.credentials(ctx, d.Bootstrap)
	if err != nil {
		return e.wrap("database.bootstrap", err)
	}
	if bootstrap != "" {
		u := url.URL{
			Scheme: "postgres", User: url.UserPassword(bootstrap, secret), Host: fmt.Sprintf("%s:%d", d.Host, p.Database.Port),
			Path: "/" + d.Name, RawQuery: url.Values{"sslmode": {p.Database.TLS}}.Encode(),
		}
		p.Database.BootstrapURL = u.String()
	}
	return nil
}

func (e *Environment) addStorage(ctx context.Context, p *deploy.Platform) error {
	s := e.settings.Storage
	user, secret, err := e.secrets.credentials(ctx, s.Admin)
	if err != nil {
		return e.wrap("storage.admin", err)
	}
	p.Storage = deploy.StorageServer{
		Endpoint: s.Endpoint, IAMEndpoint: cmp.Or(s.IAMEndpoint, s.Endpoint), PublicEndpoint: s.PublicEndpoint,
		Region: cmp.Or(s.Region, e.file.Region, "us-east-1"), Admin: deploy.Credentials{User: user, Secret: secret},
	}
	for _, c := range s.Capabilities {
		p.Storage.Capabilities = append(p.Storage.Capabilities, deploy.Capability(c))
	}
	return nil
}

func (e *Environment) addAuth(ctx context.Context, p *deploy.Platform) error {
	a := e.settings.Auth
	user, secret, err := e.secrets.credentials(ctx, a.Admin)
	if err != nil {
		return e.wrap("auth.admin", err)
	}
	p.Auth = deploy.AuthServer{
		URL: a.URL, InternalURL: cmp.Or(a.InternalURL, a.URL), Admin: deploy.Credentials{User: user, Secret: secret},
	}
	return nil
}

func (e *Environment) addProviders(ctx context.Context, p *deploy.Platform) error {
	p.Auth.Providers = map[string]deploy.Credentials{}
	var errs []error
	for name, provider := range e.settings.Auth.Providers {
		id, err := e.secrets.Get(ctx, provider.ClientID)
		errs = append(errs, e.wrap("auth.providers."+name+".clientID", err))
		secret, err := e.secrets.Get(ctx, provider.ClientSecret)
		errs = append(errs, e.wrap("auth.providers."+name+".clientSecret", err))
		p.Auth.Providers[name] = deploy.Credentials{User: id, Secret: secret}
	}
	return errors.Join(errs...)
}

func (e *Environment) addRedis(ctx context.Context, p *deploy.Platform) error {
	r := e.settings.Redis
	if r.Mode == config.ModeInstance {
		p.Redis = deploy.RedisServer{Image: e.image("redis")}
		return nil
	}
	user, secret, err := e.secrets.credentials(ctx, r.Admin)
	p.Redis = deploy.RedisServer{
		Host: r.Host, Port: cmp.Or(r.Port, 6379), TLS: r.TLS, Admin: deploy.Credentials{User: user, Secret: secret},
	}
	return e.wrap("redis.admin", err)
}

func (e *Environment) addSearch(ctx context.Context, p *deploy.Platform) error {
	s := e.settings.Search
	if s.Mode == config.ModeInstance {
		p.Search = deploy.SearchServer{Image: e.image("opensearch")}
		return nil
	}
	user, secret, err := e.secrets.credentials(ctx, s.Admin)
	p.Search = deploy.SearchServer{URL: s.URL, Admin: deploy.Credentials{User: user, Secret: secret}}
	return e.wrap("search.admin", err)
}

// Owners are the people or teams that the environment belongs to.
func (e *Environment) Owners() []string { return e.settings.Owners }

// Host is where an application is served: its own domain, or one below the platform's.
func (e *Environment) Host(app, domain string) string {
	return cmp.Or(domain, names.Host(app, e.Target(), e.file.BaseDomain))
}

// URL is its address for browsers.
func (e *Environment) URL(app, host string) string {
	if i := e.Bare(app).Cluster.Ingress; i.HTTPS || i.TLSSecret != "" {
		return "https://" + host
	}
	return "http://" + host
}
