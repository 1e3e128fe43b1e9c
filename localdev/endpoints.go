package localdev

import (
	"context"

	"golang.org/x/sync/errgroup"

	"plattr.dev/plattr/localdev/ports"
	"plattr.dev/plattr/localdev/s3server/s3config"
	"plattr.dev/plattr/localdev/services"
	"plattr.dev/plattr/localdev/state"
	"plattr.dev/plattr/localdev/supervisor"
)

// Endpoints is how the services are reached. What was not needed is nil.
type Endpoints struct {
	PostgreSQL *PostgreSQLEndpoint
	S3         *S3Endpoint
	Keycloak   *KeycloakEndpoint
	Redis      *RedisEndpoint
	OpenSearch *OpenSearchEndpoint
}

// PostgreSQLEndpoint is the local server.
type PostgreSQLEndpoint struct {
	Version string
	Host    string
	Port    int
	// AdminURL is the administrator's, who makes databases and roles and is no superuser.
	AdminURL string
	// BootstrapURL is the superuser's, through the socket, for what only a superuser may do in a new database.
	BootstrapURL string
}

// S3Endpoint is the local object storage.
type S3Endpoint struct {
	URL        string // of the S3 API
	IAMURL     string // of the IAM API
	ConsoleURL string // of the web console
	Region     string
	AccessKey  string // the root account's
	SecretKey  string
}

// KeycloakEndpoint is the local sign-in server.
type KeycloakEndpoint struct {
	URL         string // as browsers see it, and the beginning of every issuer
	InternalURL string // the same server by number, for programs on this machine
	Client      string // a client with a service account that manages every realm
	Secret      string
}

// RedisEndpoint is the Redis of one application.
type RedisEndpoint struct {
	Host     string
	Port     int
	Admin    string // a user who may do everything
	Password string
}

// OpenSearchEndpoint is the local search server, which knows no users.
type OpenSearchEndpoint struct{ URL string }

// Ensure starts what is needed and does not run yet, at the same time, and returns when each service does its work.
// progress may be nil.
func (n *Native) Ensure(ctx context.Context, needs Needs, progress func(Progress)) (Endpoints, error) {
	out, ready, err := n.Begin(ctx, needs, progress)
	if err != nil {
		return Endpoints{}, err
	}
	return out, ready()
}

// Begin is Ensure that does not wait for the services that take seconds, Keycloak and OpenSearch: their addresses are
// known when it returns, and ready, which must be called, waits until they do their work. Meanwhile there is something
// else to do.
func (n *Native) Begin(ctx context.Context, needs Needs, progress func(Progress)) (_ Endpoints, ready func() error, _ error) {
	secrets, err := n.state.Secrets(ctx)
	if err != nil {
		return Endpoints{}, nil, explain(err)
	}
	running, err := n.running(ctx, needs.names()...)
	if err != nil {
		return Endpoints{}, nil, err
	}
	s := &starter{native: n, running: running, report: serialised(progress), databasePort: make(chan int, 1)}
	specs, slow, err := s.start(ctx, needs)
	if err != nil {
		return Endpoints{}, nil, explain(err)
	}
	return n.endpoints(specs, secrets), func() error { return explain(slow.Wait()) }, nil
}

// names are the services that are needed, as in Status.
func (needs Needs) names() []string {
	var names []string
	for _, r := range needs.requests() {
		names = append(names, r.spec.Name)
	}
	return names
}

// requests are the services that are needed. PostgreSQL comes first: others keep their data in it.
func (needs Needs) requests() []request {
	var out []request
	if needs.PostgreSQL || needs.Keycloak {
		out = append(out, postgresqlRequest())
	}
	if needs.S3 {
		out = append(out, s3Request())
	}
	if needs.Redis != "" {
		out = append(out, redisRequest(needs.Redis))
	}
	if needs.Keycloak {
		out = append(out, keycloakRequest())
	}
	if needs.OpenSearch {
		out = append(out, opensearchRequest())
	}
	return out
}

// starter is one Begin.
type starter struct {
	native       *Native
	running      map[string]supervisor.ServiceStatus
	report       func(Progress)
	databasePort chan int // takes PostgreSQL's port once it is chosen
}

// start brings up everything at once. It returns when the fast services are ready and the others have their addresses.
func (s *starter) start(ctx context.Context, needs Needs) (specs map[services.Kind]services.Spec, slow *errgroup.Group, err error) {
	requests := needs.requests()
	found := make([]services.Spec, len(requests))
	fast, fastCtx := errgroup.WithContext(ctx)
	ctx, abandon := context.WithCancel(ctx)
	slow, slowCtx := errgroup.WithContext(ctx)
	for i, r := range requests {
		fast.Go(func() error {
			if r.spec.Kind == services.Keycloak {
				if err := s.awaitDatabasePort(fastCtx, &r); err != nil {
					return err
				}
			}
			spec, ready, err := s.native.place(fastCtx, r, s.running, s.report)
			if err != nil {
				return err
			}
			found[i] = spec
			if r.spec.Kind == services.PostgreSQL {
				s.databasePort <- spec.Ports[ports.PostgreSQL]
			}
			switch {
			case ready:
				return nil
			case r.slow:
				slow.Go(func() error { return s.native.awaitReady(slowCtx, r, spec, s.report) })
				return nil
			default:
				found[i], err = s.native.untilReady(fastCtx, r, spec, s.report)
				return err
			}
		})
	}
	if err := fast.Wait(); err != nil {
		abandon()
		_ = slow.Wait()      // nobody will ask
		return nil, nil, err //nolint:wrapcheck // they come from here
	}
	context.AfterFunc(slowCtx, abandon)
	specs = map[services.Kind]services.Spec{}
	for _, spec := range found {
		specs[spec.Kind] = spec
	}
	return specs, slow, nil
}

// awaitDatabasePort completes a request that depends on where PostgreSQL listens.
func (s *starter) awaitDatabasePort(ctx context.Context, r *request) error {
	select {
	case port := <-s.databasePort:
		r.spec.Settings = keycloakSettings(port)
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (n *Native) endpoints(specs map[services.Kind]services.Spec, secrets state.Secrets) Endpoints {
	var out Endpoints
	for kind, s := range specs {
		switch kind {
		case services.PostgreSQL:
			out.PostgreSQL = &PostgreSQLEndpoint{
				Version: s.Version, Host: ports.Host, Port: s.Ports[ports.PostgreSQL],
				AdminURL: services.AdminURL(s, secrets.DatabaseAdmin), BootstrapURL: services.BootstrapURL(n.state, s),
			}
		case services.S3:
			out.S3 = &S3Endpoint{
				URL: "http://" + s.Address(ports.S3), IAMURL: "http://" + s.Address(ports.S3IAM),
				ConsoleURL: "http://" + s.Address(ports.S3Console), Region: s3config.Region,
				AccessKey: secrets.S3AccessKey, SecretKey: secrets.S3SecretKey,
			}
		case services.Keycloak:
			out.Keycloak = &KeycloakEndpoint{
				URL: services.KeycloakURL(s), InternalURL: "http://" + s.Address(ports.Keycloak),
				Client: services.KeycloakClient, Secret: secrets.KeycloakClient,
			}
		case services.Redis:
			out.Redis = &RedisEndpoint{
				Host: ports.Host, Port: s.Ports[ports.Redis], Admin: services.RedisAdmin, Password: secrets.RedisAdmin,
			}
		case services.OpenSearch:
			out.OpenSearch = &OpenSearchEndpoint{URL: "http://" + s.Address(ports.OpenSearch)}
		}
	}
	return out
}
