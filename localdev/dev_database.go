package localdev

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"

	"plattr.dev/plattr/internal/deploy"
	"plattr.dev/plattr/internal/engine"
	"plattr.dev/plattr/internal/environ"
	"plattr.dev/plattr/internal/migrate"
	"plattr.dev/plattr/localdev/scratch"
)

// ErrNotUp says that the application has nothing on this machine yet.
var ErrNotUp = errors.New("nothing is set up on this machine yet")

// ErrNoDatabase says that the application asks for no database.
var ErrNoDatabase = errors.New("the application has no database: set database.enabled in plattr.yaml")

// Database is the application's database, running.
type Database struct {
	environ.Connections
	// Variables is the application's environment, as in the environment file.
	Variables []environ.Variable

	dev       *Dev
	endpoints Endpoints
}

// Database starts the server if it does not run and says how to reach the application's database. An application
// that was never set up gets ErrNotUp.
func (d *Dev) Database(ctx context.Context, r Reports) (*Database, error) {
	if !d.options.Application.Spec.DatabaseEnabled() {
		return nil, ErrNoDatabase
	}
	c, err := d.deployer.Connections(ctx, d.options.Application, deploy.Platform{Target: d.target})
	if errors.Is(err, engine.ErrStackNotFound) || err == nil && c.DatabaseURL == "" {
		return nil, fmt.Errorf("%s, local: %w", d.options.Application.Name, ErrNotUp)
	}
	if err != nil {
		return nil, explain(err)
	}
	if err := d.claim(ctx); err != nil {
		return nil, explain(err)
	}
	e, err := d.runtime.Ensure(ctx, Needs{PostgreSQL: true}, r.Services)
	if err != nil {
		return nil, err
	}
	if c, err = d.current(ctx, r, c, e); err != nil {
		return nil, err
	}
	if err := scratch.Recover(ctx, d.scratchOptions(e)); err != nil {
		return nil, explain(err)
	}
	rest := ""
	if d.options.Application.Spec.RestEnabled() {
		if rest, err = d.runtime.ArrangePostgREST(ctx, d.options.Application.Name, d.restConfig(c), r.Services); err != nil {
			return nil, err
		}
	}
	vars, err := d.variables(c, rest)
	if err != nil {
		return nil, err
	}
	return &Database{Connections: c, Variables: vars, dev: d, endpoints: e}, nil
}

// current returns the connections of an application on servers that run at e. If they were elsewhere at the last run, it is
// brought up anew.
func (d *Dev) current(ctx context.Context, r Reports, known environ.Connections, e Endpoints) (environ.Connections, error) {
	platform, err := d.platform(e)
	if err != nil {
		return known, err
	}
	moved, err := d.deployer.Moved(ctx, d.options.Application, platform)
	if err != nil || len(moved) == 0 {
		return known, explain(err)
	}
	res, err := d.Up(ctx, r)
	return res.Connections, err
}

// Output takes what tools print and what is worth saying on the way.
type Output struct {
	Stdout, Stderr io.Writer
	Progress       func(message string)
}

// Engine is the migration engine of the application.
func (b *Database) Engine() migrate.Engine {
	if e := b.dev.options.Application.Spec.Database.Migrations.Engine; e != "" {
		return migrate.Engine(e)
	}
	return migrate.Raw
}

// Migrations returns the runner of the application's migrations.
func (b *Database) Migrations(o Output) (migrate.Runner, error) {
	return migrate.New(b.Engine(), b.migrateOptions(o, b.DatabaseURL))
}

// Seed runs the application's seeds.
func (b *Database) Seed(ctx context.Context, o Output) (migrate.SeedResult, error) {
	return migrate.Seed(ctx, b.seedOptions(o, b.DatabaseURL))
}

// Reset makes the database what migrations and seeds say. Its template is made anew only when one of them changed.
func (b *Database) Reset(ctx context.Context, o Output) (scratch.Result, error) {
	options, err := b.templateOptions(o)
	if err != nil {
		return scratch.Result{}, err
	}
	return scratch.Reset(ctx, options)
}

// templateOptions say how the template of the database is made.
func (b *Database) templateOptions(o Output) (scratch.Options, error) {
	options := b.dev.scratchOptions(b.endpoints)
	spec := b.dev.options.Application.Spec.Database
	var err error
	options.Key, err = scratch.Key(string(b.Engine()),
		filepath.Join(b.dev.options.Dir, spec.Migrations.Path), filepath.Join(b.dev.options.Dir, spec.Seed))
	if err != nil {
		return options, err
	}
	options.Progress = o.Progress
	options.Fill = func(ctx context.Context, database string) error {
		at, err := onDatabase(b.DatabaseURL, database)
		if err != nil {
			return err
		}
		runner, err := migrate.New(b.Engine(), b.migrateOptions(o, at))
		if err != nil {
			return err
		}
		if _, err := runner.Up(ctx); err != nil {
			return err
		}
		_, err = migrate.Seed(ctx, b.seedOptions(o, at))
		return err
	}
	return options, nil
}

func (b *Database) migrateOptions(o Output, databaseURL string) migrate.Options {
	env := os.Environ()
	for _, v := range b.Variables {
		value := v.Value
		if v.Name == "DATABASE_URL" {
			value = databaseURL
		}
		env = append(env, v.Name+"="+value)
	}
	return migrate.Options{
		URL: databaseURL, Schema: b.Schema, MigrationsSchema: b.MigrationsSchema,
		Root: b.dev.options.Dir, Path: b.dev.options.Application.Spec.Database.Migrations.Path,
		Env: env, Stdout: o.Stdout, Stderr: o.Stderr, Progress: o.Progress,
	}
}

func (b *Database) seedOptions(o Output, databaseURL string) migrate.Options {
	options := b.migrateOptions(o, databaseURL)
	options.Path = b.dev.options.Application.Spec.Database.Seed
	return options
}

func (d *Dev) scratchOptions(e Endpoints) scratch.Options {
	n := d.Names()
	return scratch.Options{
		AdminURL: e.PostgreSQL.AdminURL, Database: n.Database, Template: n.TemplateDatabase,
		Schema: n.Schema, MigrationsSchema: n.MigrationsSchema,
	}
}

// onDatabase returns a URL for another database of the same server.
func onDatabase(databaseURL, database string) (string, error) {
	u, err := url.Parse(databaseURL)
	if err != nil {
		return "", errors.New("the application's URL of the database cannot be read")
	}
	u.Path = "/" + database
	return u.String(), nil
}
