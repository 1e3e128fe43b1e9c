package application

import (
	"cmp"
	"fmt"
	"net/url"
	"reflect"
	"slices"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws"
	"github.com/pulumi/pulumi-keycloak/sdk/v5/go/keycloak"
	"github.com/pulumi/pulumi-postgresql/sdk/v3/go/postgresql"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"plattr.dev/plattr/components/database"
	"plattr.dev/plattr/internal/providers/plattr/sdk"
)

// connectTimeout bounds, in seconds, how long a run waits for a server that does not answer.
const connectTimeout = 10

// PostgreSQL is a server and who manages it.
type PostgreSQL struct {
	Host string
	Port int
	// SSLMode is libpq's; empty means its default, prefer.
	SSLMode string
	// AdminUser has CREATEROLE and CREATEDB; it need not be a superuser.
	AdminUser, AdminPassword string
	// BootstrapURL logs in as somebody who may create event triggers; empty where databases are bootstrapped by others.
	BootstrapURL string
}

// provider registers the provider of the administrator.
func (s PostgreSQL) provider(ctx *pulumi.Context) (pulumi.ProviderResource, error) {
	admin, err := postgresql.NewProvider(ctx, "postgresql", &postgresql.ProviderArgs{
		Host: pulumi.String(s.Host), Port: pulumi.Int(s.Port), Username: pulumi.String(s.AdminUser), Password: secret(s.AdminPassword),
		Database: pulumi.String("postgres"), Superuser: pulumi.Bool(false), ConnectTimeout: pulumi.Int(connectTimeout),
		Sslmode: pulumi.String(cmp.Or(s.SSLMode, "prefer")),
	})
	if err != nil {
		return nil, fmt.Errorf("provider postgresql: %w", err)
	}
	return admin, nil
}

func secret(value string) pulumi.StringOutput {
	return pulumi.ToSecret(pulumi.String(value)).(pulumi.StringOutput) //nolint:forcetypeassert // keeps the type
}

// Servers are what an application is made on, and who manages them there. A part that it has not needs none.
type Servers struct {
	// PostgreSQL is the server of Database.
	PostgreSQL PostgreSQL
	// S3 is the endpoint of Storage.
	S3 S3
	// Keycloak is the server of Auth.
	Keycloak Keycloak
	// RedisAdminURL logs in to the server of Redis as somebody who may make users.
	RedisAdminURL string
	// SearchAdminURL is the server of Search, with an administrator's credentials where it wants some.
	SearchAdminURL string
	// Cluster is where Workload runs.
	Cluster Cluster
}

// The parts of an application that have a server.
const (
	PartDatabase = "database"
	PartStorage  = "storage"
	PartAuth     = "auth"
	PartRedis    = "redis"
	PartSearch   = "search"
	PartWorkload = "workload"
)

// partInstances are the servers in the cluster that are the application's own. They are there without a workload, too, and
// belong to the same cluster.
const partInstances = "instances"

// providers registers what manages a part on its server.
func (s Servers) providers(ctx *pulumi.Context, part string) (pulumi.ResourceOption, error) {
	own := func(ctx *pulumi.Context) (pulumi.ProviderResource, error) { return s.own(ctx, part) }
	var all []pulumi.ProviderResource
	for _, register := range map[string][]func(*pulumi.Context) (pulumi.ProviderResource, error){
		PartDatabase: {s.PostgreSQL.provider, own}, PartStorage: {s.S3.provider}, PartAuth: {s.Keycloak.provider, own},
		PartRedis: {own}, PartSearch: {own}, PartWorkload: {s.Cluster.provider("kubernetes"), own},
		partInstances: {s.Cluster.provider("kubernetes-instances"), own},
	}[part] {
		p, err := register(ctx)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return pulumi.Providers(all...), nil
}

// Mark names the server of a part and who manages it there, without giving either away. It is empty where there is none.
func (s Servers) Mark(part string) (string, error) {
	server := map[string]any{
		PartDatabase: s.PostgreSQL, PartStorage: s.S3, PartAuth: s.Keycloak, PartRedis: s.RedisAdminURL, PartSearch: s.SearchAdminURL,
		PartWorkload: s.Cluster,
	}[part]
	if reflect.ValueOf(server).IsZero() {
		return "", nil
	}
	return hash(server)
}

// ProvidersProgram declares what manages some parts, and nothing else.
func ProvidersProgram(s Servers, parts []string) pulumi.RunFunc {
	return func(ctx *pulumi.Context) error {
		for _, part := range withInstances(parts) {
			if _, err := s.providers(ctx, part); err != nil {
				return err
			}
		}
		return nil
	}
}

func withInstances(parts []string) []string {
	if slices.Contains(parts, PartWorkload) {
		return append(slices.Clone(parts), partInstances)
	}
	return parts
}

// own registers an instance of plattr's own provider for one part. Each has its own: an instance that lost the address of a
// server could not delete what a part that is not wanted any more has there.
func (s Servers) own(ctx *pulumi.Context, part string) (pulumi.ProviderResource, error) {
	args := &sdk.ProviderArgs{ConnectTimeout: pulumi.Int(connectTimeout)}
	switch url := s.PostgreSQL.BootstrapURL; {
	case part == PartDatabase && url != "":
		args.BootstrapURL = pulumi.String(url)
	case part == PartRedis:
		args.RedisURL = pulumi.String(s.RedisAdminURL)
	case part == PartSearch:
		args.SearchURL = pulumi.String(s.SearchAdminURL)
	}
	return sdk.NewProvider(ctx, "plattr-"+part, args)
}

// addShadow makes the database in which Prisma and its like try migrations. It hangs on its owner alone: a dependency on
// the whole component would be on those of its parts that happen to be registered already.
func addShadow(ctx *pulumi.Context, c Config, db *database.Database, outputs pulumi.Map, with pulumi.ResourceOption) error {
	if c.ShadowDatabase == "" {
		return nil
	}
	shadow, err := postgresql.NewDatabase(ctx, c.App+"-shadow", &postgresql.DatabaseArgs{
		Name: pulumi.String(c.ShadowDatabase), Owner: db.AppRole,
	}, with)
	if err != nil {
		return fmt.Errorf("shadow database: %w", err)
	}
	outputs[OutputShadowURL] = pulumi.ToSecret(pulumi.All(db.URL, shadow.Name).ApplyT(func(v []any) (string, error) {
		u, err := url.Parse(v[0].(string)) //nolint:forcetypeassert // an output of strings
		if err != nil {
			return "", fmt.Errorf("shadow database: %w", err)
		}
		u.Path = "/" + v[1].(string) //nolint:forcetypeassert // an output of strings
		return u.String(), nil
	}))
	return nil
}

// S3 is an endpoint and who manages it.
type S3 struct {
	// Endpoint and IAMEndpoint are the URLs of the two APIs; empty means those of AWS.
	Endpoint, IAMEndpoint string
	// PublicEndpoint is the URL that a browser uses; empty means Endpoint.
	PublicEndpoint string
	Region         string
	// AccessKey and SecretKey are the administrator's; empty means the machine's own identity on AWS.
	AccessKey, SecretKey string
}

// provider registers the provider of buckets.
func (s S3) provider(ctx *pulumi.Context) (pulumi.ProviderResource, error) {
	args := &aws.ProviderArgs{Region: pulumi.String(s.Region)}
	if s.AccessKey != "" {
		args.AccessKey = pulumi.StringPtrFromPtr(&s.AccessKey)
		args.SecretKey = secret(s.SecretKey)
	}
	if s.Endpoint != "" {
		yes := pulumi.Bool(true)
		args.Endpoints = aws.ProviderEndpointArray{
			aws.ProviderEndpointArgs{S3: pulumi.String(s.Endpoint), Iam: pulumi.String(s.IAMEndpoint)},
		}
		args.S3UsePathStyle, args.SkipCredentialsValidation, args.SkipRequestingAccountId = yes, yes, yes
		args.SkipMetadataApiCheck, args.SkipRegionValidation = yes, yes
	}
	p, err := aws.NewProvider(ctx, "aws", args)
	if err != nil {
		return nil, fmt.Errorf("provider aws: %w", err)
	}
	return p, nil
}

// Keycloak is a server and who manages it.
type Keycloak struct {
	// URL is where the administrator reaches it.
	URL string
	// Client has a service account that may do everything; Secret is its.
	Client, Secret string
}

// provider registers the provider of realms.
func (k Keycloak) provider(ctx *pulumi.Context) (pulumi.ProviderResource, error) {
	p, err := keycloak.NewProvider(ctx, "keycloak", &keycloak.ProviderArgs{
		Url: pulumi.String(k.URL), ClientId: pulumi.String(k.Client), ClientSecret: secret(k.Secret),
		// The server may still be starting when the run begins.
		InitialLogin: pulumi.Bool(false),
	})
	if err != nil {
		return nil, fmt.Errorf("provider keycloak: %w", err)
	}
	return p, nil
}
