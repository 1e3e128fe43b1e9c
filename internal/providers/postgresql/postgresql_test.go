package postgresql

import (
	"context"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"plattr.dev/plattr/internal/testutil"
)

// Tokens of the served types.
const (
	databaseToken   = "postgresql:index/database:Database"
	schemaToken     = "postgresql:index/schema:Schema"
	roleToken       = "postgresql:index/role:Role"
	grantRoleToken  = "postgresql:index/grantRole:GrantRole"
	grantToken      = "postgresql:index/grant:Grant"
	defaultsToken   = "postgresql:index/defaultPrivileges:DefaultPrivileges"
	extensionToken  = "postgresql:index/extension:Extension"
	unmarkedByAHand = "was made by a person"
)

// inputs is what a program writes.
type inputs = map[string]any

// provider is the provider as the administrator of the shared server, for a stack.
func provider(t testing.TB, stack string) *testutil.Provider {
	t.Helper()
	return providerOn(t, testutil.Postgres(t), stack)
}

func providerOn(t testing.TB, pg *testutil.PostgresServer, stack string) *testutil.Provider {
	t.Helper()
	return testutil.NewProvider(t, New(), stack, adminConfig(pg))
}

func adminConfig(pg *testutil.PostgresServer) map[string]any {
	return map[string]any{
		"host": pg.Host, "port": pg.Port, "username": testutil.AdminUser, "password": pg.AdminPassword,
		"sslmode": "disable", "connectTimeout": 10,
	}
}

// super is a superuser's connection: the eyes of the tests, and the hands of a person who changes things by hand.
func super(t testing.TB, database string) *pgx.Conn {
	t.Helper()
	pg := testutil.Postgres(t)
	return pg.Connect(t, pg.SuperURL(database))
}

// conn is the little of a connection that the tests need.
type conn interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

func exec(t testing.TB, c conn, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := c.Exec(context.WithoutCancel(t.Context()), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// value is the one text that a query gives.
func value(t testing.TB, c conn, sql string, args ...any) string {
	t.Helper()
	var out *string
	if err := c.QueryRow(t.Context(), sql, args...).Scan(&out); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	if out == nil {
		return ""
	}
	return *out
}

// newDatabase makes a database through the provider and drops it at the end.
func newDatabase(t testing.TB, p *testutil.Provider) string {
	t.Helper()
	name := testutil.Unique("db")
	db := p.MustCreate(t, databaseToken, inputs{"name": name})
	atEnd(t, db)
	return name
}

// newRole makes a role through the provider and drops it at the end.
func newRole(t testing.TB, p *testutil.Provider, prefix string, more inputs) string {
	t.Helper()
	in := inputs{"name": testutil.Unique(prefix), "skipReassignOwned": true}
	maps.Copy(in, more)
	atEnd(t, p.MustCreate(t, roleToken, in))
	return in["name"].(string)
}

// atEnd drops what a test made, by the superuser's hand, so that a failed test leaves nothing for the next.
func atEnd(t testing.TB, r *testutil.Resource) {
	t.Helper()
	pg := testutil.Postgres(t)
	t.Cleanup(func() {
		ctx := context.Background()
		c, err := pgx.Connect(ctx, pg.SuperURL("postgres"))
		if err != nil {
			return
		}
		defer func() { _ = c.Close(ctx) }()
		name := ident(string(r.ID))
		switch string(r.URN.Type()) {
		case databaseToken:
			_, _ = c.Exec(ctx, "ALTER DATABASE "+name+" IS_TEMPLATE false")
			_, _ = c.Exec(ctx, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)")
		case roleToken:
			_, _ = c.Exec(ctx, "DROP OWNED BY "+name)
			_, _ = c.Exec(ctx, "DROP ROLE IF EXISTS "+name)
		}
	})
}

// wantErr checks an error's text for a fragment; an empty fragment means success.
func wantErr(t testing.TB, err error, fragment string) {
	t.Helper()
	switch {
	case fragment == "" && err != nil:
		t.Fatalf("unexpected error: %v", err)
	case fragment != "" && err == nil:
		t.Fatalf("no error, want one with %q", fragment)
	case fragment != "" && !strings.Contains(err.Error(), fragment):
		t.Fatalf("error %q does not say %q", err, fragment)
	}
}

// wantDiff checks which inputs differ after a refresh.
func wantDiff(t testing.TB, r *testutil.Resource, in inputs, want ...string) {
	t.Helper()
	if !r.Refresh() {
		t.Fatalf("%s is gone", r.URN.Type())
	}
	if d := cmp.Diff(want, r.Diff(in)); d != "" {
		t.Errorf("differences after a refresh (-want +got):\n%s", d)
	}
}
