package postgresql

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"plattr.dev/plattr/internal/providers/embedded"
	"plattr.dev/plattr/internal/providers/postgresql/server"
)

// Schema holds the inputs and the state of postgresql:index/schema:Schema. Its deprecated policies are not supported.
type Schema struct {
	Name string `json:"name"`
	// Database is the provider's when left out.
	Database string `json:"database,omitempty"`
	// Owner is the administrator when left out.
	Owner string `json:"owner,omitempty"`
	// DropCascade drops what is in the schema with it.
	DropCascade bool `json:"dropCascade"`
	// IfNotExists is true when left out: what the same stack made is adopted.
	IfNotExists *bool `json:"ifNotExists,omitempty"`
}

func schemaType() *embedded.Type[*server.Server, Schema, Schema] {
	return &embedded.Type[*server.Server, Schema, Schema]{
		Token:   "postgresql:index/schema:Schema",
		Replace: []string{"name", "database"},
		Check: func(s *Schema) []embedded.Problem {
			if s.IfNotExists == nil {
				s.IfNotExists = new(true)
			}
			return checkName("name", s.Name)
		},
		Create: createSchema, Read: readSchema, Update: updateSchema, Delete: deleteSchema,
	}
}

func createSchema(ctx context.Context, s *server.Server, op embedded.Op, want Schema) (string, Schema, error) {
	if want.Database == "" {
		want.Database = s.Database()
	}
	err := applySchema(ctx, s, op, want)
	if server.IsDuplicate(err) {
		err = applySchema(ctx, s, op, want)
	}
	if err != nil {
		return "", Schema{}, fmt.Errorf("create schema %s in database %s: %w", want.Name, want.Database, err)
	}
	id := want.Database + "." + want.Name
	got, err := readSchema(ctx, s, op, id, want)
	return id, got, err
}

func updateSchema(ctx context.Context, s *server.Server, op embedded.Op, id string, old, want Schema) (Schema, error) {
	if want.Database == "" {
		want.Database = old.Database
	}
	if err := applySchema(ctx, s, op, want); err != nil {
		return Schema{}, fmt.Errorf("change schema %s: %w", id, err)
	}
	return readSchema(ctx, s, op, id, want)
}

func applySchema(ctx context.Context, s *server.Server, op embedded.Op, want Schema) error {
	return s.Change(ctx, want.Database, func(ctx context.Context, tx server.Conn) error {
		have, stack, err := lookUpSchema(ctx, tx, want.Name)
		gone := errors.Is(err, embedded.ErrGone)
		switch {
		case err != nil && !gone:
			return err
		case !gone && stack != op.Owner:
			return &ForeignError{Kind: "schema", Name: want.Name, Owner: stack}
		case !gone && !*want.IfNotExists:
			return fmt.Errorf("schema %s exists, and ifNotExists is false", want.Name)
		}
		if want.Owner != "" {
			if err := actAs(ctx, tx, want.Owner); err != nil {
				return err
			}
		}
		switch {
		case gone:
			return makeSchema(ctx, tx, op, want)
		case want.Owner != "" && have.Owner != want.Owner:
			if err := actAs(ctx, tx, have.Owner); err != nil {
				return err
			}
			_, err = tx.Exec(ctx, "ALTER SCHEMA "+ident(want.Name)+" OWNER TO "+ident(want.Owner))
			return err
		}
		return nil
	})
}

// makeSchema marks the schema only if its owner says nothing: a schema's comment is the application's own (PostgREST
// shows it as the API's title).
func makeSchema(ctx context.Context, tx server.Conn, op embedded.Op, want Schema) error {
	statement := "CREATE SCHEMA " + ident(want.Name)
	if want.Owner != "" {
		statement += " AUTHORIZATION " + ident(want.Owner)
	}
	if _, err := tx.Exec(ctx, statement); err != nil {
		return err
	}
	if _, stack, err := lookUpSchema(ctx, tx, want.Name); err != nil || stack == op.Owner {
		return err
	}
	_, err := tx.Exec(ctx, comment("SCHEMA", ident(want.Name), op.Owner))
	return err
}

// lookUpSchema reads a schema and whose it is: its comment says so, or else the comment of the role that owns it.
func lookUpSchema(ctx context.Context, c server.Conn, name string) (Schema, string, error) {
	got := Schema{Name: name}
	var own, role string
	err := c.QueryRow(ctx, `
		SELECT current_database()::text, pg_get_userbyid(nspowner)::text, coalesce(obj_description(oid, 'pg_namespace'), ''),
			coalesce(shobj_description(nspowner, 'pg_authid'), '')
		FROM pg_namespace WHERE nspname = $1`, name).Scan(&got.Database, &got.Owner, &own, &role)
	if errors.Is(err, pgx.ErrNoRows) {
		return Schema{}, "", embedded.ErrGone
	}
	stack := owner(own)
	if stack == "" {
		stack = owner(role)
	}
	return got, stack, wrap(err, "look for schema %s", name)
}

func readSchema(ctx context.Context, s *server.Server, op embedded.Op, id string, state Schema) (Schema, error) {
	database, name := state.Database, state.Name
	if op.Import {
		database, name, _ = strings.Cut(id, ".")
	}
	var got Schema
	err := s.Do(ctx, database, func(ctx context.Context, c server.Conn) error {
		var stack string
		var err error
		if got, stack, err = lookUpSchema(ctx, c, name); err != nil {
			return err
		}
		if stack != op.Owner && !op.Import {
			return embedded.ErrGone
		}
		return nil
	})
	if server.IsClosed(err) {
		return state, nil // opening the database is the database's own business
	}
	got.DropCascade, got.IfNotExists = state.DropCascade, state.IfNotExists
	return got, wrap(goneWithDatabase(err), "read schema %s", id)
}

func deleteSchema(ctx context.Context, s *server.Server, op embedded.Op, id string, state Schema) error {
	err := s.Change(ctx, state.Database, func(ctx context.Context, tx server.Conn) error {
		have, stack, err := lookUpSchema(ctx, tx, state.Name)
		if err != nil || stack != op.Owner {
			return err
		}
		if err := actAs(ctx, tx, have.Owner); err != nil {
			return err
		}
		how := " RESTRICT"
		if state.DropCascade {
			how = " CASCADE"
		}
		_, err = tx.Exec(ctx, "DROP SCHEMA "+ident(state.Name)+how)
		return err
	})
	return wrap(goneWithDatabase(err), "drop schema %s", id)
}

// goneWithDatabase says that what was in a database went with it.
func goneWithDatabase(err error) error {
	if server.IsNoDatabase(err) {
		return embedded.ErrGone
	}
	return err
}
