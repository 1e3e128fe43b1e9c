package migrate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"plattr.dev/plattr/internal/migrate/sqltext"
	"plattr.dev/plattr/internal/sqlshell/libpq"
)

// raw runs SQL files in the order of their names.
type raw struct{ Options }

// Status implements Runner.
func (r *raw) Status(ctx context.Context) (Status, error) {
	files, err := load(r.Root, r.directory())
	if err != nil {
		return Status{}, err
	}
	conn, err := r.connect(ctx)
	if err != nil {
		return Status{}, err
	}
	defer libpq.Close(conn)
	records, err := ledger{r.MigrationsSchema, conn}.read(ctx)
	if err != nil {
		return Status{}, err
	}
	all := states(files, records)
	return Status{Engine: Raw, Head: headOf(all), Migrations: all}, nil
}

// Up implements Runner.
func (r *raw) Up(ctx context.Context) (Result, error) {
	result := Result{Engine: Raw, Applied: []Applied{}}
	files, err := load(r.Root, r.directory())
	if err != nil {
		return result, err
	}
	if err := numberOrder(files); err != nil {
		return result, err
	}
	conn, err := r.connect(ctx)
	if err != nil {
		return result, err
	}
	defer libpq.Close(conn)
	if err := r.lock(ctx, conn); err != nil {
		return result, err
	}
	book := ledger{r.MigrationsSchema, conn}
	todo, records, err := r.plan(ctx, book, files)
	if err != nil {
		return result, err
	}
	result.Already = len(records) - halfDone(records)
	result.Head = headOf(states(files, records))
	for _, p := range todo {
		applied, err := r.apply(ctx, book, p)
		if err != nil {
			return result, err
		}
		result.Applied = append(result.Applied, applied)
		result.Head = applied.Name
	}
	result.Warnings, err = viewWarnings(ctx, conn, r.Schema)
	return result, err
}

// plan reads and checks everything that is to run before the first statement runs.
func (r *raw) plan(ctx context.Context, book ledger, files []file) ([]pending, []record, error) {
	records, err := book.read(ctx)
	if err != nil {
		return nil, nil, err
	}
	todo, err := compare(files, records)
	if err != nil {
		return nil, nil, err
	}
	if todo, err = stopAt(todo, files, r.To); err != nil {
		return nil, nil, err
	}
	if len(files) == 0 {
		r.Progress("no migrations in " + shownPath(r.Root, r.directory()))
	}
	if len(todo) == 0 {
		return nil, records, nil
	}
	for i := range todo {
		if err := todo[i].prepare(records); err != nil {
			return nil, nil, err
		}
	}
	return todo, records, book.create(ctx)
}

// stopAt drops what comes after the file called to.
func stopAt(todo []pending, files []file, to string) ([]pending, error) {
	kept, err := upTo(files, to)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(todo, func(p pending) bool { return !hasFile(kept, p.file.name) }), nil
}

// prepare parses the file and, for one that is half done, makes sure that what ran of it is still what it says.
func (p *pending) prepare(records []record) error {
	if err := p.file.parse(); err != nil {
		return err
	}
	if p.from == 0 && !p.begun {
		return nil
	}
	p.file.stepwise = true // whatever mending made of it, its first statements are there
	for _, r := range records {
		if r.Name == p.file.name && (p.from > len(p.file.statements) || p.file.prefix(p.from) != r.Ran) && p.from > 0 {
			return &HistoryError{Problems: []string{fmt.Sprintf(
				"%s: its first %d statements have run and were changed since: put them back, change only what follows", p.file.shown, p.from)}}
		}
	}
	return nil
}

func halfDone(records []record) int {
	n := 0
	for _, r := range records {
		if r.AppliedAt == nil {
			n++
		}
	}
	return n
}

func (r *raw) apply(ctx context.Context, book ledger, p pending) (Applied, error) {
	begun := time.Now()
	var err error
	switch {
	case !p.file.stepwise:
		r.Progress("migration " + p.file.name)
		err = inTransaction(ctx, book, p.file)
	case p.from > 0 || p.begun:
		r.Progress(fmt.Sprintf("migration %s, continued at statement %d of %d", p.file.name, p.from+1, len(p.file.statements)))
		err = stepwise(ctx, book, p)
	default:
		r.Progress("migration " + p.file.name + ", outside a transaction: " + p.file.stepReason)
		err = stepwise(ctx, book, p)
	}
	if err != nil {
		return Applied{}, err
	}
	took := time.Since(begun)
	applied := Applied{Name: p.file.name, Duration: took, Milliseconds: took.Milliseconds(), Statements: len(p.file.statements) - p.from}
	return applied, resetSession(ctx, book.conn)
}

// inTransaction runs a file and its record as one transaction: both are there, or neither.
func inTransaction(ctx context.Context, book ledger, f file) error {
	begun := time.Now()
	tx, err := book.conn.Begin(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", f.shown, err)
	}
	defer rollback(tx)
	for i, s := range f.statements {
		if _, err := run(ctx, book.conn, s); err != nil {
			failed := statementError(f, i, err)
			failed.RolledBack = true
			return failed
		}
	}
	if _, err := tx.Exec(ctx, "RESET ROLE"); err != nil {
		return fmt.Errorf("%s: %w", f.shown, err)
	}
	if err := book.finished(ctx, f, time.Since(begun)); err != nil {
		return err
	}
	if err := tx.Commit(ctx); err != nil {
		return &StatementError{File: f.shown, Of: len(f.statements), RolledBack: true, ShowDetail: true, Err: err}
	}
	return nil
}

func rollback(tx pgx.Tx) {
	ctx, cancel := context.WithTimeout(context.Background(), cleanGrace)
	defer cancel()
	_ = tx.Rollback(ctx) // after a commit there is nothing to do; on a dead connection the server does it
}

// stepwise runs a file statement by statement and records each, so that the next run continues where this one ended.
func stepwise(ctx context.Context, book ledger, p pending) error {
	if err := book.begin(ctx, p.file); err != nil {
		return err
	}
	if err := replaySettings(ctx, book.conn, p); err != nil {
		return err
	}
	if len(p.file.statements) == p.from {
		return book.step(ctx, p.file, p.from, 0) // mended by removing what was left
	}
	for i := p.from; i < len(p.file.statements); i++ {
		s := p.file.statements[i]
		var err error
		if sqltext.NonTransactional(s.Text) != "" || sqltext.MayCommit(s.Text) {
			err = outside(ctx, book, p, i)
		} else {
			err = inside(ctx, book, p.file, i)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// replaySettings sets again what the statements that ran had set for the session.
func replaySettings(ctx context.Context, conn *pgx.Conn, p pending) error {
	for i, s := range p.file.statements[:p.from] {
		words := sqltext.Words(s.Text)
		if len(words) < 2 || words[0] != "SET" || words[1] == "LOCAL" {
			continue
		}
		if _, err := run(ctx, conn, s); err != nil {
			return statementError(p.file, i, err)
		}
	}
	return nil
}

// inside runs a statement and its record as one transaction.
func inside(ctx context.Context, book ledger, f file, i int) error {
	begun := time.Now()
	tx, err := book.conn.Begin(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", f.shown, err)
	}
	defer rollback(tx)
	if _, err := run(ctx, book.conn, f.statements[i]); err != nil {
		return statementError(f, i, err)
	}
	if err := book.step(ctx, f, i+1, time.Since(begun)); err != nil {
		return err
	}
	if err := tx.Commit(ctx); err != nil {
		return statementError(f, i, err)
	}
	return nil
}

// outside runs a statement that no transaction can hold. If an earlier run was killed in the middle of it, what that
// left is cleared or taken as done.
func outside(ctx context.Context, book ledger, p pending, i int) error {
	begun := time.Now()
	s := p.file.statements[i]
	again := p.begun && i == p.from
	done := false
	if p.begun {
		valid, err := clearIndex(ctx, book.conn, s.Text)
		if err != nil {
			return statementError(p.file, i, err)
		}
		done = valid && again // at a later statement it is somebody else's, and the server says so
	}
	if err := book.begun(ctx, p.file); err != nil {
		return err
	}
	if !done {
		_, err := run(ctx, book.conn, s)
		if err != nil && (!again || !isDone(s.Text, err)) {
			return statementError(p.file, i, err)
		}
	}
	return book.step(ctx, p.file, i+1, time.Since(begun))
}

// clearIndex looks for what a killed CREATE INDEX CONCURRENTLY left: an invalid index is dropped, a valid one means
// that the statement was done.
func clearIndex(ctx context.Context, conn *pgx.Conn, statement string) (done bool, err error) {
	name := sqltext.ConcurrentIndex(statement)
	if name == "" {
		return false, nil
	}
	var index string
	err = conn.QueryRow(ctx, "SELECT indexrelid::regclass::text, indisvalid FROM pg_index WHERE indexrelid = to_regclass($1)", name).Scan(&index, &done)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	if err != nil || done {
		return done, err //nolint:wrapcheck // the caller adds file and place
	}
	_, err = conn.Exec(ctx, "DROP INDEX "+index) // regclass quotes by itself
	return false, err                            //nolint:wrapcheck // the caller adds file and place
}

// isDone reports whether the server's refusal says that a killed run had done the statement: what it creates exists,
// what it drops does not.
func isDone(statement string, err error) bool {
	words := sqltext.Words(statement)
	switch code(err) {
	case "42P04", "42710": // duplicate database, duplicate object
		return words[0] == "CREATE"
	case "3D000", "42704", "42P01": // no such database, object, table or index
		return words[0] == "DROP" || words[0] == "ALTER" && words[1] == "TABLE"
	}
	return false
}
