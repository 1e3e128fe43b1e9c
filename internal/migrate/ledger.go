package migrate

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// record is what the database remembers of one migration.
type record struct {
	Name       string
	Checksum   string
	AppliedAt  *time.Time // nil while half done
	Statements int
	Done       int
	Begun      bool   // statement Done+1 was begun outside a transaction, and how it ended is not known
	Ran        string // checksum of the first Done statements
}

// ledger is the table of what ran.
type ledger struct {
	schema string
	conn   *pgx.Conn
}

func (l ledger) table() string { return pgx.Identifier{l.schema, "migration"}.Sanitize() }

// create makes the table if it is missing. The schema is normally there: `plattr dev` makes it.
func (l ledger) create(ctx context.Context) error {
	var schema, table bool
	err := l.conn.QueryRow(ctx, "SELECT to_regnamespace(quote_ident($1)) IS NOT NULL, to_regclass($2) IS NOT NULL", l.schema, l.table()).Scan(&schema, &table)
	if err != nil {
		return fmt.Errorf("look for the table of migrations: %w", err)
	}
	if table {
		return nil
	}
	// Asked before: CREATE SCHEMA IF NOT EXISTS wants the right to create schemas even if there is nothing to create.
	if !schema {
		if _, err := l.conn.Exec(ctx, "CREATE SCHEMA "+pgx.Identifier{l.schema}.Sanitize()); err != nil {
			return fmt.Errorf("create schema %s: %w", l.schema, err)
		}
	}
	_, err = l.conn.Exec(ctx, "CREATE TABLE "+l.table()+` (
		name text PRIMARY KEY,
		checksum text NOT NULL,
		applied_at timestamptz,
		duration_ms bigint NOT NULL DEFAULT 0,
		statements int NOT NULL DEFAULT 0,
		done int NOT NULL DEFAULT 0,
		begun boolean NOT NULL DEFAULT false,
		ran text NOT NULL DEFAULT '')`)
	if err != nil {
		return fmt.Errorf("create the table of migrations: %w", err)
	}
	return nil
}

// read returns the records in the order of their names; none if the table does not exist.
func (l ledger) read(ctx context.Context) ([]record, error) {
	var there bool // asked first: an error would be in the server's log
	if err := l.conn.QueryRow(ctx, "SELECT to_regclass($1) IS NOT NULL", l.table()).Scan(&there); err != nil || !there {
		return nil, wrapRead(err)
	}
	rows, err := l.conn.Query(ctx, "SELECT name, checksum, applied_at, statements, done, begun, ran FROM "+l.table()+` ORDER BY name COLLATE "C"`)
	var records []record
	if err == nil {
		records, err = pgx.CollectRows(rows, pgx.RowToStructByPos[record])
	}
	if noTable(err) {
		return nil, nil
	}
	return records, wrapRead(err)
}

func wrapRead(err error) error {
	if err != nil {
		return fmt.Errorf("read the table of migrations: %w", err)
	}
	return nil
}

// finished records a migration that ran whole. A record without a statement done may be there, of a stepwise file that
// was killed early and mended since.
func (l ledger) finished(ctx context.Context, f file, took time.Duration) error {
	_, err := l.conn.Exec(ctx, "INSERT INTO "+l.table()+
		" (name, checksum, applied_at, duration_ms, statements, done, ran) VALUES ($1, $2, clock_timestamp(), $3, $4, $4, $5)"+
		" ON CONFLICT (name) DO UPDATE SET checksum = excluded.checksum, applied_at = excluded.applied_at,"+
		" duration_ms = excluded.duration_ms, statements = excluded.statements, done = excluded.done, ran = excluded.ran",
		f.name, f.checksum, took.Milliseconds(), len(f.statements), f.prefix(len(f.statements)))
	return wrapRecord(f, err)
}

// begin records a stepwise file before its first statement, or anew when its later statements were mended.
func (l ledger) begin(ctx context.Context, f file) error {
	_, err := l.conn.Exec(ctx, "INSERT INTO "+l.table()+" AS m (name, checksum, statements) VALUES ($1, $2, $3)"+
		" ON CONFLICT (name) DO UPDATE SET checksum = excluded.checksum, statements = excluded.statements",
		f.name, f.checksum, len(f.statements))
	return wrapRecord(f, err)
}

// begun records that the next statement is about to run outside a transaction.
func (l ledger) begun(ctx context.Context, f file) error {
	_, err := l.conn.Exec(ctx, "UPDATE "+l.table()+" SET begun = true WHERE name = $1", f.name)
	return wrapRecord(f, err)
}

// step records that the first done statements ran; with the last one the migration is applied.
func (l ledger) step(ctx context.Context, f file, done int, took time.Duration) error {
	_, err := l.conn.Exec(ctx, "UPDATE "+l.table()+` SET done = $2, begun = false, ran = $3, duration_ms = duration_ms + $4,
		applied_at = CASE WHEN $2 = statements THEN clock_timestamp() END WHERE name = $1`,
		f.name, done, f.prefix(done), took.Milliseconds())
	return wrapRecord(f, err)
}

func wrapRecord(f file, err error) error {
	if err != nil {
		return fmt.Errorf("record %s: %w", f.name, err)
	}
	return nil
}

// pending is a migration to run, from its statement number from (0 is the first).
type pending struct {
	file  file
	from  int
	begun bool
}

// compare finds what is to run, and refuses files that do not continue what ran: every problem at once. Files are in the
// order in which they run.
func compare(files []file, records []record) ([]pending, error) {
	byName := map[string]record{}
	for _, r := range records {
		byName[r.Name] = r
	}
	last := -1
	for i, f := range files {
		if _, known := byName[f.name]; known {
			last = i
		}
	}
	var todo []pending
	var problems []string
	for i, f := range files {
		r, known := byName[f.name]
		switch {
		case !known && renamedFrom(f, files, records) != "":
			problems = append(problems, fmt.Sprintf("%s: ran as %s: give it that name again", f.shown, renamedFrom(f, files, records)))
		case !known && i < last:
			problems = append(problems, fmt.Sprintf("%s: comes before %s, which ran already: rename it so that it is the last", f.shown, files[last].name))
		case !known:
			todo = append(todo, pending{file: f})
		case r.AppliedAt == nil:
			todo = append(todo, pending{file: f, from: r.Done, begun: r.Begun})
		case r.Checksum != f.checksum:
			problems = append(problems, fmt.Sprintf(
				"%s: was changed after it ran (%s): put it back as it was and write the change as a new migration",
				f.shown, r.AppliedAt.Format(time.DateTime)))
		}
	}
	for _, r := range records {
		if !hasFile(files, r.Name) {
			problems = append(problems, fmt.Sprintf("%s: ran here, but the file is gone: put it back. On a laptop `plattr db reset` begins anew; in an environment `plattr rollback` takes an earlier image without migrating", r.Name))
		}
	}
	if len(problems) > 0 {
		return nil, &HistoryError{Problems: problems}
	}
	return todo, nil
}

func hasFile(files []file, name string) bool {
	return slices.ContainsFunc(files, func(f file) bool { return f.name == name })
}

// renamedFrom returns the name under which a file with the same text ran, if that file is gone.
func renamedFrom(f file, files []file, records []record) string {
	for _, r := range records {
		if r.Checksum == f.checksum && !hasFile(files, r.Name) {
			return r.Name
		}
	}
	return ""
}

// states is compare for people: it refuses nothing.
func states(files []file, records []record) []State {
	var out []State
	for _, f := range files {
		at := slices.IndexFunc(records, func(r record) bool { return r.Name == f.name })
		if at < 0 {
			out = append(out, State{Name: f.name, State: StatePending})
			continue
		}
		s := records[at].state()
		if s.State == StateApplied && s.Checksum != f.checksum {
			s.State = StateChanged
		}
		out = append(out, s)
	}
	for _, r := range records {
		if !hasFile(files, r.Name) {
			s := r.state()
			s.State = StateMissing
			out = append(out, s)
		}
	}
	return out
}

func (r record) state() State {
	s := State{Name: r.Name, State: StateApplied, AppliedAt: r.AppliedAt, Checksum: r.Checksum, Statements: r.Statements}
	if r.AppliedAt == nil {
		s.State, s.Done = StateHalfDone, r.Done
	}
	return s
}

// headOf is the last of the project's migrations that ran whole.
func headOf(states []State) string {
	head := ""
	for _, s := range states {
		if s.State == StateApplied || s.State == StateChanged {
			head = s.Name
		}
	}
	return head
}
