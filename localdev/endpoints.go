package localdev

import (
	"context"

	"golang.org/x/sync/errgroup"

	"plattr.dev/plattr/internal/deploy"
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
	Cluster    *ClusterEndpoint
}

// ClusterEndpoint is where applications themselves run.
type ClusterEndpoint struct {
	// Platform is what deploy has to know of it.
	Platform deploy.Cluster
	// IngressPort is the port of this machine that leads to the ingress controller.
	IngressPort int
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
type OpenSearchEndpoint struct {
	URL string
	// DashboardsURL is its web pages; empty where they do not run.
	DashboardsURL string
}

// Ensure starts what is needed and does not run yet, at the same time, and returns when each service does its work.
// progress may be nil.
func (n *Native) Ensure(ctx context.Context, needs Needs, progress func(Progress)) (Endpoints, error) {
	if needs.Cluster {
		return Endpoints{}, ErrNoCluster
	}
	secrets, err := n.state.Secrets(ctx)
	if err != nil {
		return Endpoints{}, explain(err)
	}
	running, err := n.running(ctx, needs.names()...)
	if err != nil {
		return Endpoints{}, err
	}
	s := &starter{native: n, running: running, report: serialised(progress), databasePort: make(chan int, 1)}
	specs, err := s.start(ctx, needs)
	if err != nil {
		return Endpoints{}, explain(err)
	}
	return endpointsOf(specs, secrets, func(s services.Spec) string { return services.BootstrapURL(n.state, s) }), nil
}

// names are the services that are needed, as in Status.
func (needs Needs) names() []string {
	var names []string
	for _, r := range needs.requests() {
		names = append(names, r.spec.Name)
	}
	if needs.Cluster {
		names = append(names, ingressName)
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

// starter is one Ensure.
type starter struct {
	native       *Native
	running      map[string]supervisor.ServiceStatus
	report       func(Progress)
	databasePort chan int // takes PostgreSQL's port once it is ready: until then it may still get another one
}

// start brings up everything at once.
func (s *starter) start(ctx context.Context, needs Needs) (map[services.Kind]services.Spec, error) {
	requests := needs.requests()
	found := make([]services.Spec, len(requests))
	g, ctx := errgroup.WithContext(ctx)
	for i, r := range requests {
		g.Go(func() (err error) {
			if r.spec.Kind == services.Keycloak {
				if err := s.awaitDatabase(ctx, &r); err != nil {
					return err
				}
			}
			found[i], err = s.native.ensure(ctx, r, s.running, s.report)
			if err == nil && r.spec.Kind == services.PostgreSQL {
				s.databasePort <- found[i].Ports[ports.PostgreSQL]
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err //nolint:wrapcheck // they come from here
	}
	specs := map[services.Kind]services.Spec{}
	for _, spec := range found {
		specs[spec.Kind] = spec
	}
	return specs, nil
}

// awaitDatabase completes a request that depends on where PostgreSQL listens. Meanwhile its program is found.
func (s *starter) awaitDatabase(ctx context.Context, r *request) error {
	if _, known := s.running[r.spec.Name]; !known {
		spec, err := s.native.withProgram(ctx, *r, s.running, s.report)
		if err != nil {
			return err
		}
		r.found = &spec
	}
	select {
	case port := <-s.databasePort:
		r.spec.Settings = keycloakSettings(port)
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// endpointsOf says how services are reached; bootstrap is the superuser's URL of PostgreSQL.
func endpointsOf(specs map[services.Kind]services.Spec, secrets state.Secrets, bootstrap func(services.Spec) string) Endpoints {
	var out Endpoints
	for kind, s := range specs {
		switch kind {
		case services.PostgreSQL:
			out.PostgreSQL = &PostgreSQLEndpoint{
				Version: s.Version, Host: ports.Host, Port: s.Ports[ports.PostgreSQL],
				AdminURL: services.AdminURL(s, secrets.DatabaseAdmin), BootstrapURL: bootstrap(s),
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
			if s.Ports[ports.Dashboards] != 0 {
				out.OpenSearch.DashboardsURL = "http://" + s.Address(ports.Dashboards)
			}
		}
	}
	return out
}
