package migrate_test

import (
	"errors"
	"io"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"plattr.dev/plattr/internal/migrate"
	"plattr.dev/plattr/internal/testutil"
)

// program writes a shell script into the project.
func (f *fixture) program(name, text string) {
	f.t.Helper()
	f.write(map[string]string{name: "#!/bin/sh\n" + text})
	if err := os.Chmod(filepath.Join(f.options.Root, name), 0o755); err != nil {
		f.t.Fatal(err)
	}
}

// Prisma and Rails cannot be installed everywhere that this test runs. What is tested is how they are called: a script
// in their place notes arguments and environment and does to the database what they would do.
func TestToolsAreCalledRight(t *testing.T) {
	psql, err := osexec.LookPath("psql")
	testutil.Require(t, err == nil, "psql is not here: it does the work of the replaced tools")
	cases := map[string]struct {
		reason              string
		engine              migrate.Engine
		program, needs      string
		arguments, work     string
		pending, applied    string
		migration, database string
	}{
		"Prisma": {
			reason: "Prisma's own URL is passed as it is.", engine: migrate.Prisma, program: "bin/npx", needs: "node_modules/.bin/prisma",
			arguments: "--no-install prisma migrate deploy", database: "postgres://given/by?schema=shop", migration: "migrations/20250101_init/migration.sql",
			work:    "create table _prisma_migrations (migration_name text, finished_at timestamptz, rolled_back_at timestamptz); insert into _prisma_migrations values ('20250101_init', now(), null), ('20250102_bad', null, null)",
			pending: "20250101_init=pending", applied: "20250101_init",
		},
		"Rails": {
			reason: "Without a URL of its own the tool gets that of the application's role.", engine: migrate.Rails, program: "bin/rails", needs: "bin/rails",
			arguments: "db:migrate", migration: "migrations/20250101000000_create_items.rb",
			work:    "create table schema_migrations (version text); insert into schema_migrations values ('20250101000000')",
			pending: "20250101000000=pending", applied: "20250101000000",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.write(map[string]string{c.migration: "x"})
			f.failure(c.engine, c.needs+" is not there: run `")
			f.write(map[string]string{c.needs: "x"})
			f.program(c.program, `echo "$*" > arguments; echo "$DATABASE_URL $DATABASE_SCHEMA $DATABASE_MIGRATIONS_SCHEMA" > environment
echo shown; echo told >&2
`+psql+` -q -v ON_ERROR_STOP=1 "$TEST_URL" -c "`+c.work+`"`)
			t.Setenv("PATH", filepath.Join(f.options.Root, "bin")+":"+os.Getenv("PATH"))
			var out, errOut strings.Builder
			f.options.Stdout, f.options.Stderr = &out, &errOut
			f.options.Env = []string{"TEST_URL=" + f.options.URL}
			want := f.options.URL
			if c.database != "" {
				f.options.Env, want = append(f.options.Env, "DATABASE_URL="+c.database), c.database
			}
			if got := f.states(c.engine); got != c.pending {
				t.Errorf("before: %s", got)
			}
			result, err := f.up(c.engine)
			if err != nil {
				t.Fatal(err, errOut.String())
			}
			if names(result) != c.applied || result.Head != c.applied || len(result.Warnings) != 1 || !strings.Contains(result.Warnings[0], "which the REST API serves") {
				t.Errorf("%s: %+v", c.reason, result)
			}
			if got := f.states(c.engine); got != c.applied+"=applied" {
				t.Errorf("after: %s", got)
			}
			if got := f.read("arguments"); got != c.arguments+"\n" {
				t.Errorf("called with %q", got)
			}
			if got := f.read("environment"); got != want+" shop shop_migrations\n" {
				t.Errorf("%s: environment is %q", c.reason, got)
			}
			if out.String() != "shown\n" || !strings.Contains(errOut.String(), "told") {
				t.Errorf("shown %q and %q", out.String(), errOut.String())
			}
		})
	}
}

func (f *fixture) read(name string) string {
	f.t.Helper()
	raw, err := os.ReadFile(filepath.Join(f.options.Root, name))
	if err != nil {
		f.t.Fatal(err)
	}
	return string(raw)
}

func TestToolsExitCodeIsKept(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.program("bin/rails", "exit 17")
	var exit *migrate.ExitError
	if err := f.failure(migrate.Rails, "bin/rails db:migrate ended with exit code 17"); !errors.As(err, &exit) || exit.Code != 17 {
		t.Errorf("%+v", exit)
	}
	f.options.To = "1"
	if _, err := migrate.New(migrate.Rails, f.options); err == nil {
		t.Error("rails cannot stop half-way")
	}
}

// notes is the example application with its packages installed, in a copy.
func notes(t *testing.T, f *fixture) {
	t.Helper()
	npm, err := osexec.LookPath("npm")
	testutil.Require(t, err == nil, "npm is not here")
	if err := os.CopyFS(f.options.Root, os.DirFS("../../testdata/apps/notes")); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(f.options.Root, "node_modules")); err == nil {
		return // installed in the repository
	}
	cmd := osexec.CommandContext(t.Context(), npm, "ci", "--prefer-offline", "--no-audit", "--no-fund", "--ignore-scripts")
	cmd.Dir = f.options.Root
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	testutil.Require(t, err == nil, "npm cannot install knex: "+string(out))
}

func TestKnex(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	notes(t, f)
	if got := f.states(migrate.Knex); got != "20250101000000_note.js=pending 20250102000000_tags.js=pending" {
		t.Error(got)
	}
	result, err := f.up(migrate.Knex)
	if err != nil || names(result) != "20250101000000_note.js 20250102000000_tags.js" || len(result.Warnings) != 0 {
		t.Fatalf("%+v, %v", result, err)
	}
	if got := f.query("select relname from pg_class where relkind = 'r' and relnamespace = 'shop'::regnamespace"); got != "note" {
		t.Errorf("the served schema has %s", got)
	}
	seeds := f.options
	seeds.Path = "seeds"
	for range 2 {
		if _, err := migrate.Seed(t.Context(), seeds); err != nil {
			t.Fatal(err)
		}
	}
	if got := f.query("select count(*) from note"); got != "2" {
		t.Errorf("%s notes", got)
	}
	// A knex that was killed leaves its lock behind; its connections are gone.
	exec(t, f.conn, "update shop_migrations.knex_migrations_lock set is_locked = 1")
	f.write(map[string]string{"migrations/20250103000000_bad.js": "exports.up = (knex) => knex.raw('select missing'); exports.down = () => {};"})
	_ = f.conn.Close(t.Context())
	var shown strings.Builder
	f.options.Stdout, f.options.Stderr = &shown, &shown
	var exit *migrate.ExitError
	if err := f.failure(migrate.Knex, "npx --no-install knex migrate:latest ended with exit code 1"); !errors.As(err, &exit) {
		t.Errorf("error is %v", err)
	}
	if !strings.Contains(shown.String(), `column "missing" does not exist`) || !f.notices.has("freed knex's lock") {
		t.Errorf("knex said %s; we said %q", shown.String(), f.notices.all)
	}
	if strings.Contains(shown.String(), "pässwörd") {
		t.Error("the password was shown")
	}
	f.options.Stdout, f.options.Stderr = io.Discard, io.Discard
	f.conn = dial(t, f.options.URL)
	if got := f.states(migrate.Knex); got != "20250101000000_note.js=applied 20250102000000_tags.js=applied 20250103000000_bad.js=pending" {
		t.Error(got)
	}
}
