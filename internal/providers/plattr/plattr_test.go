package plattr

import (
	"context"
	"crypto/md5" //nolint:gosec // as the trigger does
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"plattr.dev/plattr/internal/providers/plattr/sdk"
	"plattr.dev/plattr/internal/testutil"
)

type inputs = map[string]any

func TestSecret(t *testing.T) {
	t.Parallel()
	p := testutil.NewProvider(t, New(), "secret", inputs{})
	random := p.MustCreate(t, sdk.SecretType, inputs{})
	value := random.Output("value").(string)
	if len(value) != 43 || !random.Outputs["value"].IsSecret() {
		t.Errorf("value of %d characters, secret: %t; want 32 bytes in base64, secret", len(value), random.Outputs["value"].IsSecret())
	}
	if other := p.MustCreate(t, sdk.SecretType, inputs{}); other.Output("value") == value {
		t.Error("two secrets are the same")
	}
	if !random.Refresh() || random.Output("value") != value || len(random.Diff(inputs{})) > 0 {
		t.Error("a refresh changed the secret")
	}

	s := p.MustCreate(t, sdk.SecretType, inputs{"initial": "localdev"})
	steps := []struct {
		reason string
		in     inputs
		want   string // empty: a new random value
	}{
		{"Nothing changed.", inputs{"initial": "localdev"}, "localdev"},
		{"The initial value counts at the beginning only.", inputs{"initial": "other"}, "localdev"},
		{"A generation makes a new value.", inputs{"initial": "localdev", "generation": "1"}, ""},
		{"Another one does, too.", inputs{"initial": "localdev", "generation": "2"}, ""},
		{"Back to the beginning.", inputs{"initial": "localdev"}, "localdev"},
	}
	for _, step := range steps {
		before := s.Output("value")
		if err := s.Update(step.in); err != nil {
			t.Fatal(err)
		}
		got := s.Output("value").(string)
		if step.want != "" && got != step.want || step.want == "" && (got == before || len(got) != 43) {
			t.Errorf("%s value = %q, want %q", step.reason, got, step.want)
		}
	}
	if err := s.Delete(); err != nil {
		t.Error(err)
	}
	for name, in := range map[string]inputs{"length: 8": {"length": 8}, `"size" is not supported`: {"size": 8}} {
		if _, err := p.Create(t, sdk.SecretType, in); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("error = %v, want %q", err, name)
		}
	}
}

// newDatabase makes a database that the administrator owns.
func newDatabase(t *testing.T) (*testutil.PostgresServer, string) {
	t.Helper()
	pg := testutil.Postgres(t)
	name := testutil.Unique("db")
	run(t, pg.Connect(t, pg.AdminURL("postgres")), "CREATE DATABASE "+name)
	t.Cleanup(func() {
		run(t, pg.Connect(t, pg.SuperURL("postgres")), "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)")
	})
	return pg, name
}

func run(t *testing.T, c *pgx.Conn, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := c.Exec(context.WithoutCancel(t.Context()), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

func bootstrapper(t *testing.T, pg *testutil.PostgresServer) *testutil.Provider {
	t.Helper()
	return testutil.NewProvider(t, New(), "bootstrap", inputs{"bootstrapUrl": pg.SuperURL("postgres")})
}

func TestBootstrapLifecycle(t *testing.T) {
	t.Parallel()
	pg, database := newDatabase(t)
	p := bootstrapper(t, pg)
	in := inputs{"database": database, "administrator": testutil.AdminUser}
	b := p.MustCreate(t, sdk.DatabaseBootstrapType, in)
	p.MustCreate(t, sdk.DatabaseBootstrapType, in) // another application in the same database

	super := pg.Connect(t, pg.SuperURL(database))
	for what, statement := range map[string]string{
		"NoTrigger": "DROP EVENT TRIGGER plattr_notify_ddl",
		"Disabled":  "ALTER EVENT TRIGGER plattr_notify_drop DISABLE",
		"Body":      "CREATE OR REPLACE FUNCTION extensions.plattr_notify_ddl() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'",
		"Usage":     "REVOKE USAGE ON SCHEMA extensions FROM PUBLIC",
		"Owner":     "ALTER SCHEMA extensions OWNER TO " + testutil.SuperUser,
		"Schema":    "DROP SCHEMA extensions CASCADE",
	} {
		run(t, super, statement)
		if !b.Refresh() {
			t.Fatalf("%s: gone", what)
		}
		if d := cmp.Diff([]string{"revision"}, b.Diff(in)); d != "" {
			t.Errorf("%s (-want +got):\n%s", what, d)
		}
		if err := b.Update(in); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if b.Refresh(); len(b.Diff(in)) > 0 {
			t.Errorf("%s: not repaired", what)
		}
	}
	if err := b.Delete(); err != nil {
		t.Fatal(err)
	}
	if !b.Refresh() || len(b.Diff(in)) > 0 {
		t.Error("deleting an application's resource took the database's bootstrap away")
	}
	_ = super.Close(t.Context())
	run(t, pg.Connect(t, pg.SuperURL("postgres")), "DROP DATABASE "+database+" WITH (FORCE)")
	if b.Refresh() {
		t.Error("the bootstrap outlives its database")
	}
}

func TestBootstrapRefused(t *testing.T) {
	t.Parallel()
	pg, database := newDatabase(t)
	cases := map[string]struct {
		reason string
		config inputs
		want   string
	}{
		"NoURL":      {"The setting that is missing is named.", inputs{}, "has no bootstrapUrl"},
		"NoSuper":    {"PostgreSQL's reason is shown.", inputs{"bootstrapUrl": pg.AdminURL("postgres")}, "permission denied to create event trigger"},
		"NoDatabase": {"A missing database is named.", inputs{"bootstrapUrl": pg.SuperURL("postgres")}, `database "nowhere" does not exist`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := testutil.NewProvider(t, New(), "refused", tc.config)
			args := inputs{"database": database, "administrator": testutil.AdminUser}
			if name == "NoDatabase" {
				args["database"] = "nowhere"
			}
			_, err := p.Create(t, sdk.DatabaseBootstrapType, args)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%s error = %v, want %q", tc.reason, err, tc.want)
			}
		})
	}
}

// TestNotify holds which channel hears of which statement, from a user without any right but its own, and that the
// triggers never raise.
func TestNotify(t *testing.T) {
	t.Parallel()
	pg, database := newDatabase(t)
	bootstrapper(t, pg).MustCreate(t, sdk.DatabaseBootstrapType, inputs{"database": database, "administrator": testutil.AdminUser})
	long, hostile := strings.Repeat("s", 63), `it's "a" schema; --`
	quoted := func(s string) string { return pgx.Identifier{s}.Sanitize() }
	cases := map[string]struct {
		setup, statement, schema string
	}{
		"Table":       {"CREATE SCHEMA a1", "CREATE TABLE a1.x (id int)", "a1"},
		"Alter":       {"CREATE SCHEMA a2; CREATE TABLE a2.x (id int)", "ALTER TABLE a2.x ADD y int", "a2"},
		"Drop":        {"CREATE SCHEMA a3; CREATE TABLE a3.x (id int)", "DROP TABLE a3.x", "a3"},
		"Function":    {"CREATE SCHEMA a4", "CREATE FUNCTION a4.f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "a4"},
		"Comment":     {"CREATE SCHEMA a5; CREATE TABLE a5.x (id int)", "COMMENT ON TABLE a5.x IS 'x'", "a5"},
		"Schema":      {"", "CREATE SCHEMA a6", "a6"},
		"DropSchema":  {"CREATE SCHEMA a7", "DROP SCHEMA a7", "a7"},
		"Long":        {"CREATE SCHEMA " + long, "CREATE TABLE " + long + ".x (id int)", long},
		"Hostile":     {"CREATE SCHEMA " + quoted(hostile), "CREATE TABLE " + quoted(hostile) + ".x (id int)", hostile},
		"HostileDrop": {"CREATE SCHEMA " + quoted(hostile+"2"), "DROP SCHEMA " + quoted(hostile+"2"), hostile + "2"},
		"Temporary":   {"CREATE SCHEMA a8", "CREATE TEMP TABLE gone (id int)", ""},
		"Select":      {"CREATE SCHEMA a9", "SELECT 1", ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			worker, listener := pg.Connect(t, pg.AdminURL(database)), pg.Connect(t, pg.AdminURL(database))
			run(t, worker, tc.setup)
			channels := []string{sdk.Channel(tc.schema)}
			if tc.schema == "" { // then nobody hears of it: neither the temporary schema nor any other
				channels = []string{sdk.Channel("pg_temp"), sdk.Channel(strings.TrimPrefix(tc.setup, "CREATE SCHEMA "))}
			}
			for _, c := range channels {
				run(t, listener, "LISTEN "+quoted(c))
			}
			run(t, worker, tc.statement)
			patience := 5 * time.Second
			if tc.schema == "" {
				patience = 200 * time.Millisecond
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			n, err := listener.WaitForNotification(ctx)
			switch {
			case tc.schema == "" && !errors.Is(err, context.DeadlineExceeded):
				t.Errorf("%v was heard: %v", n, err)
			case tc.schema != "" && (err != nil || n.Payload != "reload schema"):
				t.Errorf("heard %v: %v", n, err)
			}
		})
	}
}

func TestChannel(t *testing.T) {
	t.Parallel()
	long, longer := strings.Repeat("s", 57), strings.Repeat("s", 58)
	for schema, want := range map[string]string{
		"shop": "pgrst_shop",
		long:   "pgrst_" + long,
		longer: "pgrst_" + fmt.Sprintf("%x", md5.Sum([]byte(longer))), //nolint:gosec // as the trigger does
	} {
		if got := sdk.Channel(schema); got != want || len(got) > 63 {
			t.Errorf("Channel(%q) = %q, want %q", schema, got, want)
		}
	}
}
