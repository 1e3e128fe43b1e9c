package scratch_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"plattr.dev/plattr/internal/migrate"
	"plattr.dev/plattr/internal/testutil"
	"plattr.dev/plattr/localdev/scratch"
)

// TestMain lets the test binary be the process that a test kills.
func TestMain(m *testing.M) {
	if os.Getenv("SCRATCH_TEST_ADMIN") != "" {
		os.Exit(child())
	}
	os.Exit(m.Run())
}

// app is an application as `plattr dev` leaves it: everything made by the administrator, who is no superuser.
type app struct {
	t       testing.TB
	pg      *testutil.PostgresServer
	name    string
	options scratch.Options
	root    string
	fills   int
}

func newApp(t testing.TB, migrations, rows int) *app {
	t.Helper()
	pg := testutil.Postgres(t)
	name := testutil.Unique("scr")
	a := &app{t: t, pg: pg, name: name, root: t.TempDir()}
	admin := pg.Connect(t, pg.AdminURL("postgres"))
	for _, role := range []string{"_app LOGIN PASSWORD 'secret'", "_anon NOLOGIN", "_rest LOGIN NOINHERIT PASSWORD 'secret'"} {
		do(t, admin, "CREATE ROLE "+name+role)
	}
	do(t, admin, "GRANT "+name+"_app TO plattr_admin WITH INHERIT TRUE, SET TRUE", "GRANT "+name+"_rest TO plattr_admin WITH INHERIT TRUE, SET TRUE",
		"GRANT "+name+"_anon TO plattr_admin WITH INHERIT TRUE, SET TRUE", "GRANT "+name+"_anon TO "+name+"_rest",
		"CREATE DATABASE "+name, "COMMENT ON DATABASE "+name+" IS 'plattr:owner=it''s \\ ours'",
		"REVOKE ALL ON DATABASE "+name+" FROM PUBLIC", "GRANT CONNECT ON DATABASE "+name+" TO "+name+"_app, "+name+"_rest",
		"ALTER ROLE "+name+"_app IN DATABASE "+name+" SET search_path = shop, \"$user\", extensions",
		"ALTER DATABASE "+name+" SET statement_timeout = '1min'")
	inside := pg.Connect(t, pg.AdminURL(name))
	do(t, inside, "CREATE SCHEMA extensions", "CREATE SCHEMA shop AUTHORIZATION "+name+"_app", "CREATE SCHEMA shop_migrations AUTHORIZATION "+name+"_app",
		"GRANT USAGE ON SCHEMA shop TO "+name+"_anon", "ALTER DEFAULT PRIVILEGES FOR ROLE "+name+"_app IN SCHEMA shop GRANT SELECT ON TABLES TO "+name+"_anon")
	_ = inside.Close(t.Context())
	super := pg.Connect(t, pg.SuperURL(name))
	do(t, super, `CREATE FUNCTION public.notify_ddl() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN NOTIFY pgrst_shop, 'reload schema'; END $$`,
		"CREATE EVENT TRIGGER pgrst_ddl ON ddl_command_end EXECUTE FUNCTION public.notify_ddl()")
	_ = super.Close(t.Context())
	a.options = scratch.Options{
		AdminURL: pg.AdminURL("postgres"), Database: name, Template: name + "_tpl", Schema: "shop", MigrationsSchema: "shop_migrations",
		Fill: a.fill, Key: "1",
	}
	for i := range migrations {
		a.write(fmt.Sprintf("migrations/%02d.sql", i), fmt.Sprintf("create table t%d (id bigint generated always as identity primary key, name text not null); create index on t%d (name);", i, i))
	}
	a.write("seeds/1.sql", fmt.Sprintf("insert into t0 (name) select 'row ' || i from generate_series(1, %d) i;", rows))
	t.Cleanup(a.remove)
	return a
}

func (a *app) write(name, text string) {
	a.t.Helper()
	path := filepath.Join(a.root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		a.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		a.t.Fatal(err)
	}
}

func (a *app) url(database string) string { return a.pg.URL(a.name+"_app", "secret", database) }

func (a *app) fill(ctx context.Context, database string) error {
	a.fills++
	return fill(ctx, a.url(database), a.root)
}

func fill(ctx context.Context, url, root string) error {
	o := migrate.Options{URL: url, Schema: "shop", MigrationsSchema: "shop_migrations", Root: root, Path: "migrations"}
	runner, err := migrate.New(migrate.Raw, o)
	if err != nil {
		return err
	}
	if _, err := runner.Up(ctx); err != nil {
		return err
	}
	o.Path = "seeds"
	_, err = migrate.Seed(ctx, o)
	return err
}

// remove leaves the server as it was, and fails if something of the application cannot be found by its names.
func (a *app) remove() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := scratch.Remove(ctx, a.options); err != nil {
		a.t.Error(err)
	}
	if err := scratch.Drop(ctx, a.options.AdminURL, a.name); err != nil {
		a.t.Error(err)
	}
	conn, err := pgx.Connect(ctx, a.options.AdminURL)
	if err != nil {
		a.t.Error(err)
		return
	}
	defer func() { _ = conn.Close(ctx) }()
	for _, role := range []string{"_rest", "_anon", "_app"} {
		if _, err := conn.Exec(ctx, "DROP ROLE "+a.name+role); err != nil {
			a.t.Error(err)
		}
	}
}

func do(t testing.TB, conn *pgx.Conn, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := conn.Exec(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// ask runs a query of one text in a database, as the superuser.
func (a *app) ask(database, sql string) string {
	a.t.Helper()
	conn, err := pgx.Connect(a.t.Context(), a.pg.SuperURL(database))
	if err != nil {
		a.t.Fatal(err)
	}
	defer func() { _ = conn.Close(a.t.Context()) }()
	var out string
	if err := conn.QueryRow(a.t.Context(), "SELECT coalesce(string_agg(x::text, E'\n' ORDER BY x::text), '') FROM ("+sql+") AS q(x)").Scan(&out); err != nil {
		a.t.Fatalf("%s: %v", sql, err)
	}
	return out
}

// state is everything about the database that a reset must keep.
func (a *app) state() string {
	database := "select concat_ws(' ', pg_get_userbyid(datdba), datallowconn, datconnlimit, shobj_description(oid, 'pg_database'), datacl::text) from pg_database where datname = '" + a.name + "'"
	settings := "select concat_ws(' ', setrole::regrole, setconfig::text) from pg_db_role_setting where setdatabase = (select oid from pg_database where datname = '" + a.name + "')"
	rights := "select concat_ws(' ', nspname, pg_get_userbyid(nspowner), nspacl::text) from pg_namespace where nspname ~ '^(shop|public|ext)' union all select defaclacl::text from pg_default_acl union all select evtname::text from pg_event_trigger"
	return a.ask("postgres", database) + "\n" + a.ask("postgres", settings) + "\n" + a.ask(a.name, rights)
}

func (a *app) reset() scratch.Result {
	a.t.Helper()
	result, err := scratch.Reset(a.t.Context(), a.options)
	if err != nil {
		a.t.Fatal(err)
	}
	return result
}

func TestResetClonesTheTemplate(t *testing.T) {
	t.Parallel()
	a := newApp(t, 2, 5)
	before := a.state()
	conn := a.pg.Connect(t, a.url(a.name))
	do(t, conn, "create table mine ()", "create view v as select 1", "create type c as (a int)", "create domain d as int")
	if result := a.reset(); !result.Rebuilt || a.fills != 1 {
		t.Errorf("first reset: %+v, %d fills", result, a.fills)
	}
	if err := conn.Ping(t.Context()); err == nil {
		t.Error("a connection from before the reset lives")
	}
	if diff := cmp.Diff(before, a.state()); diff != "" {
		t.Errorf("the reset changed the database:\n%s", diff)
	}
	if got := a.ask(a.name, "select relname from pg_class where relnamespace = 'shop'::regnamespace and relkind in ('r', 'v')"); got != "t0\nt1" {
		t.Errorf("relations are %q", got)
	}
	if got := a.ask(a.name, "select has_table_privilege('"+a.name+"_anon', 'shop.t0', 'select')"); got != "true" {
		t.Error("the REST role lost its rights")
	}
	conn = a.pg.Connect(t, a.url(a.name))
	do(t, conn, "delete from t0", "insert into t0 (name) values ('x')")
	if result := a.reset(); result.Rebuilt || a.fills != 1 {
		t.Errorf("second reset: %+v, %d fills", result, a.fills)
	}
	if got := a.ask(a.name, "select count(*) from shop.t0"); got != "5" {
		t.Errorf("%s rows", got)
	}
	if got := a.ask("postgres", "select datallowconn from pg_database where datname = '"+a.name+"_tpl'"); got != "false" {
		t.Error("the template takes connections")
	}
	if got := a.ask("postgres", "select datname from pg_database where datname ~ '^plattr_(new|old|tpl)'"); got != "" && !strings.Contains(got, "_") {
		t.Errorf("databases %s are left", got)
	}
}

func TestTemplateFollowsWhatItIsMadeFrom(t *testing.T) {
	t.Parallel()
	a := newApp(t, 1, 1)
	a.reset()
	a.write("seeds/1.sql", "insert into t0 (name) values ('a'), ('b');")
	a.options.Key = "2"
	if result := a.reset(); !result.Rebuilt || a.ask(a.name, "select count(*) from shop.t0") != "2" {
		t.Error("another key made no other template")
	}
	admin := a.pg.Connect(t, a.pg.AdminURL(a.name))
	do(t, admin, "ALTER DEFAULT PRIVILEGES FOR ROLE "+a.name+"_app IN SCHEMA shop GRANT INSERT ON TABLES TO "+a.name+"_anon")
	if result := a.reset(); !result.Rebuilt || a.ask(a.name, "select has_table_privilege('"+a.name+"_anon', 'shop.t0', 'insert')") != "true" {
		t.Error("other rights made no other template")
	}
	if result := a.reset(); result.Rebuilt {
		t.Error("nothing changed, and the template was made anew")
	}
	a.write("seeds/1.sql", "insert into missing values (1);")
	a.options.Key = "3"
	if _, err := scratch.Reset(t.Context(), a.options); err == nil || !strings.Contains(err.Error(), "seeds/1.sql:1:13: statement 1 of 1") {
		t.Errorf("error is %v", err)
	}
	if got := a.ask(a.name, "select count(*) from shop.t0"); got != "2" {
		t.Error("a failed reset changed the database")
	}
}

func TestTemplateOfSomebodyElseIsLeftAlone(t *testing.T) {
	t.Parallel()
	a := newApp(t, 1, 1)
	admin := a.pg.Connect(t, a.options.AdminURL)
	do(t, admin, "CREATE DATABASE "+a.name+"_tpl")
	for what, run := range map[string]func() error{
		"reset":  func() error { _, err := scratch.Reset(t.Context(), a.options); return err },
		"remove": func() error { return scratch.Remove(t.Context(), a.options) },
	} {
		if err := run(); err == nil || !strings.Contains(err.Error(), "exists and is not the template of "+a.name) {
			t.Errorf("%s: error is %v", what, err)
		}
	}
	do(t, admin, "DROP DATABASE "+a.name+"_tpl")
	missing := a.options
	missing.Database = a.name + "_no"
	var none *scratch.NoDatabaseError
	if _, err := scratch.Reset(t.Context(), missing); !errors.As(err, &none) {
		t.Errorf("without a database: %v", err)
	}
}

func TestClone(t *testing.T) {
	t.Parallel()
	a := newApp(t, 1, 3)
	a.reset()
	name := a.name + "_scratch"
	if err := scratch.Clone(t.Context(), a.options, name); err != nil {
		t.Fatal(err)
	}
	conn := a.pg.Connect(t, a.url(name))
	do(t, conn, "delete from t0")
	if got := a.ask(a.name, "select count(*) from shop.t0"); got != "3" {
		t.Errorf("%s rows in the application's database", got)
	}
	if err := scratch.Drop(t.Context(), a.options.AdminURL, name); err != nil {
		t.Error(err)
	}
}

func TestKilledReset(t *testing.T) {
	t.Parallel()
	a := newApp(t, 3, 200)
	before := a.state()
	kills, done := 0, 0
	for i := range 40 {
		cmd := osexec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), "SCRATCH_TEST_ADMIN="+a.options.AdminURL, "SCRATCH_TEST_APP="+a.pg.URL(a.name+"_app", "secret", "@"),
			"SCRATCH_TEST_NAME="+a.name, "SCRATCH_TEST_ROOT="+a.root, fmt.Sprintf("SCRATCH_TEST_KEY=%d", i/4))
		var out strings.Builder
		cmd.Stderr = &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(time.Duration(10+(i*67)%700)*time.Millisecond, func() { _ = cmd.Process.Kill() })
		err := cmd.Wait()
		timer.Stop()
		switch {
		case err == nil:
			done++
		case cmd.ProcessState.Exited():
			t.Fatalf("a run after a kill failed: %v\n%s", err, out.String())
		default:
			kills++
		}
	}
	t.Logf("%d runs killed, %d done", kills, done)
	a.reset()
	if diff := cmp.Diff(before, a.state()); diff != "" {
		t.Errorf("the database is not what it was:\n%s", diff)
	}
	if got := a.ask(a.name, "select count(*) from shop.t0"); got != "200" {
		t.Errorf("%s rows", got)
	}
	if got := a.ask("postgres", "select datname from pg_database where datname ~ '"+a.name+"'"); got != a.name+"\n"+a.name+"_tpl" {
		t.Errorf("databases are %q", got)
	}
}

func child() int {
	name := os.Getenv("SCRATCH_TEST_NAME")
	_, err := scratch.Reset(context.Background(), scratch.Options{
		AdminURL: os.Getenv("SCRATCH_TEST_ADMIN"), Database: name, Template: name + "_tpl", Schema: "shop", MigrationsSchema: "shop_migrations",
		Key: os.Getenv("SCRATCH_TEST_KEY"),
		Fill: func(ctx context.Context, database string) error {
			return fill(ctx, strings.Replace(os.Getenv("SCRATCH_TEST_APP"), "/@?", "/"+database+"?", 1), os.Getenv("SCRATCH_TEST_ROOT"))
		},
	})
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func TestKey(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	key := func(engine string) string {
		k, err := scratch.Key(engine, filepath.Join(root, "migrations"), filepath.Join(root, "seed.sql"))
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	write := func(name, text string) {
		path := filepath.Join(root, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	seen := map[string]string{key("raw"): "empty"}
	for _, step := range []struct{ name, text string }{{"migrations/1.sql", "a"}, {"migrations/1.sql", "b"}, {"seed.sql", "a"}, {"migrations/deep/2.sql", ""}} {
		write(step.name, step.text)
		k := key("raw")
		if old, ok := seen[k]; ok {
			t.Errorf("%v gives the key of %s", step, old)
		}
		seen[k] = step.name
	}
	if _, same := seen[key("raw")]; !same || key("raw") == key("goose") {
		t.Error("the key does not follow engine and files alone")
	}
}

// BenchmarkReset is the figure of db reset: 10 migrations, 1,000 rows.
func BenchmarkReset(b *testing.B) {
	a := newApp(b, 10, 1000)
	a.reset()
	for b.Loop() {
		a.reset()
	}
}
