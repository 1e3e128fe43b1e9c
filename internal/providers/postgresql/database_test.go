package postgresql

import (
	"testing"

	"plattr.dev/plattr/internal/testutil"
)

// hostile names hold what breaks statements that were pasted together.
func hostileNames() map[string]string {
	return map[string]string{
		"Quotes":    `it"s 'one'`,
		"Injection": `x"; DROP DATABASE postgres; --`,
		"Spaces":    " a  b ",
		"Unicode":   "schöner Laden 店",
		"Backslash": `a\b\'c`,
		"Dollar":    "a$$b$1%s%I",
		"Upper":     "SELECT",
		"Dots":      "a.b.c",
	}
}

func TestDatabaseLifecycle(t *testing.T) {
	t.Parallel()
	p := provider(t, "life")
	in := inputs{"name": testutil.Unique("db")}
	db := p.MustCreate(t, databaseToken, in)
	atEnd(t, db)
	c := super(t, "postgres")

	if got := mark(t, c, in["name"]); got != "plattr:owner=plattr/life" {
		t.Errorf("mark = %q", got)
	}
	if got := db.Output("encoding"); got != "UTF8" {
		t.Errorf("encoding = %v", got)
	}
	wantDiff(t, db, in)

	exec(t, c, "ALTER DATABASE "+ident(in["name"].(string))+" CONNECTION LIMIT 3")
	wantDiff(t, db, in, "connectionLimit")
	if err := db.Update(in); err != nil {
		t.Fatal(err)
	}
	wantDiff(t, db, in)
	wantDiff(t, db, inputs{"name": "other"}, "!name")

	if err := db.Delete(); err != nil {
		t.Fatal(err)
	}
	if db.Refresh() {
		t.Error("still there")
	}
	if err := db.Delete(); err != nil {
		t.Errorf("second delete: %v", err)
	}
}

func mark(t testing.TB, c conn, database any) string {
	t.Helper()
	return value(t, c, "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = $1", database)
}

func TestDatabaseOptions(t *testing.T) {
	t.Parallel()
	p := provider(t, "options")
	role := newRole(t, p, "owner", nil)
	in := inputs{
		"name": testutil.Unique("db"), "owner": role, "lcCollate": "C", "lcCtype": "C", "connectionLimit": 7,
		"isTemplate": true, "template": "template0", "encoding": "UTF8",
	}
	db := p.MustCreate(t, databaseToken, in)
	atEnd(t, db)
	wantDiff(t, db, in)
	exec(t, super(t, "postgres"), "ALTER DATABASE "+ident(in["name"].(string))+" OWNER TO "+testutil.AdminUser)
	wantDiff(t, db, in, "owner")
	if err := db.Update(in); err != nil {
		t.Fatal(err)
	}
	wantDiff(t, db, in)
	if err := db.Delete(); err != nil { // a template, and one that somebody else owns
		t.Fatal(err)
	}
}

// TestDatabaseOwnership holds that only what the same stack made is adopted, changed or dropped.
func TestDatabaseOwnership(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason, comment string
		want            string
	}{
		"Person":   {"A person's database has no mark.", "", unmarkedByAHand},
		"Comment":  {"A comment without a mark is a person's, too.", "my database", unmarkedByAHand},
		"Other":    {"The error says who has it.", "plattr:owner=plattr/other", "belongs to another stack (plattr/other)"},
		"Ours":     {"What a killed run made is adopted.", "plattr:owner=plattr/mine", ""},
		"Appended": {"A person may add to the comment.", "my database\nplattr:owner=plattr/mine\n", ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := super(t, "postgres")
			p := provider(t, "mine")
			database := testutil.Unique("db")
			exec(t, c, "CREATE DATABASE "+database+" OWNER "+testutil.AdminUser,
				"COMMENT ON DATABASE "+database+" IS "+literal(tc.comment))
			t.Cleanup(func() { exec(t, super(t, "postgres"), "DROP DATABASE IF EXISTS "+database) })
			db, err := p.Create(t, databaseToken, inputs{"name": database})
			wantErr(t, err, tc.want)
			if err != nil {
				return
			}
			exec(t, c, "COMMENT ON DATABASE "+database+" IS 'plattr:owner=plattr/thief'")
			if err := db.Delete(); err != nil {
				t.Errorf("%s: a thing of another owner is left alone, and that is no error: %v", tc.reason, err)
			}
			if mark(t, c, database) == "" {
				t.Error("another stack's database was dropped")
			}
			if db.Refresh() {
				t.Error("another stack's database was taken for ours")
			}
		})
	}
}

// TestDatabaseKilled holds that a run that was killed between its statements is finished by the next.
func TestDatabaseKilled(t *testing.T) {
	t.Parallel()
	cases := map[string]func(site string) []string{
		"BeforeComment": func(site string) []string { return []string{"CREATE DATABASE " + site} },
		"BeforeRename": func(site string) []string {
			return []string{"CREATE DATABASE " + site, comment("DATABASE", site, "plattr/killed")}
		},
	}
	for name, left := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pg, p, c := testutil.Postgres(t), provider(t, "killed"), super(t, "postgres")
			database := testutil.Unique("db")
			site := buildSite("plattr/killed", database)
			exec(t, pg.Connect(t, pg.AdminURL("postgres")), left(site)...)

			db := p.MustCreate(t, databaseToken, inputs{"name": database})
			atEnd(t, db)
			if mark(t, c, database) != "plattr:owner=plattr/killed" {
				t.Error("not marked")
			}
			count := "SELECT count(*)::text FROM pg_database WHERE datname = $1"
			if value(t, c, count, site) != "0" {
				t.Error("what the killed run left is still there")
			}
			if err := db.Delete(); err != nil {
				t.Fatal(err)
			}
			exec(t, pg.Connect(t, pg.AdminURL("postgres")), left(site)...)
			if err := db.Delete(); err != nil || value(t, c, count, site) != "0" {
				t.Errorf("a destroy leaves what a killed create left: %v", err)
			}
		})
	}
}

// TestDatabaseInUse holds that open sessions, of a superuser too, do not keep a database for long.
func TestDatabaseInUse(t *testing.T) {
	t.Parallel()
	pg, p := testutil.Postgres(t), provider(t, "use")
	role := newRole(t, p, "role", inputs{"login": true, "password": "x"})
	db := p.MustCreate(t, databaseToken, inputs{"name": testutil.Unique("db")})
	atEnd(t, db)
	pg.Connect(t, pg.URL(role, "x", string(db.ID)))
	own := pg.Connect(t, pg.SuperURL(string(db.ID)))
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = own.Exec(t.Context(), "SELECT pg_sleep(0.5)")
		_ = own.Close(t.Context())
	}()
	if err := db.Delete(); err != nil {
		t.Error(err)
	}
	<-done
}

func TestHostileNames(t *testing.T) {
	t.Parallel()
	for name, hostile := range hostileNames() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := provider(t, "hostile-"+name)
			n := hostile + testutil.Unique("_")
			db := p.MustCreate(t, databaseToken, inputs{"name": n})
			atEnd(t, db)
			app := p.MustCreate(t, roleToken, inputs{
				"name": n, "login": true, "password": n, "searchPaths": []any{n, "extensions"}, "skipReassignOwned": true,
			})
			atEnd(t, app)
			guest := p.MustCreate(t, roleToken, inputs{"name": n + "_guest"})
			atEnd(t, guest)
			all := []*testutil.Resource{
				db, app, guest,
				p.MustCreate(t, grantRoleToken, inputs{"grantRole": n + "_guest", "role": n}),
				p.MustCreate(t, schemaToken, inputs{"name": n, "database": n, "owner": n, "dropCascade": true}),
				p.MustCreate(t, grantToken, inputs{
					"role": n, "database": n, "objectType": "database", "privileges": []any{"CONNECT"},
				}),
				p.MustCreate(t, defaultsToken, inputs{
					"role": n + "_guest", "database": n, "owner": n, "schema": n, "objectType": "function",
					"privileges": []any{"EXECUTE"},
				}),
				p.MustCreate(t, grantToken, inputs{
					"role": n + "_guest", "database": n, "schema": n, "objectType": "schema", "privileges": []any{"USAGE"},
				}),
				p.MustCreate(t, grantToken, inputs{
					"role": n + "_guest", "database": n, "schema": n, "objectType": "function", "privileges": []any{"EXECUTE"},
				}),
			}
			pg := testutil.Postgres(t)
			c := pg.Connect(t, pg.URL(n, n, n))
			exec(t, c, "CREATE FUNCTION "+ident(n, n)+"(x text) RETURNS int LANGUAGE sql AS 'SELECT 1'",
				"CREATE TABLE "+ident(n)+" (id int)") // the search path finds the schema
			for _, r := range all {
				if !r.Refresh() {
					t.Errorf("%s is gone", r.URN.Type())
				}
			}
			_ = c.Close(t.Context())
			for i := len(all) - 1; i >= 0; i-- {
				if err := all[i].Delete(); err != nil {
					t.Errorf("delete %s: %v", all[i].URN.Type(), err)
				}
			}
		})
	}
}
