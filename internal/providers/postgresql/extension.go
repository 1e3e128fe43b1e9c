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

// Extension holds the inputs and the state of postgresql:index/extension:Extension. An extension that is there is
// shared: whoever made it, it is used as it is, and only its maker drops it, and only if nothing needs it.
type Extension struct {
	Name string `json:"name"`
	// Database is the provider's when left out.
	Database string `json:"database,omitempty"`
	Schema   string `json:"schema,omitempty"`
	Version  string `json:"version,omitempty"`
	// CreateCascade makes what the extension needs, too.
	CreateCascade bool `json:"createCascade"`
	// DropCascade drops what needs the extension.
	DropCascade bool `json:"dropCascade"`
}

func extensionType() *embedded.Type[*server.Server, Extension, Extension] {
	return &embedded.Type[*server.Server, Extension, Extension]{
		Token:   "postgresql:index/extension:Extension",
		Replace: []string{"name", "database"},
		Check:   func(e *Extension) []embedded.Problem { return checkName("name", e.Name) },
		Create:  createExtension, Read: readExtension, Update: updateExtension, Delete: deleteExtension,
	}
}

func createExtension(
	ctx context.Context, s *server.Server, op embedded.Op, want Extension,
) (string, Extension, error) {
	if want.Database == "" {
		want.Database = s.Database()
	}
	id := want.Database + "." + want.Name
	err := s.Change(ctx, want.Database, func(ctx context.Context, tx server.Conn) error {
		have, _, err := lookUpExtension(ctx, tx, want.Name)
		switch {
		case errors.Is(err, embedded.ErrGone):
			return makeExtension(ctx, tx, op, want)
		case err == nil && want.Schema != "" && have.Schema != want.Schema:
			return fmt.Errorf("it is there already, in schema %s and not %s: move it with ALTER EXTENSION ... SET SCHEMA",
				have.Schema, want.Schema)
		}
		return err
	})
	if err != nil {
		return "", Extension{}, fmt.Errorf("create extension %s in database %s: %w", want.Name, want.Database, err)
	}
	got, err := readExtension(ctx, s, op, id, want)
	return id, got, err
}

func makeExtension(ctx context.Context, tx server.Conn, op embedded.Op, want Extension) error {
	statement := "CREATE EXTENSION " + ident(want.Name)
	if want.Schema != "" {
		statement += " SCHEMA " + ident(want.Schema)
	}
	if want.Version != "" {
		statement += " VERSION " + literal(want.Version)
	}
	if want.CreateCascade {
		statement += " CASCADE"
	}
	if _, err := tx.Exec(ctx, statement); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, comment("EXTENSION", ident(want.Name), op.Owner))
	return err
}

// updateExtension changes the version. Moving an extension to another schema would break those who use it.
func updateExtension(
	ctx context.Context, s *server.Server, op embedded.Op, id string, old, want Extension,
) (Extension, error) {
	if want.Database == "" {
		want.Database = old.Database
	}
	err := s.Change(ctx, want.Database, func(ctx context.Context, tx server.Conn) error {
		have, _, err := lookUpExtension(ctx, tx, want.Name)
		switch {
		case err != nil:
			return err
		case want.Schema != "" && have.Schema != want.Schema:
			return fmt.Errorf("it is in schema %s and not %s: move it with ALTER EXTENSION ... SET SCHEMA", have.Schema, want.Schema)
		case want.Version != "" && have.Version != want.Version:
			_, err = tx.Exec(ctx, "ALTER EXTENSION "+ident(want.Name)+" UPDATE TO "+literal(want.Version))
		}
		return err
	})
	if err != nil {
		return Extension{}, fmt.Errorf("change extension %s: %w", id, err)
	}
	return readExtension(ctx, s, op, id, want)
}

// lookUpExtension reads an extension and the stack that made it, if one did.
func lookUpExtension(ctx context.Context, c server.Conn, name string) (Extension, string, error) {
	e := Extension{Name: name}
	var mark string
	err := c.QueryRow(ctx, `
		SELECT current_database()::text, n.nspname::text, e.extversion, coalesce(obj_description(e.oid, 'pg_extension'), '')
		FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = $1`, name).
		Scan(&e.Database, &e.Schema, &e.Version, &mark)
	if errors.Is(err, pgx.ErrNoRows) {
		return Extension{}, "", embedded.ErrGone
	}
	return e, owner(mark), err
}

func readExtension(
	ctx context.Context, s *server.Server, op embedded.Op, id string, state Extension,
) (Extension, error) {
	database, name := state.Database, state.Name
	if op.Import {
		database, name, _ = strings.Cut(id, ".")
	}
	var got Extension
	err := s.Do(ctx, database, func(ctx context.Context, c server.Conn) (err error) {
		got, _, err = lookUpExtension(ctx, c, name)
		return err
	})
	if server.IsClosed(err) {
		return state, nil
	}
	got.CreateCascade, got.DropCascade = state.CreateCascade, state.DropCascade
	return got, wrap(goneWithDatabase(err), "read extension %s", id)
}

func deleteExtension(ctx context.Context, s *server.Server, op embedded.Op, id string, state Extension) error {
	err := s.Change(ctx, state.Database, func(ctx context.Context, tx server.Conn) error {
		_, stack, err := lookUpExtension(ctx, tx, state.Name)
		if err != nil || stack != op.Owner {
			return err
		}
		statement := "DROP EXTENSION " + ident(state.Name)
		if state.DropCascade {
			statement += " CASCADE"
		}
		_, err = tx.Exec(ctx, statement)
		return err
	})
	if server.IsNeeded(err) {
		return nil // another application uses it
	}
	return wrap(goneWithDatabase(err), "drop extension %s", id)
}
