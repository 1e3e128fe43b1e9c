package scratch

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"plattr.dev/plattr/internal/sqlshell/libpq"
)

// ResetSchema drops everything that the application's role made, in a database that it may share with others: all
// objects of its two schemas, and whatever extensions and schemas it created itself. The two schemas, their rights and
// default privileges stay, so that what migrations make next is served as before. It returns how many objects it
// dropped, and drops all of them or none. What others built on these objects is not dropped: then it refuses and names it.
func ResetSchema(ctx context.Context, url, schema, migrationsSchema string) (int, error) {
	conn, err := connect(ctx, url, "")
	if err != nil {
		return 0, err
	}
	defer libpq.Close(conn)
	return emptySchemas(ctx, conn, schema, migrationsSchema)
}

// schemaObjects lists what is to drop, relations first: their sequences, types and rules go with them. Everything in a
// schema depends on it, so the server's own table of dependencies is the list, whatever kinds of objects it knows.
const schemaObjects = `
SELECT kind, identity FROM (
	SELECT o.type AS kind, o.identity, o.type !~ 'table|view' AS later, d.objid
	FROM pg_depend d, LATERAL pg_identify_object(d.classid, d.objid, d.objsubid) o
	WHERE d.refclassid = 'pg_namespace'::regclass AND d.deptype = 'n'
		AND d.refobjid IN (SELECT oid FROM pg_namespace WHERE nspname IN ($1, $2))
		AND d.classid NOT IN ('pg_default_acl'::regclass, 'pg_extension'::regclass, 'pg_publication_namespace'::regclass)
		AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = d.classid AND e.objid = d.objid AND e.refobjid <> d.objid AND e.deptype IN ('e', 'i'))
	UNION ALL
	SELECT 'extension', quote_ident(extname), true, oid FROM pg_extension WHERE extowner = current_user::regrole
	UNION ALL
	SELECT 'schema', quote_ident(nspname), true, oid FROM pg_namespace
	WHERE nspowner = current_user::regrole AND nspname NOT IN ($1, $2) AND nspname !~ '^pg_'
) AS objects ORDER BY later, objid`

// builtOn lists what other roles' schemas have that depends on ours.
const builtOn = `
WITH ours AS (
	SELECT c.oid, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
	WHERE n.nspname IN ($1, $2) OR n.nspowner = current_user::regrole
)
SELECT DISTINCT format('%s uses %s', v.oid::regclass, o.relname)
FROM ours o JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = o.oid AND d.classid = 'pg_rewrite'::regclass
JOIN pg_rewrite r ON r.oid = d.objid JOIN pg_class v ON v.oid = r.ev_class
WHERE v.oid NOT IN (SELECT oid FROM ours)
UNION
SELECT DISTINCT format('%s refers to %s', f.conrelid::regclass, o.relname)
FROM ours o JOIN pg_constraint f ON f.confrelid = o.oid AND f.contype = 'f'
WHERE f.conrelid NOT IN (SELECT oid FROM ours)
ORDER BY 1`

func emptySchemas(ctx context.Context, conn *pgx.Conn, schemas ...string) (int, error) {
	dropped := 0
	err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		// Names come out qualified, whatever the role's search path. Notices about what CASCADE took along are not news.
		if _, err := tx.Exec(ctx, "SET LOCAL search_path = ''; SET LOCAL client_min_messages = warning"); err != nil {
			return err //nolint:wrapcheck // wrapped below
		}
		users, err := column(ctx, tx, builtOn, schemas[0], schemas[1])
		if err != nil {
			return err
		}
		if len(users) > 0 {
			return fmt.Errorf("others build on it: %s: drop that first", strings.Join(users, ", "))
		}
		rows, err := tx.Query(ctx, schemaObjects, schemas[0], schemas[1])
		if err != nil {
			return err //nolint:wrapcheck // wrapped below
		}
		type object struct{ Kind, Identity string }
		objects, err := pgx.CollectRows(rows, pgx.RowToStructByPos[object])
		if err != nil {
			return err //nolint:wrapcheck // wrapped below
		}
		dropped = len(objects)
		var script strings.Builder
		for _, o := range objects {
			_, _ = fmt.Fprintf(&script, "DROP %s IF EXISTS %s CASCADE;\n", dropKind(o.Kind), o.Identity)
		}
		_, err = tx.Conn().PgConn().Exec(ctx, script.String()).ReadAll()
		return err //nolint:wrapcheck // wrapped below
	})
	if err != nil {
		return 0, fmt.Errorf("empty schema %s: %w", schemas[0], err)
	}
	return dropped, nil
}

// dropKind is the word for DROP where it is not the word by which the server calls a kind of object.
func dropKind(kind string) string {
	switch kind {
	case "composite type":
		return "TYPE"
	case "statistics object":
		return "STATISTICS"
	}
	return strings.ToUpper(kind)
}

func column(ctx context.Context, tx pgx.Tx, sql string, args ...any) ([]string, error) {
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return nil, err //nolint:wrapcheck // the caller says what for
	}
	return pgx.CollectRows(rows, pgx.RowTo[string]) //nolint:wrapcheck // the caller says what for
}
