package scratch

import (
	"archive/zip"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"plattr.dev/plattr/internal/sqlshell/libpq"
)

// Restore replaces the rows of every table of the schema by those of a dump, in one transaction: afterwards all of them
// are there, or the old ones. The database must have run the migrations that the dump names, no more and no less;
// migrations is what it has run. Triggers of the application do not run, foreign keys are checked at the end.
func Restore(ctx context.Context, url, schema string, migrations []Migration, r io.ReaderAt, size int64) (Manifest, error) {
	archive, m, err := openDump(r, size)
	if err != nil {
		return m, err
	}
	if err := fits(m.Migrations, migrations); err != nil {
		return m, err
	}
	conn, err := connect(ctx, url, "")
	if err != nil {
		return m, err
	}
	defer libpq.Close(conn)
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, session); err != nil {
			return err //nolint:wrapcheck // wrapped below
		}
		return (&restore{tx: tx, schema: schema, dump: m}).run(ctx, archive)
	})
	if err != nil {
		return m, fmt.Errorf("restore schema %s: %w", schema, err)
	}
	return m, nil
}

type restore struct {
	tx     pgx.Tx
	schema string
	dump   Manifest
}

// aside lists pairs of statements: what is taken away before the rows are written, and what brings it back. Only the
// owner's own rights are needed, where switching off triggers of constraints would take a superuser.
const aside = `
SELECT off, back FROM (
	SELECT 1, format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname) AS off,
		format('ALTER TABLE %s ADD CONSTRAINT %I %s', conrelid::regclass, conname, pg_get_constraintdef(oid)) AS back
	FROM pg_constraint
	WHERE contype = 'f' AND conparentid = 0 AND conrelid IN (SELECT oid FROM pg_class WHERE relnamespace = $1::regnamespace)
	UNION ALL
	SELECT 2, format('ALTER TABLE %s DISABLE TRIGGER %I', tgrelid::regclass, tgname),
		format('ALTER TABLE %s ENABLE %s TRIGGER %I', tgrelid::regclass, CASE tgenabled WHEN 'A' THEN 'ALWAYS' WHEN 'R' THEN 'REPLICA' ELSE '' END, tgname)
	FROM pg_trigger
	WHERE NOT tgisinternal AND tgenabled <> 'D' AND tgrelid IN (SELECT oid FROM pg_class WHERE relnamespace = $1::regnamespace AND relkind IN ('r', 'p'))
	UNION ALL
	SELECT 3, format('ALTER TABLE %s NO FORCE ROW LEVEL SECURITY', oid::regclass), format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', oid::regclass)
	FROM pg_class WHERE relforcerowsecurity AND relnamespace = $1::regnamespace
) AS changes(step, off, back) ORDER BY step, off`

func (r *restore) run(ctx context.Context, archive *zip.Reader) error {
	if err := r.check(ctx); err != nil {
		return err
	}
	rows, err := r.tx.Query(ctx, aside, quote(r.schema))
	if err != nil {
		return err //nolint:wrapcheck // wrapped by Restore
	}
	type change struct{ Off, Back string }
	changes, err := pgx.CollectRows(rows, pgx.RowToStructByPos[change])
	if err != nil {
		return err //nolint:wrapcheck // wrapped by Restore
	}
	for _, c := range changes {
		if _, err := r.tx.Exec(ctx, c.Off); err != nil {
			return err //nolint:wrapcheck // wrapped by Restore
		}
	}
	if err := r.fill(ctx, archive); err != nil {
		return err
	}
	for _, c := range slices.Backward(changes) {
		if _, err := r.tx.Exec(ctx, c.Back); err != nil {
			return fmt.Errorf("%s: %w", c.Back, err)
		}
	}
	return r.refresh(ctx)
}

// check compares tables and columns before anything is touched.
func (r *restore) check(ctx context.Context) error {
	have, err := tables(ctx, r.tx, r.schema)
	if err != nil {
		return err
	}
	for _, t := range r.dump.Tables {
		at := slices.IndexFunc(have, func(h Table) bool { return h.Name == t.Name })
		if at < 0 {
			return &MismatchError{Reason: "it has table " + t.Name + ", the database has not"}
		}
		if lacks := missing(t.Columns, have[at].Columns); len(lacks) > 0 {
			return &MismatchError{Reason: fmt.Sprintf("table %s here has no column %s", t.Name, strings.Join(lacks, ", "))}
		}
	}
	return nil
}

// fill empties all tables, also those that the dump does not have, and writes the dump's rows.
func (r *restore) fill(ctx context.Context, archive *zip.Reader) error {
	have, err := tables(ctx, r.tx, r.schema)
	if err != nil {
		return err
	}
	var names []string
	for _, t := range have {
		names = append(names, quote(r.schema, t.Name))
	}
	if len(names) > 0 {
		if _, err := r.tx.Exec(ctx, "TRUNCATE TABLE "+strings.Join(names, ", ")); err != nil {
			return fmt.Errorf("empty the tables: %w", err)
		}
	}
	for _, t := range r.dump.Tables {
		if err := r.table(ctx, archive, t); err != nil {
			return fmt.Errorf("table %s: %w", t.Name, err)
		}
	}
	for _, s := range r.dump.Sequences {
		if _, err := r.tx.Exec(ctx, "SELECT setval($1, $2, $3)", quote(r.schema, s.Name), s.Last, s.Called); err != nil {
			return fmt.Errorf("sequence %s: %w", s.Name, err)
		}
	}
	return nil
}

func (r *restore) table(ctx context.Context, archive *zip.Reader, t Table) error {
	member, err := archive.Open(t.File)
	if err != nil {
		return fmt.Errorf("the dump is not whole: %w", err)
	}
	defer func() { _ = member.Close() }()
	tag, err := r.tx.Conn().PgConn().CopyFrom(ctx, member, "COPY "+t.target(r.schema)+" FROM STDIN")
	if err != nil {
		return err //nolint:wrapcheck // wrapped by fill
	}
	if tag.RowsAffected() != t.Rows {
		return fmt.Errorf("the dump is not whole: %d of %d rows", tag.RowsAffected(), t.Rows)
	}
	return nil
}

// refresh computes materialized views anew, those that others read first.
func (r *restore) refresh(ctx context.Context) error {
	views, err := column(ctx, r.tx, "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'm' AND relispopulated AND relnamespace = $1::regnamespace ORDER BY oid", quote(r.schema))
	if err != nil {
		return err
	}
	for _, v := range views {
		if _, err := r.tx.Exec(ctx, "REFRESH MATERIALIZED VIEW "+v); err != nil {
			return fmt.Errorf("refresh %s: %w", v, err)
		}
	}
	return nil
}
