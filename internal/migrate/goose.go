package migrate

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"plattr.dev/plattr/internal/sqlshell/libpq"
)

// gooseTable is goose's own table of versions, in the migrations schema: the stock goose continues on it.
const gooseTable = "goose_db_version"

// gooseRunner runs goose as a library. Beside goose's table it keeps ours: for the checksums, which goose does not know,
// and for files without a transaction, which goose would begin again at their first statement.
type gooseRunner struct{ Options }

// gooseFile is a file with its version.
type gooseFile struct {
	file
	version int64
}

// Status implements Runner.
func (g *gooseRunner) Status(ctx context.Context) (Status, error) {
	files, err := g.load()
	if err != nil {
		return Status{}, err
	}
	conn, err := g.connect(ctx)
	if err != nil {
		return Status{}, err
	}
	defer libpq.Close(conn)
	records, err := g.records(ctx, ledger{g.MigrationsSchema, conn}, files)
	if err != nil {
		return Status{}, err
	}
	all := states(plain(files), records)
	return Status{Engine: Goose, Head: headOf(all), Migrations: all}, nil
}

// Up implements Runner.
func (g *gooseRunner) Up(ctx context.Context) (Result, error) {
	result := Result{Engine: Goose, Applied: []Applied{}}
	files, err := g.load()
	if err != nil {
		return result, err
	}
	conn, err := g.connect(ctx)
	if err != nil {
		return result, err
	}
	defer libpq.Close(conn)
	if err := g.lock(ctx, conn); err != nil {
		return result, err
	}
	book := ledger{g.MigrationsSchema, conn}
	records, err := g.records(ctx, book, files)
	if err != nil {
		return result, err
	}
	todo, err := compare(plain(files), records)
	if err == nil {
		todo, err = stopAt(todo, plain(files), g.To)
	}
	if err != nil {
		return result, err
	}
	result.Already = len(records) - halfDone(records)
	result.Head = headOf(states(plain(files), records))
	if len(files) == 0 {
		g.Progress("no migrations in " + shownPath(g.Root, g.directory()))
	}
	if len(todo) > 0 {
		if err := g.up(ctx, book, files, todo, records, &result); err != nil {
			return result, err
		}
	}
	result.Warnings, err = viewWarnings(ctx, conn, g.Schema)
	return result, err
}

// up lets goose run what is to do, and records checksums of what it ran, also when it failed.
func (g *gooseRunner) up(ctx context.Context, book ledger, files []gooseFile, todo []pending, records []record, result *Result) error {
	if err := book.create(ctx); err != nil {
		return err
	}
	config, err := g.config()
	if err != nil {
		return err
	}
	failed := &failedQuery{}
	config.Tracer = failed
	db := stdlib.OpenDB(*config)
	defer func() { _ = db.Close() }()
	options := []goose.ProviderOption{
		goose.WithTableName(g.MigrationsSchema + "." + gooseTable), // both need no quotes: New looked
		goose.WithDisableGlobalRegistry(true),
	}
	for _, p := range todo {
		if !gooseUp.MatchString(p.file.script) {
			return &FileError{File: p.file.shown, Line: 1, Column: 1, Message: "goose's line `-- +goose Up` is missing"}
		}
		g.Progress("migration " + p.file.name)
	}
	stepwiseOptions, err := g.stepwise(book, files, todo, records)
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, os.DirFS(g.directory()), append(options, stepwiseOptions...)...)
	if err != nil {
		return fmt.Errorf("goose: %w", err)
	}
	last := files[slices.IndexFunc(files, func(f gooseFile) bool { return f.name == todo[len(todo)-1].file.name })]
	ran, err := provider.UpTo(ctx, last.version)
	var partial *goose.PartialError
	if errors.As(err, &partial) {
		ran = partial.Applied
		err = g.failure(files, partial, failed)
	} else if err != nil {
		err = fmt.Errorf("goose: %w", err)
	}
	return errors.Join(err, g.record(ctx, book, files, ran, result))
}

// record writes the checksums of what ran, in a context of its own: they are wanted after a cancelled run too. Killed
// before it, the next run takes the files as they are then.
func (g *gooseRunner) record(ctx context.Context, book ledger, files []gooseFile, ran []*goose.MigrationResult, result *Result) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanGrace)
	defer cancel()
	for _, r := range ran {
		f := files[slices.IndexFunc(files, func(f gooseFile) bool { return f.version == r.Source.Version })]
		result.Applied = append(result.Applied, Applied{Name: f.name, Duration: r.Duration, Milliseconds: r.Duration.Milliseconds()})
		result.Head = f.name
		if book.conn.IsClosed() {
			continue
		}
		if err := book.finished(ctx, f.file, r.Duration); err != nil {
			return err
		}
	}
	return nil
}

// stepwise takes the files without a transaction out of goose's hands, so that a failed or killed one continues.
func (g *gooseRunner) stepwise(book ledger, files []gooseFile, todo []pending, records []record) ([]goose.ProviderOption, error) {
	var options []goose.ProviderOption
	for _, p := range todo {
		up, ok := upSection(p.file.script)
		if !ok {
			continue
		}
		text := p.file
		text.script = up
		resumed := pending{file: text, from: p.from, begun: p.begun}
		if err := resumed.prepare(records); err != nil {
			return nil, err
		}
		at := slices.IndexFunc(files, func(f gooseFile) bool { return f.name == p.file.name })
		options = append(options, goose.WithExcludeNames([]string{p.file.name}), goose.WithGoMigrations(goose.NewGoMigration(
			files[at].version, &goose.GoFunc{RunDB: func(ctx context.Context, _ *sql.DB) error {
				return errors.Join(stepwise(ctx, book, resumed), resetSession(ctx, book.conn))
			}}, nil)))
	}
	return options, nil
}

func plain(files []gooseFile) []file {
	out := make([]file, 0, len(files))
	for _, f := range files {
		out = append(out, f.file)
	}
	return out
}

// records joins goose's versions with our checksums. Goose's table decides what ran: what the stock goose applied has no
// checksum of ours yet and is taken as it is; what it undid is forgotten.
func (g *gooseRunner) records(ctx context.Context, book ledger, files []gooseFile) ([]record, error) {
	known, err := book.read(ctx)
	if err != nil {
		return nil, err
	}
	versions, err := g.versions(ctx, book.conn)
	if err != nil {
		return nil, err
	}
	var records []record
	for _, r := range known {
		version, err := goose.NumericComponent(r.Name)
		if err != nil {
			continue
		}
		if _, ran := versions[version]; !ran && r.AppliedAt != nil {
			if r.Statements == 0 {
				continue // undone
			}
			// A stepwise file that ran whole, of which goose does not know yet: it runs, and does nothing.
			r.AppliedAt, r.Done = nil, r.Statements
		}
		records = append(records, r)
		delete(versions, version)
	}
	for _, f := range files {
		if at, ran := versions[f.version]; ran {
			records = append(records, record{Name: f.name, Checksum: f.checksum, AppliedAt: &at})
		}
	}
	return records, nil
}

// versions reads goose's table: the versions that are applied, and since when.
func (g *gooseRunner) versions(ctx context.Context, conn *pgx.Conn) (map[int64]time.Time, error) {
	applied := map[int64]time.Time{}
	rows, err := conn.Query(ctx, "SELECT DISTINCT ON (version_id) version_id, tstamp::timestamptz, is_applied FROM "+
		pgx.Identifier{g.MigrationsSchema, gooseTable}.Sanitize()+" WHERE version_id > 0 ORDER BY version_id, id DESC")
	if err == nil {
		var version int64
		var at time.Time
		var is bool
		_, err = pgx.ForEachRow(rows, []any{&version, &at, &is}, func() error {
			if is {
				applied[version] = at
			}
			return nil
		})
	}
	if noTable(err) {
		return applied, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read goose's versions: %w", err)
	}
	return applied, nil
}
