// Package database declares an application's place in PostgreSQL: its schema, its roles, what each of them may do, and
// the logins of the application and of PostgREST.
package database

import (
	"fmt"

	"github.com/pulumi/pulumi-postgresql/sdk/v3/go/postgresql"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"plattr.dev/plattr/internal/providers/plattr/sdk"
)

// Type is the Pulumi type token; changing it replaces every deployed database.
const Type = "plattr:components:Database"

// ExtensionsSchema holds the extensions of every application in a database.
const ExtensionsSchema = "extensions"

// Anonymous says what requests without a token may do on the application's tables.
type Anonymous string

// The values of Anonymous. Write includes Read.
const (
	AnonymousNone  Anonymous = "none"
	AnonymousRead  Anonymous = "read"
	AnonymousWrite Anonymous = "write"
)

// Args is what a Database needs. The component takes its providers, postgresql (the administrator) and plattr, from
// its resource options.
type Args struct {
	// Host, Port and SSLMode (libpq's; may be empty) go into the URLs, as the application sees the server.
	Host    string
	Port    int
	SSLMode string
	// SchemaInURL adds ?schema= to the application's URL, which Prisma needs.
	SchemaInURL bool

	// Administrator is the role that the postgresql provider works as.
	Administrator string
	// Database is where everything is made. With OwnDatabase it is the application's alone: made and dropped with it.
	Database    string
	OwnDatabase bool
	// Bootstrap makes the event triggers and the schema of the extensions, for which the plattr provider needs a
	// bootstrap URL. Without it they must be there.
	Bootstrap bool

	// Schema holds the tables, MigrationsSchema the record of migrations, which is not served.
	Schema, MigrationsSchema string
	// AppRole owns both schemas and is the application's login.
	AppRole string
	// REST is nil when nothing is served.
	REST *REST

	// Extensions are made if missing, and never dropped.
	Extensions []string

	// InitialPassword is every login's until PasswordGeneration is set; empty means a random one from the start.
	InitialPassword string
	// PasswordGeneration names the passwords: another name makes new, random ones.
	PasswordGeneration string
}

// REST says who may do what through PostgREST.
type REST struct {
	// AnonRole is what requests without a token run as, UserRole those with one; LoginRole is PostgREST's own.
	AnonRole, UserRole, LoginRole string
	// Anonymous is what AnonRole may do; empty means AnonymousNone.
	Anonymous Anonymous
}

// Database is an application's place in PostgreSQL.
type Database struct {
	pulumi.ResourceState

	// URL is the application's login, RestURL PostgREST's (empty without REST). Both are secret.
	URL, RestURL pulumi.StringOutput
	// Name is the database, Schema and MigrationsSchema are in it. They are known when everything in them is there.
	Name, Schema, MigrationsSchema pulumi.StringOutput
	// AppRole is the application's login, known when the role is there: what it is to own comes after it and goes before.
	AppRole pulumi.StringOutput
	// Channel is what PostgREST listens to for reloads.
	Channel pulumi.StringOutput
}

// New registers a Database and its parts.
func New(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*Database, error) {
	if err := args.validate(); err != nil {
		return nil, fmt.Errorf("database %q: %w", name, err)
	}
	d := &Database{}
	if err := ctx.RegisterComponentResource(Type, name, d, opts...); err != nil {
		return nil, fmt.Errorf("register database %q: %w", name, err)
	}
	b := &builder{ctx: ctx, name: name, args: args, parent: d}
	if err := b.build(); err != nil {
		return nil, fmt.Errorf("database %q: %w", name, err)
	}
	b.outputs(d)
	err := ctx.RegisterResourceOutputs(d, pulumi.Map{
		"url": d.URL, "restUrl": d.RestURL, "name": d.Name, "schema": d.Schema,
		"migrationsSchema": d.MigrationsSchema, "channel": d.Channel,
	})
	if err != nil {
		return nil, fmt.Errorf("outputs of database %q: %w", name, err)
	}
	return d, nil
}

// builder registers the parts, in the order of build.
type builder struct {
	ctx    *pulumi.Context
	name   string
	args   *Args
	parent pulumi.Resource

	app, login        *postgresql.Role
	appPass, restPass pulumi.StringOutput
	anon, user        *postgresql.Role
	database          pulumi.Resource // the application's own, else nil
	databaseName      pulumi.StringInput
	bootstrap         []pulumi.Resource // one, or none
	schema, records   *postgresql.Schema
	parts             []pulumi.Resource // all that the outputs wait for
}

func (b *builder) build() error {
	for _, step := range []func() error{
		b.addAppRole, b.addRestRoles, b.addDatabase, b.addBootstrap, b.addSchemas, b.addDatabaseRights, b.addRestRights,
		b.addExtensions,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// addDatabase makes the application's own database. It depends on the roles, so that it is dropped before them: then
// they own nothing any more.
func (b *builder) addDatabase() error {
	b.databaseName = pulumi.String(b.args.Database)
	if !b.args.OwnDatabase {
		return nil
	}
	after := []pulumi.Resource{b.app}
	if b.args.REST != nil {
		after = append(after, b.anon, b.user, b.login)
	}
	db, err := postgresql.NewDatabase(b.ctx, b.name, &postgresql.DatabaseArgs{
		Name: pulumi.String(b.args.Database),
	}, pulumi.Parent(b.parent), pulumi.DependsOn(after))
	if err != nil {
		return fmt.Errorf("database: %w", err)
	}
	b.database, b.databaseName = db, db.Name
	return nil
}

func (b *builder) addBootstrap() error {
	if !b.args.Bootstrap {
		return nil
	}
	boot, err := sdk.NewDatabaseBootstrap(b.ctx, b.name, &sdk.DatabaseBootstrapArgs{
		Database: b.databaseName, Administrator: pulumi.String(b.args.Administrator),
	}, b.inside()...)
	if err != nil {
		return err
	}
	b.bootstrap = []pulumi.Resource{boot}
	b.parts = append(b.parts, boot)
	return nil
}

// addSchemas comes after the event triggers, so that they see everything.
func (b *builder) addSchemas() (err error) {
	b.schema, err = b.newSchema(b.name, b.args.Schema)
	if err != nil {
		return err
	}
	b.records, err = b.newSchema(b.name+"-migrations", b.args.MigrationsSchema)
	return err
}

func (b *builder) newSchema(name, schema string) (*postgresql.Schema, error) {
	s, err := postgresql.NewSchema(b.ctx, name, &postgresql.SchemaArgs{
		Name: pulumi.String(schema), Database: b.databaseName, Owner: b.app.Name, DropCascade: pulumi.Bool(true),
	}, b.inside(pulumi.DependsOn(b.bootstrap))...)
	if err != nil {
		return nil, fmt.Errorf("schema: %w", err)
	}
	b.parts = append(b.parts, s)
	return s, nil
}

// addExtensions makes extensions if missing. They are never dropped: others in the database may use them, and the
// application's data may need them.
func (b *builder) addExtensions() error {
	for _, extension := range b.args.Extensions {
		e, err := postgresql.NewExtension(b.ctx, b.name+"-"+extension, &postgresql.ExtensionArgs{
			Name: pulumi.String(extension), Database: b.databaseName, Schema: pulumi.String(ExtensionsSchema),
			CreateCascade: pulumi.Bool(true),
		}, b.inside(pulumi.RetainOnDelete(true), pulumi.DependsOn(b.bootstrap))...)
		if err != nil {
			return fmt.Errorf("extension %s: %w", extension, err)
		}
		b.parts = append(b.parts, e)
	}
	return nil
}

// inside are the options of what is in the database: dropping the application's own takes it along.
func (b *builder) inside(more ...pulumi.ResourceOption) []pulumi.ResourceOption {
	opts := append([]pulumi.ResourceOption{pulumi.Parent(b.parent)}, more...)
	if b.database != nil {
		opts = append(opts, pulumi.DeletedWith(b.database))
	}
	return opts
}
