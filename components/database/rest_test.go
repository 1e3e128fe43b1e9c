package database_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"plattr.dev/plattr/components/database"
	"plattr.dev/plattr/internal/providers/plattr"
	"plattr.dev/plattr/internal/providers/postgresql"
	"plattr.dev/plattr/internal/testutil"
)

const jwtSecret = "a-secret-of-the-tests-that-is-long-enough"

// app is an application's database on the shared test server.
type app struct {
	t         testing.TB
	pg        *testutil.PostgresServer
	stack     string
	args      database.Args
	providers map[string]*testutil.Provider
	applied   *testutil.Applied

	url, restURL, channel string
}

// newApp describes an application with a name of its own; the caller changes args, then calls apply.
func newApp(t testing.TB, anonymous database.Anonymous) *app {
	t.Helper()
	pg := testutil.Postgres(t)
	n := testutil.Unique("shop")
	a := &app{t: t, pg: pg, stack: n, args: database.Args{
		Host: pg.Host, Port: pg.Port, SSLMode: "disable", Administrator: testutil.AdminUser,
		Database: n, OwnDatabase: true, Bootstrap: true, Schema: n, MigrationsSchema: n + "_migrations",
		AppRole: n + "_app", InitialPassword: "localdev",
		REST: &database.REST{AnonRole: n + "_anon", UserRole: n + "_user", LoginRole: n + "_rest", Anonymous: anonymous},
	}}
	a.providers = map[string]*testutil.Provider{
		"postgresql": testutil.NewProvider(t, postgresql.New(), n, map[string]any{
			"host": pg.Host, "port": pg.Port, "username": testutil.AdminUser, "password": pg.AdminPassword,
			"sslmode": "disable",
		}),
		"plattr": testutil.NewProvider(t, plattr.New(), n, map[string]any{"bootstrapUrl": pg.SuperURL("postgres")}),
	}
	return a
}

// apply makes the application's database, or brings it up to changed arguments.
func (a *app) apply() *app {
	a.t.Helper()
	applied, err := testutil.Apply(a.t, a.stack, a.providers, func(ctx *pulumi.Context) error {
		d, err := database.New(ctx, "shop", &a.args)
		if err != nil {
			return err
		}
		pulumi.All(d.URL, d.RestURL, d.Channel).ApplyT(func(v []any) error {
			a.url, a.restURL, a.channel = v[0].(string), v[1].(string), v[2].(string)
			return nil
		})
		return nil
	})
	if err != nil {
		a.t.Fatalf("apply: %v", err)
	}
	if a.applied == nil {
		a.t.Cleanup(func() { a.applied.Destroy(a.t) })
	}
	a.applied = applied
	return a
}

// connect logs in as the application.
func (a *app) connect() *pgx.Conn {
	a.t.Helper()
	return a.pg.Connect(a.t, a.url)
}

// rest starts PostgREST for the application.
func (a *app) rest() *rest {
	a.t.Helper()
	return &rest{t: a.t, user: a.args.REST.UserRole, url: testutil.PostgREST(a.t, testutil.PostgRESTConfig{
		URL: a.restURL, Schema: a.args.Schema, AnonRole: a.args.REST.AnonRole, Channel: a.channel, Secret: jwtSecret,
	})}
}

func run(t testing.TB, c *pgx.Conn, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := c.Exec(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

type rest struct {
	t         testing.TB
	url, user string
}

// do makes a request, as the user's role or without a token, and returns status and body.
func (r *rest) do(role, method, path, body string) (int, string) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.url+path, bytes.NewReader([]byte(body)))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if role != "" {
		req.Header.Set("Authorization", "Bearer "+token(role))
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return res.StatusCode, string(raw)
}

// token is a JWT (HS256) with just a role.
func token(role string) string {
	part := func(v any) string {
		raw, _ := json.Marshal(v)
		return base64.RawURLEncoding.EncodeToString(raw)
	}
	body := part(map[string]string{"alg": "HS256", "typ": "JWT"}) + "." +
		part(map[string]any{"role": role, "exp": time.Now().Add(time.Hour).Unix()})
	mac := hmac.New(sha256.New, []byte(jwtSecret))
	mac.Write([]byte(body))
	return body + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// served waits until PostgREST knows a table, a view or a function. GET is no proof for a table: PostgREST passes it on
// without looking.
func (r *rest) served(path string) time.Duration {
	r.t.Helper()
	began := time.Now()
	testutil.Eventually(r.t, 10*time.Second, path+" is served", func() error {
		if status, body := r.do("", http.MethodOptions, path, ""); status != http.StatusOK {
			return fmt.Errorf("%d %s", status, body)
		}
		return nil
	})
	return time.Since(began)
}

// TestRights holds what may be done over REST, for each value of anonAccess, on tables of migrations that ran before
// the rights were given and after.
func TestRights(t *testing.T) {
	t.Parallel()
	const ok, created, gone, unauthorized, forbidden, notFound = 200, 201, 204, 401, 403, 404
	type attempt struct{ role, method, path, body string }
	cases := map[database.Anonymous]map[attempt]int{
		database.AnonymousNone: {
			{"anon", "GET", "/early", ""}:                    unauthorized,
			{"anon", "POST", "/early", `{"name":"x"}`}:       unauthorized,
			{"anon", "GET", "/late", ""}:                     unauthorized,
			{"anon", "POST", "/rpc/answer", "{}"}:            unauthorized,
			{"user", "POST", "/early", `{"name":"x"}`}:       created,
			{"user", "GET", "/late", ""}:                     ok,
			{"user", "GET", "/record", ""}:                   notFound,
			{"user", "PATCH", "/late?id=eq.0", `{"name":1}`}: gone,
		},
		database.AnonymousRead: {
			{"anon", "GET", "/early", ""}:              ok,
			{"anon", "GET", "/late", ""}:               ok,
			{"anon", "GET", "/seen", ""}:               ok,
			{"anon", "GET", "/record", ""}:             notFound,
			{"anon", "POST", "/early", `{"name":"x"}`}: unauthorized,
			{"anon", "POST", "/late", `{"name":"x"}`}:  unauthorized,
			{"anon", "DELETE", "/late?id=eq.0", ""}:    unauthorized,
			{"anon", "POST", "/rpc/answer", "{}"}:      unauthorized,
			{"user", "POST", "/late", `{"name":"x"}`}:  created,
			{"user", "DELETE", "/early?id=eq.0", ""}:   gone,
			{"user", "POST", "/rpc/answer", "{}"}:      ok,
			{"user", "POST", "/rpc/sooner", "{}"}:      ok,
		},
		database.AnonymousWrite: {
			{"anon", "POST", "/early", `{"name":"x"}`}:         created,
			{"anon", "POST", "/late", `{"name":"x"}`}:          created,
			{"anon", "PATCH", "/late?id=eq.0", `{"name":"y"}`}: gone,
			{"anon", "DELETE", "/early?id=eq.0", ""}:           gone,
			{"anon", "POST", "/rpc/answer", "{}"}:              unauthorized,
			{"anon", "POST", "/rpc/sooner", "{}"}:              unauthorized,
			{"app", "GET", "/early", ""}:                       forbidden, // PostgREST's login is no member of the owner
		},
	}
	for anonymous, attempts := range cases {
		t.Run(string(anonymous), func(t *testing.T) {
			t.Parallel()
			a := newApp(t, database.AnonymousWrite) // the opposite at first: rights are taken back, too
			if anonymous == database.AnonymousWrite {
				a.args.REST.Anonymous = database.AnonymousNone
			}
			c := a.apply().connect()
			run(t, c, "CREATE TABLE early (id bigserial PRIMARY KEY, name text)", "CREATE FUNCTION sooner() RETURNS int LANGUAGE sql AS 'SELECT 1'")
			a.args.REST.Anonymous = anonymous
			a.apply()
			r := a.rest()
			run(t, c, "CREATE TABLE late (id bigserial PRIMARY KEY, name text)",
				"CREATE VIEW seen WITH (security_invoker) AS SELECT * FROM late",
				"CREATE FUNCTION answer() RETURNS int LANGUAGE sql AS 'SELECT 42'",
				"CREATE TABLE "+a.args.MigrationsSchema+".record (id int)")
			r.served("/seen")
			r.served("/rpc/answer")
			for at, want := range attempts {
				role := map[string]string{"anon": "", "user": a.args.REST.UserRole, "app": a.args.AppRole}[at.role]
				if got, body := r.do(role, at.method, at.path, at.body); got != want {
					t.Errorf("%s %s as %s = %d, want %d: %s", at.method, at.path, at.role, got, want, body)
				}
			}
			if d := cmp.Diff(map[string]string{}, a.applied.Drift(t)); d != "" {
				t.Errorf("migrations must not look like drift (-want +got):\n%s", d)
			}
		})
	}
}

// TestFunctionAfterUser holds that a function which a user may call stays closed to requests without a token that come
// through the same connection: PostgreSQL checks the right when it plans, and a prepared plan holds the function's body.
func TestFunctionAfterUser(t *testing.T) {
	t.Parallel()
	a := newApp(t, database.AnonymousWrite).apply()
	r, c := a.rest(), a.connect()
	run(t, c, "CREATE FUNCTION inlined() RETURNS int LANGUAGE sql AS 'SELECT 42'")
	r.served("/rpc/inlined")
	for range 8 {
		if status, body := r.do(r.user, http.MethodPost, "/rpc/inlined", "{}"); status != http.StatusOK {
			t.Errorf("user: %d %s", status, body)
		}
		if status, body := r.do("", http.MethodPost, "/rpc/inlined", "{}"); status != http.StatusUnauthorized {
			t.Errorf("without a token: %d %s", status, body)
		}
	}
}

// TestServing holds how soon PostgREST serves what a statement changed.
func TestServing(t *testing.T) {
	t.Parallel()
	a := newApp(t, database.AnonymousRead).apply()
	r, c := a.rest(), a.connect()
	for _, step := range []struct{ name, statement, path string }{
		{"Table", "CREATE TABLE item (id int)", "/item"},
		{"AsSelect", "CREATE TABLE copied AS SELECT 1 AS id", "/copied"},
		{"View", "CREATE VIEW items AS SELECT 1 AS id", "/items"},
		{"Function", "CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1'", "/rpc/one"},
	} {
		run(t, c, step.statement)
		if took := r.served(step.path); took > time.Second {
			t.Errorf("%s: served after %s", step.name, took)
		}
	}
	run(t, c, "DROP TABLE item")
	testutil.Eventually(t, 10*time.Second, "the dropped table is unknown", func() error {
		if status, body := r.do("", http.MethodOptions, "/item", ""); status != http.StatusNotFound {
			return fmt.Errorf("%d %s", status, body)
		}
		return nil
	})
}

// BenchmarkServing is the time from a DDL statement to PostgREST serving it.
func BenchmarkServing(b *testing.B) {
	a := newApp(b, database.AnonymousRead).apply()
	r, c := a.rest(), a.connect()
	n, longest := 0, time.Duration(0)
	for b.Loop() {
		n++
		table := fmt.Sprintf("bench_%d", n)
		run(b, c, "CREATE TABLE "+table+" (id int)")
		longest = max(longest, r.served("/"+table))
	}
	b.ReportMetric(float64(longest.Milliseconds()), "ms-longest")
}
