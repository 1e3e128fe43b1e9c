package database_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"plattr.dev/plattr/components/database"
	"plattr.dev/plattr/internal/testutil"
)

// leftovers counts what has an application's name on the server.
func leftovers(t testing.TB, pg *testutil.PostgresServer, name string) int {
	t.Helper()
	var n int
	err := pg.Connect(t, pg.SuperURL("postgres")).QueryRow(t.Context(), `
		SELECT (SELECT count(*) FROM pg_roles WHERE rolname LIKE $1 || '%')
			+ (SELECT count(*) FROM pg_database WHERE datname LIKE $1 || '%' OR datname LIKE 'plattr\_new\_%' AND
				shobj_description(oid, 'pg_database') LIKE '%' || $1)`, name).Scan(&n)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestLifecycle holds that a second run changes nothing, that drift is seen where it is and repaired, and that a
// destroy leaves nothing behind though sessions are open.
func TestLifecycle(t *testing.T) {
	t.Parallel()
	a := newApp(t, database.AnonymousRead)
	a.args.Extensions = []string{"pgcrypto"}
	a.apply()
	if d := cmp.Diff(map[string]string{}, a.applied.Drift(t)); d != "" {
		t.Errorf("a second run would change something (-want +got):\n%s", d)
	}
	n := a.args.Database
	super := a.pg.Connect(t, a.pg.SuperURL(n))
	run(t, super,
		"REVOKE USAGE ON SCHEMA "+n+" FROM "+a.args.REST.AnonRole,
		"GRANT CONNECT ON DATABASE "+n+" TO PUBLIC",
		"ALTER ROLE "+a.args.AppRole+" PASSWORD 'changed' CONNECTION LIMIT 1",
		"REVOKE "+a.args.REST.UserRole+" FROM "+a.args.REST.LoginRole+" GRANTED BY "+testutil.AdminUser,
		"DROP SCHEMA "+a.args.MigrationsSchema,
		"DROP EVENT TRIGGER plattr_notify_ddl",
		"DROP EXTENSION pgcrypto",
		"ALTER DEFAULT PRIVILEGES FOR ROLE "+a.args.AppRole+" GRANT EXECUTE ON FUNCTIONS TO PUBLIC",
	)
	want := map[string]string{
		"shop": "revision", "shop-anon-schema": "privileges", "shop-public-database": "privileges",
		"shop-app": "connectionLimit,password", "shop-rest-user": "gone", "shop-migrations": "gone",
		"shop-pgcrypto": "gone", "shop-public-later-function": "privileges",
	}
	if d := cmp.Diff(want, a.applied.Drift(t)); d != "" {
		t.Errorf("drift (-want +got):\n%s", d)
	}
	_ = super.Close(t.Context())
	a.apply()
	if d := cmp.Diff(map[string]string{}, a.applied.Drift(t)); d != "" {
		t.Errorf("not repaired (-want +got):\n%s", d)
	}
	c := a.connect()
	run(t, c, "CREATE TABLE item (id serial)", "INSERT INTO item DEFAULT VALUES", "SELECT crypt('x', gen_salt('bf'))")
	a.rest()
	a.applied.Destroy(t)
	if left := leftovers(t, a.pg, n); left > 0 {
		t.Errorf("%d things are left", left)
	}
	a.applied.Destroy(t) // what is gone already is no error
}

// TestRotation holds that another generation makes new passwords, that the old ones end, and that data and sessions
// stay.
func TestRotation(t *testing.T) {
	t.Parallel()
	a := newApp(t, database.AnonymousNone).apply()
	before, beforeRest := a.url, a.restURL
	if !strings.Contains(before, ":localdev@") {
		t.Errorf("the first password is not the initial one")
	}
	c := a.connect()
	run(t, c, "CREATE TABLE item (id serial)")
	a.args.PasswordGeneration = "1"
	a.apply()
	if a.url == before || a.restURL == beforeRest {
		t.Fatal("the passwords are the same")
	}
	run(t, a.connect(), "SELECT * FROM item")
	run(t, c, "SELECT * FROM item")
	for _, old := range []string{before, beforeRest} {
		if err := connectError(t, old); err == nil || !strings.Contains(err.Error(), "password authentication failed") {
			t.Errorf("an old password: %v", err)
		}
	}
}

func connectError(t testing.TB, url string) error {
	t.Helper()
	c, err := pgx.Connect(t.Context(), url)
	if err == nil {
		_ = c.Close(t.Context())
	}
	return err
}

// TestApart holds that applications cannot get at each other, with a database of their own and in a shared one.
func TestApart(t *testing.T) {
	t.Parallel()
	one, two := newApp(t, database.AnonymousWrite).apply(), newApp(t, database.AnonymousWrite).apply()
	run(t, two.connect(), "CREATE TABLE item (id int)")
	for _, login := range []string{one.url, one.restURL} {
		u, err := url.Parse(login)
		if err != nil {
			t.Fatal(err)
		}
		u.Path = "/" + two.args.Database
		if err := connectError(t, u.String()); err == nil || !strings.Contains(err.Error(), "permission denied for database") {
			t.Errorf("%s in the database of another: %v", u.User.Username(), err)
		}
	}

	shared := newApp(t, database.AnonymousNone).apply().args.Database
	apps := []*app{newApp(t, database.AnonymousWrite), newApp(t, database.AnonymousWrite)}
	for _, a := range apps {
		a.args.Database, a.args.OwnDatabase = shared, false
		run(t, a.apply().connect(), "CREATE TABLE item (id int)",
			"CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "CREATE TABLE "+a.args.MigrationsSchema+".record (id int)")
	}
	mine, theirs := apps[0], apps[1]
	c := mine.connect()
	for _, schema := range []string{theirs.args.Schema, theirs.args.MigrationsSchema} {
		for _, statement := range []string{
			"SELECT * FROM " + schema + ".item", "CREATE TABLE " + schema + ".x (id int)", "DROP SCHEMA " + schema + " CASCADE",
			"SELECT " + schema + ".f()", "SET ROLE " + theirs.args.AppRole, "SET ROLE " + theirs.args.REST.AnonRole,
			"CREATE SCHEMA more", "CREATE TABLE public.x (id int)", "CREATE DATABASE more", "CREATE ROLE more",
			"DROP EVENT TRIGGER plattr_notify_ddl", "CREATE FUNCTION extensions.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
		} {
			if _, err := c.Exec(t.Context(), statement); err == nil || !strings.Contains(err.Error(), "SQLSTATE 42501") &&
				!strings.Contains(err.Error(), "SQLSTATE 2BP01") {
				t.Errorf("%s: %v, want a refusal", statement, err)
			}
		}
	}
	r := mine.rest()
	if status, _ := r.do(theirs.args.REST.UserRole, http.MethodGet, "/item", ""); status != http.StatusForbidden {
		t.Errorf("a token with another application's role: %d", status)
	}
	mine.applied.Destroy(t)
	run(t, theirs.connect(), "SELECT * FROM item, f()")
	if d := cmp.Diff(map[string]string{}, theirs.applied.Drift(t)); d != "" {
		t.Errorf("the other application changed (-want +got):\n%s", d)
	}
	if left := leftovers(t, mine.pg, mine.args.Schema); left > 0 {
		t.Errorf("%d things are left", left)
	}
}

// TestTaken holds that an application never takes over what another stack has under its names.
func TestTaken(t *testing.T) {
	t.Parallel()
	a, thief := newApp(t, database.AnonymousNone).apply(), newApp(t, database.AnonymousNone)
	thief.args = a.args
	_, err := testutil.Apply(t, thief.stack, thief.providers, func(ctx *pulumi.Context) error {
		_, err := database.New(ctx, "shop", &thief.args)
		return err
	})
	if err == nil || !strings.Contains(err.Error(), "exists and belongs to another stack (plattr/"+a.stack+")") {
		t.Errorf("error = %v", err)
	}
	if d := cmp.Diff(map[string]string{}, a.applied.Drift(t)); d != "" {
		t.Errorf("the attempt changed something (-want +got):\n%s", d)
	}
}

// TestManyAtOnce holds that 20 applications can be made in one database at once, each by a process of its own.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	shared := newApp(t, database.AnonymousNone).apply().args.Database
	var wait sync.WaitGroup
	for range 20 {
		a := newApp(t, database.AnonymousRead)
		a.args.Database, a.args.OwnDatabase = shared, false
		wait.Go(func() {
			applied, err := testutil.Apply(t, a.stack, a.providers, func(ctx *pulumi.Context) error {
				_, err := database.New(ctx, "shop", &a.args)
				return err
			})
			if err != nil {
				t.Error(err)
				return
			}
			if d := cmp.Diff(map[string]string{}, applied.Drift(t)); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
			applied.Destroy(t)
			if left := leftovers(t, a.pg, a.args.Schema); left > 0 {
				t.Errorf("%d things are left", left)
			}
		})
	}
	wait.Wait()
}

// BenchmarkRefresh is the time to read all parts of an application's database at once through a provider that has
// just started, as `plattr dev` does.
func BenchmarkRefresh(b *testing.B) {
	a := newApp(b, database.AnonymousRead).apply()
	for b.Loop() {
		again := newApp(b, database.AnonymousRead)
		before := map[string]plugin.Provider{}
		for name, p := range a.providers {
			before[name], p.Provider = p.Provider, again.providers[name].Provider
		}
		var wait sync.WaitGroup
		for _, r := range a.applied.Resources {
			wait.Go(func() { r.Refresh() })
		}
		wait.Wait()
		for name, p := range a.providers {
			p.Provider = before[name]
			_ = again.providers[name].Close()
		}
	}
}
