package migrate

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// InsecureView is a view that reads tables under row-level security with its owner's rights: whoever may read the view
// sees every row.
type InsecureView struct {
	Name   string
	Tables []string
	// Materialized views cannot be made security_invoker.
	Materialized bool
}

// Warning says what is wrong with the view and how to mend it.
func (v InsecureView) Warning() string {
	text := fmt.Sprintf("view %s shows every row of %s, past row-level security: ", v.Name, strings.Join(v.Tables, ", "))
	if v.Materialized {
		return text + "a materialized view cannot respect it, so revoke the rights of the REST roles on it"
	}
	return text + "ALTER VIEW " + v.Name + " SET (security_invoker = true)"
}

// insecureViews follows views of views down to tables. A view that is security_invoker ends the way: it reads with the
// rights of whoever reads it.
const insecureViews = `
WITH RECURSIVE reads(view, object) AS (
	SELECT r.ev_class, d.refobjid
	FROM pg_rewrite r
	JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass
	WHERE r.ev_type = '1' AND d.refobjid <> r.ev_class
), insecure(view) AS (
	SELECT c.oid FROM pg_class c
	WHERE c.relnamespace = to_regnamespace(quote_ident($1)) AND (c.relkind = 'm' OR c.relkind = 'v' AND NOT EXISTS (
		SELECT FROM pg_options_to_table(c.reloptions) WHERE option_name = 'security_invoker' AND option_value::boolean))
), reached(view, object) AS (
	SELECT i.view, r.object FROM insecure i JOIN reads r USING (view)
	UNION
	SELECT reached.view, r.object FROM reached JOIN reads r ON r.view = reached.object
)
SELECT v.relname::text, array_agg(DISTINCT t.relname::text ORDER BY t.relname::text), v.relkind = 'm'
FROM reached JOIN pg_class v ON v.oid = reached.view JOIN pg_class t ON t.oid = reached.object
WHERE t.relrowsecurity AND t.relkind IN ('r', 'p')
GROUP BY v.relname, v.relkind ORDER BY v.relname`

// InsecureViews returns the schema's views that bypass row-level security of tables that have it.
func InsecureViews(ctx context.Context, conn *pgx.Conn, schema string) ([]InsecureView, error) {
	rows, err := conn.Query(ctx, insecureViews, schema)
	if err != nil {
		return nil, fmt.Errorf("look for views that bypass row-level security: %w", err)
	}
	views, err := pgx.CollectRows(rows, pgx.RowToStructByPos[InsecureView])
	if err != nil {
		return nil, fmt.Errorf("look for views that bypass row-level security: %w", err)
	}
	return views, nil
}

func viewWarnings(ctx context.Context, conn *pgx.Conn, schema string) ([]string, error) {
	views, err := InsecureViews(ctx, conn, schema)
	var warnings []string
	for _, v := range views {
		warnings = append(warnings, v.Warning())
	}
	return warnings, err
}
