// Package migrate brings a schema up to date: SQL files and goose in this process, knex, Prisma and Rails through the
// project's own tool. It also runs seeds and names views that bypass row-level security.
//
// Whatever the engine, one run at a time works on a schema: it holds an advisory lock of the server, which a dead
// process cannot keep. What a killed run left is finished by the next one.
package migrate

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"time"
)

// Engine is what `database.migrations.engine` in plattr.yaml names.
type Engine string

// The engines.
const (
	Raw    Engine = "raw"
	Goose  Engine = "goose"
	Knex   Engine = "knex"
	Prisma Engine = "prisma"
	Rails  Engine = "rails"
)

// Options says where migrations are and where they run.
type Options struct {
	// URL is the database as the application's role sees it: what migrations make belongs to that role.
	URL string
	// Schema holds the application's tables, MigrationsSchema the record of what ran.
	Schema, MigrationsSchema string
	// Root is the directory of plattr.yaml; Path, the migrations, is relative to it. Tools run in Root.
	Root, Path string
	// To names the last migration to run (a file's name); empty means all. Raw and goose only.
	To string
	// Env is what a tool finds in its environment besides this process's own, as NAME=value. DATABASE_URL,
	// DATABASE_SCHEMA and DATABASE_MIGRATIONS_SCHEMA are added where it has none.
	Env []string
	// Stdout and Stderr take what a tool prints, and the server's notices (Stderr). nil discards.
	Stdout, Stderr io.Writer
	// Progress takes one line for every thing that is begun or waited for. nil discards.
	Progress func(message string)
	// LockWait is how long to wait for another run; 0 means as long as the context lives.
	LockWait time.Duration
}

// Applied is a migration that this run applied.
type Applied struct {
	Name     string        `json:"name"`
	Duration time.Duration `json:"-"`
	// Milliseconds is Duration for scripts; 0 where a tool ran it.
	Milliseconds int64 `json:"milliseconds"`
	// Statements is how many statements ran; 0 where the engine does not say.
	Statements int `json:"statements,omitempty"`
}

// Result is what one Up did.
type Result struct {
	Engine  Engine    `json:"engine"`
	Applied []Applied `json:"applied"`
	// Already counts the migrations that had run before.
	Already int `json:"already"`
	// Head is the name of the last migration that ran, now or before; empty if there is none.
	Head string `json:"head"`
	// Warnings are things that work but that the user should know.
	Warnings []string `json:"warnings,omitempty"`
}

// The states of a migration.
const (
	StateApplied  = "applied"
	StatePending  = "pending"
	StateHalfDone = "half-done" // some statements ran outside a transaction; the next run continues
	StateChanged  = "changed"   // the file is not what ran
	StateMissing  = "missing"   // it ran, and the file is gone
)

// State is where one migration stands.
type State struct {
	Name  string `json:"name"`
	State string `json:"state"`
	// AppliedAt is when it ran; nil while it has not, or where a tool does not record it.
	AppliedAt *time.Time `json:"appliedAt,omitempty"`
	// Done and Statements say how far a half-done one is.
	Done       int `json:"done,omitempty"`
	Statements int `json:"statements,omitempty"`
	// Checksum is that of the file that ran; empty where the engine keeps none.
	Checksum string `json:"checksum,omitempty"`
}

// Status is what a database has of the project's migrations.
type Status struct {
	Engine     Engine  `json:"engine"`
	Head       string  `json:"head"`
	Migrations []State `json:"migrations"`
}

// Ran returns the migrations that ran whole, in order.
func (s Status) Ran() []State {
	var ran []State
	for _, m := range s.Migrations {
		if m.State != StatePending && m.State != StateHalfDone {
			ran = append(ran, m)
		}
	}
	return ran
}

// Runner is one engine on one schema.
type Runner interface {
	// Up runs every migration that has not run. On an error the Result holds what ran before it.
	Up(ctx context.Context) (Result, error)
	// Status compares files and database, and changes neither.
	Status(ctx context.Context) (Status, error)
}

// New returns the runner of an engine. It opens no connection.
func New(engine Engine, o Options) (Runner, error) {
	if !schemaName.MatchString(o.Schema) || !schemaName.MatchString(o.MigrationsSchema) {
		return nil, fmt.Errorf("schemas %q and %q: want lower-case letters, digits and _", o.Schema, o.MigrationsSchema)
	}
	o = o.withDefaults()
	switch engine {
	case Raw:
		return &raw{Options: o}, nil
	case Goose:
		return &gooseRunner{Options: o}, nil
	case Knex, Prisma, Rails:
		if o.To != "" {
			return nil, fmt.Errorf("%s runs all migrations: it cannot stop at %s", engine, o.To)
		}
		return &toolRunner{Options: o, tool: tools()[engine]}, nil
	}
	return nil, fmt.Errorf("migration engine %q: want raw, goose, knex, prisma or rails", engine)
}

// schemaName is what internal/config/names makes. It needs no quotes anywhere, which goose's table name relies on.
var schemaName = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}$`)

func (o Options) withDefaults() Options {
	if o.Stdout == nil {
		o.Stdout = io.Discard
	}
	if o.Stderr == nil {
		o.Stderr = io.Discard
	}
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	return o
}

// directory is where the migrations are.
func (o Options) directory() string {
	if filepath.IsAbs(o.Path) {
		return o.Path
	}
	return filepath.Join(o.Root, o.Path)
}
