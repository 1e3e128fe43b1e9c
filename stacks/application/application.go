// Package application is the program of one application in one environment. [Program] reads as the list of its
// components, in order.
package application

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"plattr.dev/plattr/components/auth"
	"plattr.dev/plattr/components/database"
	"plattr.dev/plattr/components/redis"
	"plattr.dev/plattr/components/search"
	"plattr.dev/plattr/components/storage"
	"plattr.dev/plattr/internal/providers/plattr/sdk"
)

// The parts of an application, as the components know them. A caller speaks of stacks, not of components.
type (
	// Database is the application's place in PostgreSQL.
	Database = database.Args
	// REST says who may do what through PostgREST.
	REST = database.REST
	// Anonymous says what requests without a token may do.
	Anonymous = database.Anonymous
	// Storage is its buckets.
	Storage = storage.Args
	// Bucket is one of them.
	Bucket = storage.Bucket
	// Capabilities are the features of an S3 endpoint.
	Capabilities = storage.Capabilities
	// Auth is its sign-in.
	Auth = auth.Args
	// IdentityProvider is another place where people may have their account.
	IdentityProvider = auth.IdentityProvider
	// IdentityProviderKind is its kind.
	IdentityProviderKind = auth.Kind
	// Redis is its login to its Redis.
	Redis = redis.Args
	// Search is its place in OpenSearch.
	Search = search.Args
)

// The kinds of identity providers.
const (
	Google = auth.Google
	GitHub = auth.GitHub
	OIDC   = auth.OIDC
	SAML   = auth.SAML
)

// Config is everything that the program needs: what is enabled, and the servers it is made on.
type Config struct {
	// App is the application's name; resources are named after it.
	App string

	// PostgreSQL is the server of Database; both are set or none.
	PostgreSQL PostgreSQL
	Database   *Database
	// ShadowDatabase is an empty database of the application's own, for tools that try migrations; empty means none.
	ShadowDatabase string

	// S3 is the endpoint of Storage.
	S3      S3
	Storage *Storage

	// Keycloak is the server of Auth.
	Keycloak Keycloak
	Auth     *Auth

	// RedisAdminURL logs in to the server of Redis as somebody who may make users.
	RedisAdminURL string
	Redis         *Redis

	// Workload runs the application in a cluster; nil where only its services are made, as on a laptop.
	Workload *Workload

	// SearchAdminURL is the server of Search, with an administrator's credentials where it wants some.
	SearchAdminURL string
	Search         *Search
}

// The names of the program's outputs.
const (
	OutputConfig             = "config"
	OutputDatabaseURL        = "databaseUrl"
	OutputRestURL            = "restUrl"
	OutputShadowURL          = "shadowDatabaseUrl"
	OutputSchema             = "schema"
	OutputMigrationsSchema   = "migrationsSchema"
	OutputChannel            = "channel"
	OutputPasswordGeneration = "passwordGeneration"
	OutputBuckets            = "buckets"
	OutputS3Endpoint         = "s3Endpoint"
	OutputS3PublicEndpoint   = "s3PublicEndpoint"
	OutputS3Region           = "s3Region"
	OutputAccessKey          = "accessKey"
	OutputSecretKey          = "secretKey"
	OutputIssuerURL          = "authIssuerUrl"
	OutputAuthInternalURL    = "authInternalUrl"
	OutputClientID           = "authClientId"
	OutputClientSecret       = "authClientSecret"
	OutputDemoUser           = "authDemoUser"
	OutputDemoPassword       = "authDemoPassword"
	OutputRedisURL           = "redisUrl"
	OutputSearchURL          = "searchUrl"
	OutputSearchPrefix       = "searchPrefix"
	OutputSearchUsername     = "searchUsername"
	OutputSearchPassword     = "searchPassword"
	OutputURL                = "url"
	OutputImage              = "image"
	OutputRelease            = "release"
)

// Program returns the Pulumi program of an application.
func Program(c Config) pulumi.RunFunc {
	return func(ctx *pulumi.Context) error {
		hash, err := c.Hash()
		if err != nil {
			return err
		}
		outputs := pulumi.Map{}
		for _, part := range []func(*pulumi.Context, Config, pulumi.Map) error{
			addDatabase, addStorage, addAuth, addRedis, addSearch, addWorkload,
		} {
			if err := part(ctx, c, outputs); err != nil {
				return fmt.Errorf("application %s: %w", c.App, err)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(outputs)) {
			ctx.Export(name, outputs[name])
		}
		// Of passwords that a person can guess, too, so it is secret.
		ctx.Export(OutputConfig, pulumi.ToSecret(pulumi.String(hash)))
		return nil
	}
}

// Hash names a configuration, with its secrets, without giving them away: two that are equal have the same.
func (c Config) Hash() (string, error) {
	raw, err := json.Marshal(c)
	if err != nil {
		return "", fmt.Errorf("name the configuration of %s: %w", c.App, err)
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:]), nil
}

func addDatabase(ctx *pulumi.Context, c Config, outputs pulumi.Map) error {
	if c.Database == nil {
		return nil
	}
	admin, err := c.PostgreSQL.provider(ctx)
	if err != nil {
		return err
	}
	var args sdk.ProviderArgs
	if url := c.PostgreSQL.BootstrapURL; url != "" {
		args.BootstrapURL = pulumi.String(url)
	}
	own, err := plattr(ctx, "database", args)
	if err != nil {
		return err
	}
	with := pulumi.Providers(admin, own)
	db, err := database.New(ctx, c.App, c.Database, with)
	if err != nil {
		return err
	}
	maps.Copy(outputs, pulumi.Map{
		OutputDatabaseURL: db.URL, OutputRestURL: db.RestURL, OutputSchema: db.Schema, OutputChannel: db.Channel,
		OutputMigrationsSchema: db.MigrationsSchema, OutputPasswordGeneration: pulumi.String(c.Database.PasswordGeneration),
	})
	return addShadow(ctx, c, db, outputs, with)
}

func addStorage(ctx *pulumi.Context, c Config, outputs pulumi.Map) error {
	if c.Storage == nil {
		return nil
	}
	with, err := c.S3.provider(ctx)
	if err != nil {
		return err
	}
	st, err := storage.New(ctx, c.App, c.Storage, pulumi.Providers(with))
	if err != nil {
		return err
	}
	maps.Copy(outputs, pulumi.Map{
		OutputBuckets: st.Buckets, OutputAccessKey: st.AccessKey, OutputSecretKey: st.SecretKey,
		OutputS3Endpoint: pulumi.String(c.S3.Endpoint), OutputS3Region: pulumi.String(c.S3.Region),
		OutputS3PublicEndpoint: pulumi.String(cmp.Or(c.S3.PublicEndpoint, c.S3.Endpoint)),
	})
	return nil
}

func addAuth(ctx *pulumi.Context, c Config, outputs pulumi.Map) error {
	if c.Auth == nil {
		return nil
	}
	admin, err := c.Keycloak.provider(ctx)
	if err != nil {
		return err
	}
	own, err := plattr(ctx, "auth", sdk.ProviderArgs{})
	if err != nil {
		return err
	}
	a, err := auth.New(ctx, c.App, c.Auth, pulumi.Providers(admin, own))
	if err != nil {
		return err
	}
	maps.Copy(outputs, pulumi.Map{
		OutputIssuerURL: a.IssuerURL, OutputAuthInternalURL: a.InternalURL, OutputClientID: a.ClientID,
		OutputClientSecret: a.ClientSecret, OutputDemoUser: pulumi.String(c.Auth.DemoUser), OutputDemoPassword: a.DemoPassword,
	})
	return nil
}

func addRedis(ctx *pulumi.Context, c Config, outputs pulumi.Map) error {
	if c.Redis == nil {
		return nil
	}
	own, err := plattr(ctx, "redis", sdk.ProviderArgs{RedisURL: pulumi.String(c.RedisAdminURL)})
	if err != nil {
		return err
	}
	r, err := redis.New(ctx, c.App, c.Redis, pulumi.Providers(own))
	if err != nil {
		return err
	}
	maps.Copy(outputs, pulumi.Map{OutputRedisURL: r.URL})
	return nil
}

func addSearch(ctx *pulumi.Context, c Config, outputs pulumi.Map) error {
	if c.Search == nil {
		return nil
	}
	own, err := plattr(ctx, "search", sdk.ProviderArgs{SearchURL: pulumi.String(c.SearchAdminURL)})
	if err != nil {
		return err
	}
	s, err := search.New(ctx, c.App, c.Search, pulumi.Providers(own))
	if err != nil {
		return err
	}
	maps.Copy(outputs, pulumi.Map{
		OutputSearchURL: s.URL, OutputSearchPrefix: s.Prefix, OutputSearchUsername: s.Username, OutputSearchPassword: s.Password,
	})
	return nil
}
