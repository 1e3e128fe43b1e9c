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
	"plattr.dev/plattr/internal/kube"
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

	// Servers are those of the parts below.
	Servers

	Database *Database
	// ShadowDatabase is an empty database of the application's own, for tools that try migrations; empty means none.
	ShadowDatabase string
	Storage        *Storage
	Auth           *Auth
	Redis          *Redis
	Search         *Search
	// OwnRedis and OwnSearch are the images of servers of the application's own in the cluster, instead of the two above.
	OwnRedis, OwnSearch string
	// Place is where those are: the application's objects in the cluster.
	Place kube.App
	// SearchPrefix begins the names of indices on OwnSearch.
	SearchPrefix string
	// Workload runs the application in a cluster; nil where only what it has on servers is made, as on a laptop.
	Workload *Workload

	// Kept is what callers want to find in the stack the next time, under names of theirs. It may hold secrets, and changes
	// nothing that is made.
	Kept map[string]string `json:"-"`
}

// The names of the program's outputs.
const (
	OutputConfig             = "config"
	OutputServers            = "servers"
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
	OutputKept               = "kept"
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
			addDatabase, addStorage, addAuth, addRedis, addSearch, addInstances, addWorkload,
		} {
			if err := part(ctx, c, outputs); err != nil {
				return fmt.Errorf("application %s: %w", c.App, err)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(outputs)) {
			ctx.Export(name, outputs[name])
		}
		marks, err := c.marks()
		if err != nil {
			return err
		}
		if len(c.Kept) > 0 {
			ctx.Export(OutputKept, pulumi.ToSecret(pulumi.ToStringMap(c.Kept)))
		}
		ctx.Export(OutputServers, pulumi.ToSecret(pulumi.ToStringMap(marks)))
		// Of passwords that a person can guess, too, so it is secret.
		ctx.Export(OutputConfig, pulumi.ToSecret(pulumi.String(hash)))
		return nil
	}
}

// Hash names a configuration, with its secrets, without giving them away: two that are equal have the same.
func (c Config) Hash() (string, error) {
	return hash(c)
}

func hash(value any) (string, error) {
	raw, err := json.Marshal(value)
	if err != nil {
		return "", fmt.Errorf("name a configuration: %w", err)
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:]), nil
}

// marks name the servers of the parts that there are.
func (c Config) marks() (map[string]string, error) {
	marks := map[string]string{}
	for part, there := range map[string]bool{
		PartDatabase: c.Database != nil, PartStorage: c.Storage != nil, PartAuth: c.Auth != nil, PartRedis: c.Redis != nil,
		PartSearch:   c.Search != nil,
		PartWorkload: c.Workload != nil || c.OwnRedis != "" || c.OwnSearch != "",
	} {
		if !there {
			continue
		}
		mark, err := c.Mark(part)
		if err != nil {
			return nil, err
		}
		marks[part] = mark
	}
	return marks, nil
}

func addDatabase(ctx *pulumi.Context, c Config, outputs pulumi.Map) error {
	if c.Database == nil {
		return nil
	}
	with, err := c.providers(ctx, PartDatabase)
	if err != nil {
		return err
	}
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
	with, err := c.providers(ctx, PartStorage)
	if err != nil {
		return err
	}
	st, err := storage.New(ctx, c.App, c.Storage, with)
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
	with, err := c.providers(ctx, PartAuth)
	if err != nil {
		return err
	}
	a, err := auth.New(ctx, c.App, c.Auth, with)
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
	with, err := c.providers(ctx, PartRedis)
	if err != nil {
		return err
	}
	r, err := redis.New(ctx, c.App, c.Redis, with)
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
	with, err := c.providers(ctx, PartSearch)
	if err != nil {
		return err
	}
	s, err := search.New(ctx, c.App, c.Search, with)
	if err != nil {
		return err
	}
	maps.Copy(outputs, pulumi.Map{
		OutputSearchURL: s.URL, OutputSearchPrefix: s.Prefix, OutputSearchUsername: s.Username, OutputSearchPassword: s.Password,
	})
	return nil
}
