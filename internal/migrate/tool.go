package migrate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"plattr.dev/plattr/internal/sqlshell/libpq"
)

// toolGrace is how long a cancelled tool may take to end by itself.
const toolGrace = 10 * time.Second

// tool is a migration program of the project.
type tool struct {
	name Engine
	argv []string
	// needs is what must be there, relative to the project, before argv makes sense; install puts it there.
	needs, install string
	// table and column hold the names of what ran; tables are looked for in the migrations schema, then the app's.
	table, column, where string
	// file matches the migrations in the directory; its first group is the name that the column has.
	file *regexp.Regexp
}

// tools is a function, so that nothing is shared.
func tools() map[Engine]tool {
	return map[Engine]tool{
		Knex: {
			name: Knex, argv: []string{"npx", "--no-install", "knex", "migrate:latest"},
			needs: "node_modules/.bin/knex", install: "npm install",
			table: "knex_migrations", column: "name", where: "true",
			file: regexp.MustCompile(`^(.+\.(?:js|cjs|mjs|ts|cts|mts|coffee))$`),
		},
		Prisma: {
			name: Prisma, argv: []string{"npx", "--no-install", "prisma", "migrate", "deploy"},
			needs: "node_modules/.bin/prisma", install: "npm install",
			table: "_prisma_migrations", column: "migration_name", where: "finished_at IS NOT NULL AND rolled_back_at IS NULL",
			file: regexp.MustCompile(`^([0-9]+_[^.]*)$`),
		},
		Rails: {
			name: Rails, argv: []string{"bin/rails", "db:migrate"},
			needs: "bin/rails", install: "bundle install",
			table: "schema_migrations", column: "version", where: "true",
			file: regexp.MustCompile(`^([0-9]+)_.+\.rb$`),
		},
	}
}

// toolRunner runs the project's own tool, under the same lock as the other engines.
type toolRunner struct {
	Options
	tool tool
}

// Status implements Runner.
func (r *toolRunner) Status(ctx context.Context) (Status, error) {
	conn, err := r.connect(ctx)
	if err != nil {
		return Status{}, err
	}
	defer libpq.Close(conn)
	names, _, err := r.applied(ctx, conn)
	if err != nil {
		return Status{}, err
	}
	files, err := r.files()
	if err != nil {
		return Status{}, err
	}
	status := Status{Engine: r.tool.name, Migrations: []State{}}
	for _, name := range names {
		s := State{Name: name, State: StateApplied}
		if !slices.Contains(files, name) {
			s.State = StateMissing
		}
		status.Migrations = append(status.Migrations, s)
		status.Head = name
	}
	for _, name := range files {
		if !slices.Contains(names, name) {
			status.Migrations = append(status.Migrations, State{Name: name, State: StatePending})
		}
	}
	return status, nil
}

// Up implements Runner.
func (r *toolRunner) Up(ctx context.Context) (Result, error) {
	result := Result{Engine: r.tool.name, Applied: []Applied{}}
	if _, err := os.Stat(filepath.Join(r.Root, r.tool.needs)); err != nil {
		return result, fmt.Errorf("%s is not there: run `%s` in %s first", r.tool.needs, r.tool.install, r.Root)
	}
	conn, err := r.connect(ctx)
	if err != nil {
		return result, err
	}
	defer libpq.Close(conn)
	if err := r.lock(ctx, conn); err != nil {
		return result, err
	}
	before, _, err := r.applied(ctx, conn)
	if err != nil {
		return result, err
	}
	if r.tool.name == Knex {
		if err := r.freeKnexLock(ctx, conn); err != nil {
			return result, err
		}
	}
	r.Progress(strings.Join(r.tool.argv, " "))
	begun := time.Now()
	runErr := r.run(ctx)
	if ctx.Err() != nil {
		return result, errors.Join(runErr, ctx.Err())
	}
	after, schema, err := r.applied(ctx, conn)
	if err != nil {
		return result, errors.Join(runErr, err)
	}
	result.note(before, after, time.Since(begun))
	if runErr != nil {
		return result, runErr
	}
	result.Warnings, err = viewWarnings(ctx, conn, r.Schema)
	if schema == r.Schema {
		result.Warnings = append(result.Warnings, r.servedWarning())
	}
	return result, err
}

func (result *Result) note(before, after []string, took time.Duration) {
	result.Already = len(before)
	for _, name := range after {
		if !slices.Contains(before, name) {
			result.Applied = append(result.Applied, Applied{Name: name})
		}
		result.Head = name
	}
	if len(result.Applied) == 1 {
		result.Applied[0].Duration, result.Applied[0].Milliseconds = took, took.Milliseconds()
	}
}

// servedWarning says that a tool keeps its record where the REST API serves it.
func (r *toolRunner) servedWarning() string {
	text := fmt.Sprintf("table %s is in schema %s, which the REST API serves", r.tool.table, r.Schema)
	if r.tool.name == Knex {
		return text + ": set migrations.schemaName to process.env.DATABASE_MIGRATIONS_SCHEMA in the knexfile"
	}
	return text + fmt.Sprintf(": a migration may revoke the REST roles' rights on it (REVOKE ALL ON %s FROM ...)", r.tool.table)
}

// run starts the tool and waits for it. Secrets go by the environment only.
func (r *toolRunner) run(ctx context.Context) error {
	argv := slices.Clone(r.tool.argv)
	if !strings.Contains(argv[0], "/") {
		path, err := exec.LookPath(argv[0])
		if err != nil {
			return fmt.Errorf("%s migrations need %s: %w", r.tool.name, argv[0], err)
		}
		argv[0] = path
	}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...) //nolint:gosec // a fixed list
	cmd.Dir, cmd.Stdout, cmd.Stderr = r.Root, r.Stdout, r.Stderr
	cmd.Env = r.environment()
	// A group of its own: npx starts a shell that starts node, and all of them are to end.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = toolGrace
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &exit) && exit.ExitCode() > 0:
		return &ExitError{Tool: strings.Join(r.tool.argv, " "), Code: exit.ExitCode()}
	}
	return fmt.Errorf("%s: %w", strings.Join(r.tool.argv, " "), err)
}

func (r *toolRunner) environment() []string {
	env := append(os.Environ(), r.Env...) // the last of a name counts
	for _, pair := range [][2]string{
		{"DATABASE_URL", r.URL}, {"DATABASE_SCHEMA", r.Schema}, {"DATABASE_MIGRATIONS_SCHEMA", r.MigrationsSchema},
	} {
		given := slices.ContainsFunc(r.Env, func(v string) bool { return strings.HasPrefix(v, pair[0]+"=") })
		if !given {
			env = append(env, pair[0]+"="+pair[1])
		}
	}
	return append(env, "PGAPPNAME=plattr "+string(r.tool.name))
}

// applied reads the tool's own table: the names in the order in which they ran, and the schema that has the table.
func (r *toolRunner) applied(ctx context.Context, conn *pgx.Conn) (names []string, schema string, err error) {
	for _, schema := range []string{r.MigrationsSchema, r.Schema} {
		rows, err := conn.Query(ctx, fmt.Sprintf("SELECT %s::text FROM %s WHERE %s ORDER BY 1",
			r.tool.column, pgx.Identifier{schema, r.tool.table}.Sanitize(), r.tool.where))
		if err == nil {
			names, err = pgx.CollectRows(rows, pgx.RowTo[string])
		}
		if noTable(err) {
			continue
		}
		if err != nil {
			return nil, "", fmt.Errorf("read %s.%s: %w", schema, r.tool.table, err)
		}
		return names, schema, nil
	}
	return nil, "", nil
}

// files lists the names of the project's migrations, as the tool's table has them.
func (r *toolRunner) files() ([]string, error) {
	entries, err := os.ReadDir(r.directory())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the migrations: %w", err)
	}
	var names []string
	for _, entry := range entries {
		if m := r.tool.file.FindStringSubmatch(entry.Name()); m != nil {
			names = append(names, m[1])
		}
	}
	return names, nil
}

// A connection that has just ended stays in the server's list for a moment.
const (
	endingTries = 20
	endingPause = 100 * time.Millisecond
)

// freeKnexLock frees the row by which knex locks itself, if its holder is dead: under our lock no other plattr runs
// knex, and knex keeps a connection open while it runs, so a database without another connection of the role has none.
func (r *toolRunner) freeKnexLock(ctx context.Context, conn *pgx.Conn) error {
	for _, schema := range []string{r.MigrationsSchema, r.Schema} {
		table := pgx.Identifier{schema, "knex_migrations_lock"}.Sanitize()
		for range endingTries {
			freed, held, err := freeIfAlone(ctx, conn, table)
			if noTable(err) {
				break
			}
			if err != nil {
				return err
			}
			if freed {
				r.Progress("freed knex's lock: the run that held it is gone")
			}
			if !held {
				return nil
			}
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-time.After(endingPause):
			}
		}
	}
	return nil
}

// freeIfAlone frees knex's lock where no other session of the role is in the database; held says that it is still taken.
func freeIfAlone(ctx context.Context, conn *pgx.Conn, table string) (freed, held bool, err error) {
	tag, err := conn.Exec(ctx, "UPDATE "+table+` SET is_locked = 0
		WHERE is_locked = 1 AND NOT EXISTS (SELECT FROM pg_stat_activity
			WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid())`)
	if err == nil {
		err = conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM "+table+" WHERE is_locked = 1)").Scan(&held)
	}
	if err != nil {
		err = fmt.Errorf("look at knex's lock: %w", err)
	}
	return tag.RowsAffected() > 0, held, err
}
