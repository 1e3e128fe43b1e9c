package plattr

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"plattr.dev/plattr/internal/providers/embedded"
	"plattr.dev/plattr/internal/providers/postgresql/server"
)

// Bootstrap holds the inputs and the state of plattr:index:DatabaseBootstrap: what a superuser does once in a
// database, for every application in it. Deleting the resource leaves it there: it goes with the database.
type Bootstrap struct {
	Database string `json:"database"`
	// Administrator is the role that plattr works as. It gets the schema of the extensions.
	Administrator string `json:"administrator"`
	// Revision is filled in by the provider: what should be there, and after a Read what is.
	Revision string `json:"revision,omitempty"`
}

// extensionsSchema is where extensions live, apart from what PostgREST serves.
const extensionsSchema = "extensions"

// notifyBody tells PostgREST of the schema that changed. It never raises: a failing event trigger would make every
// DDL statement in the database fail. Channel names end at 63 bytes; sdk.Channel shortens them the same way.
const notifyBody = `
DECLARE
	changed record;
BEGIN
	FOR changed IN %s LOOP
		IF changed.name IS NOT NULL AND changed.name <> 'information_schema' AND changed.name NOT LIKE 'pg\_%%' THEN
			PERFORM pg_catalog.pg_notify(
				CASE WHEN pg_catalog.octet_length(changed.name) > 57 THEN 'pgrst_' || pg_catalog.md5(changed.name)
				ELSE 'pgrst_' || changed.name END, 'reload schema');
		END IF;
	END LOOP;
EXCEPTION WHEN OTHERS THEN
	NULL;
END`

// trigger is an event trigger with its function. Its name is the function's, too.
type trigger struct{ name, event, body string }

func triggers() []trigger {
	return []trigger{
		{"plattr_notify_ddl", "ddl_command_end", fmt.Sprintf(notifyBody, `
		SELECT DISTINCT CASE WHEN object_type = 'schema'
			THEN (pg_catalog.parse_ident(object_identity))[1] ELSE schema_name END AS name
		FROM pg_catalog.pg_event_trigger_ddl_commands()
	`)},
		{"plattr_notify_drop", "sql_drop", fmt.Sprintf(notifyBody, `
		SELECT DISTINCT CASE WHEN object_type = 'schema' THEN object_name ELSE schema_name END AS name
		FROM pg_catalog.pg_event_trigger_dropped_objects() WHERE NOT is_temporary
	`)},
	}
}

// revision names the wanted contents.
func revision() string {
	sum := sha256.New()
	for _, t := range triggers() {
		sum.Write([]byte(t.name + t.event + t.body))
	}
	return hex.EncodeToString(sum.Sum(nil)[:8])
}

func bootstrapType() *embedded.Type[client, Bootstrap, Bootstrap] {
	return &embedded.Type[client, Bootstrap, Bootstrap]{
		Token:   "plattr:index:DatabaseBootstrap",
		Replace: []string{"database"},
		Check: func(b *Bootstrap) []embedded.Problem {
			b.Revision = revision()
			var problems []embedded.Problem
			if b.Database == "" {
				problems = append(problems, embedded.Problem{Input: "database", Reason: "is required"})
			}
			if b.Administrator == "" {
				problems = append(problems, embedded.Problem{Input: "administrator", Reason: "is required"})
			}
			return problems
		},
		Create: func(ctx context.Context, c client, _ embedded.Op, b Bootstrap) (string, Bootstrap, error) {
			got, err := applyBootstrap(ctx, c, b)
			return b.Database, got, err
		},
		Read: readBootstrap,
		Update: func(ctx context.Context, c client, _ embedded.Op, _ string, _, b Bootstrap) (Bootstrap, error) {
			return applyBootstrap(ctx, c, b)
		},
		Delete: func(context.Context, client, embedded.Op, string, Bootstrap) error { return nil },
	}
}

func readBootstrap(ctx context.Context, c client, op embedded.Op, id string, b Bootstrap) (Bootstrap, error) {
	if op.Import {
		b.Database = id
	}
	s, err := c.server()
	if err != nil {
		return b, fmt.Errorf("read bootstrap of database %s: %w", b.Database, err)
	}
	defer s.Close()
	err = s.Do(ctx, b.Database, func(ctx context.Context, conn server.Conn) error {
		absent, err := missing(ctx, conn, b)
		b.Revision = revision()
		if len(absent) > 0 {
			b.Revision = "missing: " + strings.Join(absent, ", ")
		}
		return err
	})
	switch {
	case server.IsNoDatabase(err):
		return b, embedded.ErrGone
	case server.IsClosed(err):
		return b, nil
	}
	if err != nil {
		return b, fmt.Errorf("read bootstrap of database %s: %w", b.Database, err)
	}
	return b, nil
}

func applyBootstrap(ctx context.Context, c client, b Bootstrap) (Bootstrap, error) {
	s, err := c.server()
	if err != nil {
		return b, fmt.Errorf("bootstrap database %s: %w", b.Database, err)
	}
	defer s.Close()
	err = s.Change(ctx, b.Database, func(ctx context.Context, tx server.Conn) error {
		absent, err := missing(ctx, tx, b)
		if err != nil || len(absent) == 0 { // another application has been here
			return err
		}
		if err := makeExtensionsSchema(ctx, tx, b.Administrator); err != nil {
			return fmt.Errorf("schema %s: %w", extensionsSchema, err)
		}
		for _, t := range triggers() {
			if err := makeTrigger(ctx, tx, t); err != nil {
				return fmt.Errorf("event trigger %s: %w", t.name, err)
			}
		}
		if absent, err = missing(ctx, tx, b); err == nil && len(absent) > 0 {
			err = fmt.Errorf("still missing: %s", strings.Join(absent, ", "))
		}
		return err
	})
	if err != nil {
		return b, fmt.Errorf("bootstrap database %s: %w", b.Database, err)
	}
	b.Revision = revision()
	return b, nil
}

// missing lists what is not there, or not as it should be.
func missing(ctx context.Context, c server.Conn, b Bootstrap) ([]string, error) {
	var out []string
	var usable bool
	err := c.QueryRow(ctx, `
		SELECT pg_has_role(r.oid, n.nspowner, 'USAGE')
			AND EXISTS (SELECT FROM aclexplode(n.nspacl) a WHERE a.grantee = 0 AND a.privilege_type = 'USAGE')
		FROM pg_namespace n, pg_roles r WHERE n.nspname = $1 AND r.rolname = $2`,
		extensionsSchema, b.Administrator).Scan(&usable)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return nil, err //nolint:wrapcheck // the caller says what was attempted
	}
	if !usable {
		out = append(out, "schema "+extensionsSchema)
	}
	for _, t := range triggers() {
		var fits bool
		err := c.QueryRow(ctx, `
			SELECT e.evtenabled = 'O' AND e.evtevent = $2 AND p.prosrc = $3
			FROM pg_event_trigger e JOIN pg_proc p ON p.oid = e.evtfoid WHERE e.evtname = $1`,
			t.name, t.event, t.body).Scan(&fits)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return nil, err //nolint:wrapcheck // the caller says what was attempted
		}
		if !fits {
			out = append(out, "event trigger "+t.name)
		}
	}
	return out, nil
}

// makeExtensionsSchema gives the schema to the administrator, who makes the trusted extensions in it.
func makeExtensionsSchema(ctx context.Context, tx server.Conn, administrator string) error {
	for _, statement := range []string{
		"CREATE SCHEMA IF NOT EXISTS " + extensionsSchema,
		"ALTER SCHEMA " + extensionsSchema + " OWNER TO " + pgx.Identifier{administrator}.Sanitize(),
		"GRANT USAGE ON SCHEMA " + extensionsSchema + " TO PUBLIC",
	} {
		if _, err := tx.Exec(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// makeTrigger puts the function beside the extensions. It belongs to who bootstraps, and runs with the rights of
// whoever changes something.
func makeTrigger(ctx context.Context, tx server.Conn, t trigger) error {
	function := extensionsSchema + "." + t.name + "()"
	for _, statement := range []string{
		"DROP EVENT TRIGGER IF EXISTS " + t.name,
		"DROP FUNCTION IF EXISTS " + function,
		"CREATE FUNCTION " + function + " RETURNS event_trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $plattr$" +
			t.body + "$plattr$",
		"CREATE EVENT TRIGGER " + t.name + " ON " + t.event + " EXECUTE FUNCTION " + function,
	} {
		if _, err := tx.Exec(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}
