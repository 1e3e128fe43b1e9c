package postgresql

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"plattr.dev/plattr/internal/testutil"
)

func TestRoleLifecycle(t *testing.T) {
	t.Parallel()
	p, c := provider(t, "life"), super(t, "postgres")
	name := testutil.Unique("role")
	in := inputs{
		"name": name, "login": true, "password": "it's \\a \"Pässword\" $$", "inherit": false,
		"searchPaths": []any{"My schema", `quo"ted`, "extensions"}, "statementTimeout": 5000,
	}
	role := p.MustCreate(t, roleToken, in)
	atEnd(t, role)
	wantDiff(t, role, in)

	pg := testutil.Postgres(t)
	pg.Connect(t, pg.URL(name, in["password"].(string), "postgres"))

	for what, drift := range map[string]struct{ statement, key string }{
		"Password":   {"PASSWORD 'another'", "password"},
		"SearchPath": {"SET search_path TO elsewhere", "searchPaths"},
		"NoLogin":    {"NOLOGIN", "login"},
		"Inherit":    {"INHERIT", "inherit"},
		"Timeout":    {"RESET statement_timeout", "statementTimeout"},
		"Limit":      {"CONNECTION LIMIT 1", "connectionLimit"},
		"CreateDB":   {"CREATEDB", "createDatabase"},
	} {
		exec(t, c, "ALTER ROLE "+ident(name)+" "+drift.statement)
		wantDiff(t, role, in, drift.key)
		if err := role.Update(in); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		wantDiff(t, role, in)
	}
	if err := role.Delete(); err != nil {
		t.Fatal(err)
	}
	if role.Refresh() {
		t.Error("still there")
	}
	if err := role.Delete(); err != nil {
		t.Errorf("second delete: %v", err)
	}
}

// TestRolePassword holds that the server never sees a password, and that changing or removing it works.
func TestRolePassword(t *testing.T) {
	t.Parallel()
	pg, p := testutil.Postgres(t), provider(t, "password")
	name := testutil.Unique("role")
	first, second := testutil.Unique("planted"), testutil.Unique("planted")
	role := p.MustCreate(t, roleToken, inputs{"name": name, "login": true, "password": first})
	atEnd(t, role)
	if err := role.Update(inputs{"name": name, "login": true, "password": second}); err != nil {
		t.Fatal(err)
	}
	pg.Connect(t, pg.URL(name, second, "postgres"))
	if log := pg.Log(t); strings.Contains(log, first) || strings.Contains(log, second) {
		t.Error("the server's log holds a password")
	}
	if !role.Outputs["password"].IsSecret() {
		t.Error("the password is plain in the state")
	}
	if err := role.Update(inputs{"name": name, "login": true}); err != nil {
		t.Fatal(err)
	}
	if value(t, super(t, "postgres"), "SELECT rolpassword FROM pg_authid WHERE rolname = $1", name) != "" {
		t.Error("the password was not removed")
	}
}

func TestRoleOwnership(t *testing.T) {
	t.Parallel()
	pg := testutil.Postgres(t)
	cases := map[string]struct{ reason, comment, want string }{
		"Person": {"A person's role is refused.", "", unmarkedByAHand},
		"Other":  {"The error says who has it.", "plattr:owner=plattr/other", "belongs to another stack (plattr/other)"},
		"Ours":   {"What a killed run made is adopted and brought up to date.", "plattr:owner=plattr/mine", ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			admin := pg.Connect(t, pg.AdminURL("postgres"))
			p := provider(t, "mine")
			role := testutil.Unique("role")
			exec(t, admin, "CREATE ROLE "+role, "COMMENT ON ROLE "+role+" IS "+literal(tc.comment))
			t.Cleanup(func() { exec(t, super(t, "postgres"), "DROP ROLE IF EXISTS "+role) })
			r, err := p.Create(t, roleToken, inputs{"name": role, "login": true, "password": "x"})
			wantErr(t, err, tc.want)
			if err != nil {
				return
			}
			wantDiff(t, r, inputs{"name": role, "login": true, "password": "x"})
			exec(t, admin, "COMMENT ON ROLE "+role+" IS NULL")
			if r.Refresh() {
				t.Error("a person's role was taken for ours")
			}
			if err := r.Delete(); err != nil {
				t.Errorf("a person's role is left alone, and that is no error: %v", err)
			}
			if value(t, admin, "SELECT count(*)::text FROM pg_roles WHERE rolname = $1", role) != "1" {
				t.Errorf("%s But a person's role was dropped.", tc.reason)
			}
			wantErr(t, r.Update(inputs{"name": role}), unmarkedByAHand)
		})
	}
}

// TestRoleThatOwns holds that a role goes with all it owns and may do, in every database, though it is logged in.
func TestRoleThatOwns(t *testing.T) {
	t.Parallel()
	for name, skipReassign := range map[string]bool{"Dropped": true, "Reassigned": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pg, p := testutil.Postgres(t), provider(t, "owner-"+strings.ToLower(name))
			in := inputs{"name": testutil.Unique("role"), "login": true, "password": "x", "skipReassignOwned": skipReassign}
			role := p.MustCreate(t, roleToken, in)
			atEnd(t, role)
			n := ident(string(role.ID))
			for range 2 {
				database := newDatabase(t, p)
				admin := pg.Connect(t, pg.AdminURL(database))
				exec(t, admin, "CREATE SCHEMA mine AUTHORIZATION "+n, "CREATE SCHEMA theirs",
					"GRANT ALL ON SCHEMA theirs TO "+n, "GRANT ALL ON DATABASE "+database+" TO "+n,
					"CREATE TABLE theirs.one (id int)", "GRANT SELECT ON theirs.one TO "+n)
				session := pg.Connect(t, pg.URL(string(role.ID), "x", database))
				exec(t, session, "CREATE TABLE mine.two (id serial)", "CREATE TABLE theirs.three (id int)",
					"ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC", "SELECT lo_create(0)")
			}
			if err := role.Delete(); err != nil {
				t.Fatal(err)
			}
			if role.Refresh() {
				t.Error("still there")
			}
		})
	}
}

// TestRoleThatOwnsDatabases holds that a role takes along the stack's databases that it still owns, which no state knows
// any more, and leaves a person's.
func TestRoleThatOwnsDatabases(t *testing.T) {
	t.Parallel()
	pg, p := testutil.Postgres(t), provider(t, "owns-databases")
	role := p.MustCreate(t, roleToken, inputs{"name": testutil.Unique("role"), "skipReassignOwned": true})
	atEnd(t, role)
	ours := p.MustCreate(t, databaseToken, inputs{"name": testutil.Unique("ours"), "owner": string(role.ID)})
	atEnd(t, ours)
	c, theirs := super(t, "postgres"), testutil.Unique("theirs")
	exec(t, c, "CREATE DATABASE "+theirs+" OWNER "+ident(string(role.ID)))
	t.Cleanup(func() { dropTheirs(t, pg, theirs) })
	wantErr(t, role.Delete(), "owner of database "+theirs)
	if ours.Refresh() {
		t.Error("the stack's database is still there")
	}
	exec(t, c, "ALTER DATABASE "+theirs+" OWNER TO CURRENT_USER")
	if err := role.Delete(); err != nil {
		t.Error(err)
	}
}

func dropTheirs(t *testing.T, pg *testutil.PostgresServer, name string) {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), pg.SuperURL("postgres"))
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(context.Background(), "DROP DATABASE IF EXISTS "+ident(name)); err != nil {
		t.Error(err)
	}
}

// TestRoleInTemplate holds that a database that takes no connections is named, instead of PostgreSQL's riddle.
func TestRoleInTemplate(t *testing.T) {
	t.Parallel()
	p, c := provider(t, "template"), super(t, "postgres")
	role := p.MustCreate(t, roleToken, inputs{"name": testutil.Unique("role")})
	atEnd(t, role)
	database := newDatabase(t, p)
	exec(t, super(t, database), "CREATE SCHEMA mine AUTHORIZATION "+ident(string(role.ID)))
	exec(t, c, "ALTER DATABASE "+database+" ALLOW_CONNECTIONS false")
	wantErr(t, role.Delete(), "in database "+database+", which takes no connections")
	exec(t, c, "ALTER DATABASE "+database+" ALLOW_CONNECTIONS true")
	if err := role.Delete(); err != nil {
		t.Error(err)
	}
}

// TestRoleOfASuperuser holds that a right which the administrator cannot take back is named.
func TestRoleOfASuperuser(t *testing.T) {
	t.Parallel()
	p := provider(t, "superuser")
	role := p.MustCreate(t, roleToken, inputs{"name": testutil.Unique("role")})
	atEnd(t, role)
	c := super(t, newDatabase(t, p))
	exec(t, c, "CREATE SCHEMA theirs", "GRANT USAGE ON SCHEMA theirs TO "+ident(string(role.ID)))
	wantErr(t, role.Delete(), "cannot be dropped because some objects depend on it (SQLSTATE 2BP01): ")
	exec(t, c, "DROP SCHEMA theirs")
	if err := role.Delete(); err != nil {
		t.Error(err)
	}
}

func TestGrantRoleLifecycle(t *testing.T) {
	t.Parallel()
	p, c := provider(t, "member"), super(t, "postgres")
	group := newRole(t, p, "group", nil)
	login := newRole(t, p, "login", inputs{"login": true, "password": "x", "inherit": false})
	in := inputs{"grantRole": group, "role": login}
	member := p.MustCreate(t, grantRoleToken, in)
	wantDiff(t, member, in)
	if got := string(member.ID); got != login+"_"+group+"_false" {
		t.Errorf("ID = %q, want the official plugin's", got)
	}
	inherits := "SELECT pg_has_role($1, $2, 'USAGE')::text"
	if value(t, c, inherits, login, group) != "false" {
		t.Error("a NOINHERIT role must not have its groups' rights by itself")
	}
	drift := map[string]string{"Revoked": "REVOKE " + group + " FROM " + login + " GRANTED BY " + testutil.AdminUser}
	if value(t, c, "SELECT (current_setting('server_version_num')::int / 10000 >= 16)::text") == "true" {
		drift["Inherit"] = "GRANT " + group + " TO " + login + " WITH INHERIT TRUE GRANTED BY " + testutil.AdminUser
	}
	for what, statement := range drift {
		exec(t, c, statement)
		if member.Refresh() {
			t.Errorf("%s: not seen as drift", what)
		}
		member = p.MustCreate(t, grantRoleToken, in)
		wantDiff(t, member, in)
		if value(t, c, inherits, login, group) != "false" {
			t.Errorf("%s: not repaired", what)
		}
	}
	for range 2 {
		if err := member.Delete(); err != nil {
			t.Fatal(err)
		}
	}
	if member.Refresh() {
		t.Error("still there")
	}
	_, err := p.Create(t, grantRoleToken, inputs{"grantRole": group, "role": "nobody_there"})
	wantErr(t, err, "role nobody_there does not exist")
}

func TestSearchPath(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		in   string
		want []string
	}{
		"Empty":   {``, nil},
		"Plain":   {`shop, extensions`, []string{"shop", "extensions"}},
		"Quoted":  {`"My schema", "quo""ted", x`, []string{"My schema", `quo"ted`, "x"}},
		"Comma":   {`"a, b", c`, []string{"a, b", "c"}},
		"Unended": {`"abc`, []string{"abc"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if d := cmp.Diff(tc.want, splitIdentifiers(tc.in)); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

// FuzzSearchPath holds that names survive being quoted and split again.
func FuzzSearchPath(f *testing.F) {
	f.Add("shop", `quo"ted`)
	f.Add("a, b", `"`)
	f.Fuzz(func(t *testing.T, a, b string) {
		if strings.ContainsRune(a+b, 0) {
			t.Skip("no name holds a NUL")
		}
		want := []string{a, b}
		if got := splitIdentifiers(quoteAll(want)); !slices.Equal(got, want) {
			t.Errorf("split(quote(%q)) = %q", want, got)
		}
	})
}
