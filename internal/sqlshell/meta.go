package sqlshell

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"plattr.dev/plattr/internal/migrate/sqltext"
)

const help = `\dt          tables and views
\d NAME      columns, indexes and constraints of a table
\x           one line per column, on or off
\q, Ctrl-D   leave
Ctrl-C       cancel the statement that runs, or forget what was typed
`

const listRelations = `SELECT n.nspname AS schema, c.relname AS name,
	CASE c.relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'partitioned table' WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' ELSE 'foreign table' END AS type,
	pg_get_userbyid(c.relowner) AS owner
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname = ANY (current_schemas(false)) ORDER BY 1, 2`

const listColumns = `SELECT a.attname AS column, format_type(a.atttypid, a.atttypmod) AS type,
	CASE WHEN a.attnotnull THEN 'not null' ELSE '' END AS nullable, coalesce(pg_get_expr(d.adbin, d.adrelid), '') AS default
FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = $1::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`

const listParts = `SELECT 'index' AS kind, c.relname AS name, pg_get_indexdef(i.indexrelid) AS definition
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = $1::regclass
UNION ALL
SELECT CASE contype WHEN 'f' THEN 'foreign key' WHEN 'c' THEN 'check' ELSE 'constraint' END, conname, pg_get_constraintdef(oid)
FROM pg_constraint WHERE conrelid = $1::regclass AND contype IN ('f', 'c', 'x')
UNION ALL
SELECT 'policy', polname, coalesce(pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)) FROM pg_policy WHERE polrelid = $1::regclass
ORDER BY 1 DESC, 2`

// meta runs a command of the shell itself and reports whether to leave.
func (s *shell) meta(ctx context.Context, line string) (quit bool) {
	name, argument, _ := strings.Cut(strings.TrimSuffix(line, ";"), " ")
	argument = strings.TrimSpace(argument)
	switch {
	case name == `\q`:
		return true
	case name == `\?`:
		_, _ = fmt.Fprint(s.Err, help)
	case name == `\x`:
		s.expanded = !s.expanded
		_, _ = fmt.Fprintf(s.Err, "one line per column: %t\n", s.expanded)
	case name == `\dt`, name == `\d` && argument == "":
		s.one(ctx, sqltext.Statement{Text: listRelations})
	case name == `\d`:
		for _, query := range []string{listColumns, listParts} {
			if err := s.describe(ctx, query, argument); err != nil {
				s.complain(err)
				break
			}
		}
	default:
		_, _ = fmt.Fprintf(s.Err, "unknown command %s: \\? shows those there are\n", name)
	}
	return false
}

// describe runs a query about one table. An empty answer is printed for columns only.
func (s *shell) describe(ctx context.Context, query, table string) error {
	result := s.conn.PgConn().ExecParams(ctx, query, [][]byte{[]byte(table)}, nil, nil, nil)
	rows := newRows(result.FieldDescriptions())
	for result.NextRow() {
		rows.add(result.Values())
	}
	if _, err := result.Close(); err != nil {
		return plainError(err)
	}
	if len(rows.cells) == 0 && query == listParts {
		return nil
	}
	return s.print(rows)
}

// plainError is the server's message without a place: the query is ours.
func plainError(err error) error {
	var server *pgconn.PgError
	if errors.As(err, &server) {
		return errors.New(server.Message)
	}
	return err
}
