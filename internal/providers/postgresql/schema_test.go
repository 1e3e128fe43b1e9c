package postgresql

import (
	"testing"

	"plattr.dev/plattr/internal/testutil"
)

func TestSchemaLifecycle(t *testing.T) {
	t.Parallel()
	pg, p := testutil.Postgres(t), provider(t, "life")
	database := newDatabase(t, p)
	role := newRole(t, p, "role", inputs{"login": true, "password": "x"})
	other := newRole(t, p, "other", nil)
	c := super(t, database)
	in := inputs{"name": "shop", "database": database, "owner": role, "dropCascade": true}
	schema := p.MustCreate(t, schemaToken, in)
	wantDiff(t, schema, in)
	if string(schema.ID) != database+".shop" {
		t.Errorf("ID = %q, want the official plugin's", schema.ID)
	}

	exec(t, c, "ALTER SCHEMA shop OWNER TO "+other)
	wantDiff(t, schema, in, "owner")
	if err := schema.Update(in); err != nil {
		t.Fatal(err)
	}
	wantDiff(t, schema, in)

	exec(t, pg.Connect(t, pg.URL(role, "x", database)), "COMMENT ON SCHEMA shop IS 'Our API'",
		"CREATE TABLE shop.item (id int)")
	wantDiff(t, schema, in) // the comment is the application's

	exec(t, c, "DROP SCHEMA shop CASCADE")
	if schema.Refresh() {
		t.Error("a dropped schema is still seen")
	}
	schema = p.MustCreate(t, schemaToken, in)
	for range 2 {
		if err := schema.Delete(); err != nil {
			t.Fatal(err)
		}
	}
	schema = p.MustCreate(t, schemaToken, in)
	exec(t, super(t, "postgres"), "DROP DATABASE "+database+" WITH (FORCE)")
	if schema.Refresh() {
		t.Error("a schema outlives its database")
	}
	if err := schema.Delete(); err != nil {
		t.Errorf("what went with its database cannot be in the way: %v", err)
	}
}

func TestSchemaOwnership(t *testing.T) {
	t.Parallel()
	p, other := provider(t, "mine"), provider(t, "theirs")
	database := newDatabase(t, p)
	mine, theirs := newRole(t, p, "mine", nil), newRole(t, other, "theirs", nil)
	c := super(t, database)
	exec(t, c, "CREATE SCHEMA people", "CREATE SCHEMA foreign_ AUTHORIZATION "+theirs, "CREATE SCHEMA ours AUTHORIZATION "+mine,
		"CREATE SCHEMA marked", "ALTER SCHEMA marked OWNER TO "+testutil.AdminUser, "COMMENT ON SCHEMA marked IS 'plattr:owner=plattr/mine'")
	cases := map[string]string{
		"people":   unmarkedByAHand,
		"foreign_": "belongs to another stack (plattr/theirs)",
		"ours":     "",
		"marked":   "",
		"fresh":    "",
	}
	for name, want := range cases {
		s, err := p.Create(t, schemaToken, inputs{"name": name, "database": database, "dropCascade": true})
		wantErr(t, err, want)
		if err == nil {
			if !s.Refresh() {
				t.Errorf("%s: not recognised", name)
			}
			if err := s.Delete(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	left := value(t, c, `SELECT string_agg(nspname, ' ' ORDER BY nspname) FROM pg_namespace
		WHERE nspname IN ('people', 'foreign_', 'ours', 'marked', 'fresh')`)
	if left != "foreign_ people" {
		t.Errorf("left = %q", left)
	}
}

// TestSchemaRestricted holds that a schema with contents goes only with dropCascade.
func TestSchemaRestricted(t *testing.T) {
	t.Parallel()
	p := provider(t, "restricted")
	database := newDatabase(t, p)
	in := inputs{"name": "shop", "database": database}
	schema := p.MustCreate(t, schemaToken, in)
	exec(t, super(t, database), "CREATE TABLE shop.item (id int)")
	wantErr(t, schema.Delete(), "table shop.item depends on schema shop")
	_, err := p.Create(t, schemaToken, inputs{"name": "shop", "database": database, "ifNotExists": false})
	wantErr(t, err, "schema shop exists")
}

// TestAdministratorCutOff holds that an administrator whose memberships somebody revoked takes them on again.
func TestAdministratorCutOff(t *testing.T) {
	t.Parallel()
	p := provider(t, "cut")
	database := newDatabase(t, p)
	role := newRole(t, p, "role", nil)
	c := super(t, database)
	cut := "REVOKE " + role + " FROM " + testutil.AdminUser + " GRANTED BY " + testutil.AdminUser
	exec(t, c, cut)
	in := inputs{"name": "shop", "database": database, "owner": role, "dropCascade": true}
	schema := p.MustCreate(t, schemaToken, in)
	exec(t, c, cut)
	g := inputs{"role": "public", "database": database, "schema": "shop", "objectType": "schema", "privileges": []any{"USAGE"}}
	grant := p.MustCreate(t, grantToken, g)
	wantDiff(t, grant, g)
	exec(t, c, cut)
	p.MustCreate(t, defaultsToken, inputs{
		"role": "public", "database": database, "owner": role, "objectType": "function", "privileges": []any{},
	})
	exec(t, c, cut)
	if err := schema.Delete(); err != nil {
		t.Error(err)
	}
}

// TestClosedDatabase holds that a database that a killed reset left closed is seen as just that, and opened.
func TestClosedDatabase(t *testing.T) {
	t.Parallel()
	p := provider(t, "closed")
	in := inputs{"name": testutil.Unique("db")}
	db := p.MustCreate(t, databaseToken, in)
	atEnd(t, db)
	role, database := newRole(t, p, "role", nil), string(db.ID)
	inside := map[*testutil.Resource]inputs{}
	for _, r := range []struct {
		token string
		in    inputs
	}{
		{schemaToken, inputs{"name": "shop", "owner": role, "dropCascade": true}},
		{grantToken, inputs{"role": role, "schema": "shop", "objectType": "schema", "privileges": []any{"USAGE"}}},
		{defaultsToken, inputs{"role": "public", "owner": role, "objectType": "function", "privileges": []any{}}},
		{extensionToken, inputs{"name": "citext", "schema": "shop"}},
	} {
		r.in["database"] = database
		inside[p.MustCreate(t, r.token, r.in)] = r.in
	}
	exec(t, super(t, "postgres"), "ALTER DATABASE "+database+" ALLOW_CONNECTIONS false",
		"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '"+database+"'")
	for r, in := range inside {
		wantDiff(t, r, in)
	}
	wantDiff(t, db, in, "allowConnections")
	if err := db.Update(in); err != nil {
		t.Fatal(err)
	}
	for r, in := range inside {
		wantDiff(t, r, in)
	}
}

func TestExtensionLifecycle(t *testing.T) {
	t.Parallel()
	p, other := provider(t, "maker"), provider(t, "user")
	database := newDatabase(t, p)
	c := super(t, database)
	there := "SELECT count(*)::text FROM pg_extension WHERE extname = $1"
	exec(t, c, "CREATE SCHEMA extensions AUTHORIZATION "+testutil.AdminUser, "CREATE EXTENSION citext SCHEMA extensions")

	in := inputs{"name": "pg_trgm", "database": database, "schema": "extensions"}
	made := p.MustCreate(t, extensionToken, in)
	wantDiff(t, made, in)
	used := other.MustCreate(t, extensionToken, in)
	found := p.MustCreate(t, extensionToken, inputs{"name": "citext", "database": database, "schema": "extensions"})
	for what, r := range map[string]*testutil.Resource{"another stack's": used, "a person's": found} {
		if err := r.Delete(); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if value(t, c, there, r.Output("name")) != "1" {
			t.Errorf("%s extension was dropped", what)
		}
	}
	exec(t, c, "CREATE TABLE t (name text)", "CREATE INDEX ON t USING gin (name extensions.gin_trgm_ops)")
	if err := made.Delete(); err != nil || value(t, c, there, "pg_trgm") != "1" {
		t.Errorf("an extension that is used is left, without an error: %v", err)
	}
	exec(t, c, "DROP TABLE t")
	if err := made.Delete(); err != nil || value(t, c, there, "pg_trgm") != "0" {
		t.Errorf("the maker drops it: %v", err)
	}

	_, err := p.Create(t, extensionToken, inputs{"name": "citext", "database": database, "schema": "public"})
	wantErr(t, err, "it is there already, in schema extensions and not public")
	_, err = p.Create(t, extensionToken, inputs{"name": "file_fdw", "database": database})
	wantErr(t, err, "permission denied to create extension")
	_, err = p.Create(t, extensionToken, inputs{"name": `no"such`, "database": database})
	wantErr(t, err, "create extension no\"such")
}
