// Package application is the program of one application in one environment. [Program] reads as the list of its
// components, in order.
package application

import (
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"plattr.dev/plattr/components/database"
	"plattr.dev/plattr/components/storage"
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
}

// The names of the program's outputs.
const (
	OutputDatabaseURL        = "databaseUrl"
	OutputRestURL            = "restUrl"
	OutputShadowURL          = "shadowDatabaseUrl"
	OutputSchema             = "schema"
	OutputMigrationsSchema   = "migrationsSchema"
	OutputChannel            = "channel"
	OutputPasswordGeneration = "passwordGeneration"
	OutputBuckets            = "buckets"
	OutputAccessKey          = "accessKey"
	OutputSecretKey          = "secretKey"
)

// Program returns the Pulumi program of an application.
func Program(c Config) pulumi.RunFunc {
	return func(ctx *pulumi.Context) error {
		for _, part := range []func(*pulumi.Context, Config) error{addDatabase, addStorage} {
			if err := part(ctx, c); err != nil {
				return fmt.Errorf("application %s: %w", c.App, err)
			}
		}
		return nil
	}
}

func addDatabase(ctx *pulumi.Context, c Config) error {
	if c.Database == nil {
		return nil
	}
	with, err := c.PostgreSQL.providers(ctx)
	if err != nil {
		return err
	}
	db, err := database.New(ctx, c.App, c.Database, with)
	if err != nil {
		return err
	}
	ctx.Export(OutputDatabaseURL, db.URL)
	ctx.Export(OutputRestURL, db.RestURL)
	ctx.Export(OutputSchema, db.Schema)
	ctx.Export(OutputMigrationsSchema, db.MigrationsSchema)
	ctx.Export(OutputChannel, db.Channel)
	ctx.Export(OutputPasswordGeneration, pulumi.String(c.Database.PasswordGeneration))
	return addShadow(ctx, c, db, with)
}

func addStorage(ctx *pulumi.Context, c Config) error {
	if c.Storage == nil {
		return nil
	}
	with, err := c.S3.provider(ctx)
	if err != nil {
		return err
	}
	st, err := storage.New(ctx, c.App, c.Storage, with)
	if err != nil {
		return err
	}
	ctx.Export(OutputBuckets, st.Buckets)
	ctx.Export(OutputAccessKey, st.AccessKey)
	ctx.Export(OutputSecretKey, st.SecretKey)
	return nil
}
