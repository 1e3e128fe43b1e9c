package postgresql

import (
	"fmt"
	"sync"
	"testing"

	"plattr.dev/plattr/internal/testutil"
)

func TestGrantLifecycle(t *testing.T) {
	t.Parallel()
	pg, p := testutil.Postgres(t), provider(t, "grant")
	database := newDatabase(t, p)
	app := newRole(t, p, "app", inputs{"login": true, "password": "x"})
	guest := newRole(t, p, "guest", nil)
	p.MustCreate(t, schemaToken, inputs{"name": "shop", "database": database, "owner": app, "dropCascade": true})
	c := super(t, database)
	exec(t, pg.Connect(t, pg.URL(app, "x", database)), "CREATE TABLE shop.a (id serial)", `CREATE TABLE shop."B ""b" (id int)`,
		"CREATE VIEW shop.v AS SELECT 1", "CREATE FUNCTION shop.f(a int, b text) RETURNS int LANGUAGE sql AS 'SELECT 1'",
		"CREATE PROCEDURE shop.p() LANGUAGE sql AS 'SELECT 1'")
	exec(t, c, "CREATE TABLE shop.of_a_superuser (id int)") // not the application's: no drift, no error

	cases := map[string]struct {
		in            inputs
		drift, repair string // statements by hand
		held          string // what the role must have
	}{
		"Table": {
			in:    inputs{"objectType": "table", "privileges": []any{"select", "INSERT"}},
			drift: "REVOKE INSERT ON shop.a FROM %s", held: "SELECT has_table_privilege($1, 'shop.a', 'INSERT')::text",
		},
		"TableMore": {
			in:    inputs{"objectType": "table", "privileges": []any{"SELECT"}, "objects": []any{"v", "a"}},
			drift: "GRANT DELETE ON shop.v TO %s", held: "SELECT (NOT has_table_privilege($1, 'shop.v', 'DELETE'))::text",
		},
		"Sequence": {
			in:    inputs{"objectType": "sequence", "privileges": []any{"USAGE"}},
			drift: "REVOKE ALL ON ALL SEQUENCES IN SCHEMA shop FROM %s", held: "SELECT has_sequence_privilege($1, 'shop.a_id_seq', 'USAGE')::text",
		},
		"Function": {
			in:    inputs{"objectType": "function", "privileges": []any{"EXECUTE"}},
			drift: "REVOKE ALL ON FUNCTION shop.f FROM %s", held: "SELECT has_function_privilege($1, 'shop.f(int,text)', 'EXECUTE')::text",
		},
		"Schema": {
			in:    inputs{"objectType": "schema", "privileges": []any{"USAGE"}},
			drift: "GRANT CREATE ON SCHEMA shop TO %s", held: "SELECT (NOT has_schema_privilege($1, 'shop', 'CREATE'))::text",
		},
		"None": {
			in:    inputs{"objectType": "sequence", "privileges": []any{}},
			drift: "GRANT SELECT ON shop.a_id_seq TO %s", held: "SELECT (NOT has_sequence_privilege($1, 'shop.a_id_seq', 'SELECT'))::text",
		},
	}
	for name, tc := range cases {
		in := tc.in
		in["role"], in["database"], in["schema"] = guest, database, "shop"
		g := p.MustCreate(t, grantToken, in)
		wantDiff(t, g, in)
		exec(t, c, fmt.Sprintf(tc.drift, guest))
		wantDiff(t, g, in, "privileges")
		if err := g.Update(in); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if value(t, c, tc.held, guest) != "true" {
			t.Errorf("%s: not repaired", name)
		}
		wantDiff(t, g, in)
		for range 2 {
			if err := g.Delete(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		left := value(t, c, `SELECT count(*)::text FROM pg_class c, aclexplode(relacl) a, pg_roles r
			WHERE a.grantee = r.oid AND r.rolname = $1 AND relnamespace = 'shop'::regnamespace`, guest)
		if left != "0" {
			t.Errorf("%s: %s rights are left", name, left)
		}
	}
}

// TestGrantOnDatabase holds that PUBLIC's rights can be taken away: nobody else gets into an application's database.
func TestGrantOnDatabase(t *testing.T) {
	t.Parallel()
	pg, p := testutil.Postgres(t), provider(t, "public")
	database := newDatabase(t, p)
	stranger := newRole(t, p, "stranger", inputs{"login": true, "password": "x"})
	pg.Connect(t, pg.URL(stranger, "x", database))
	in := inputs{"role": "public", "database": database, "objectType": "database", "privileges": []any{}}
	g := p.MustCreate(t, grantToken, in)
	wantDiff(t, g, in)
	var denied string
	if err := connectError(t, pg.URL(stranger, "x", database)); err != nil {
		denied = err.Error()
	}
	wantErr(t, fmt.Errorf("%s", denied), "permission denied for database")
	exec(t, super(t, "postgres"), "GRANT CONNECT ON DATABASE "+database+" TO PUBLIC")
	wantDiff(t, g, in, "privileges")
}

func TestGrantGone(t *testing.T) {
	t.Parallel()
	p := provider(t, "gone")
	cases := map[string]func(t *testing.T, database, role string){
		"Role": func(t *testing.T, _, role string) {
			t.Helper()
			exec(t, super(t, "postgres"), "DROP ROLE "+role)
		},
		"Schema": func(t *testing.T, database, _ string) {
			t.Helper()
			exec(t, super(t, database), "DROP SCHEMA shop CASCADE")
		},
		"Database": func(t *testing.T, database, _ string) {
			t.Helper()
			exec(t, super(t, "postgres"), "DROP DATABASE "+database+" WITH (FORCE)")
		},
	}
	for name, drop := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			database, role := newDatabase(t, p), newRole(t, p, "role", nil)
			p.MustCreate(t, schemaToken, inputs{"name": "shop", "database": database})
			all := []*testutil.Resource{
				p.MustCreate(t, grantToken, inputs{
					"role": role, "database": database, "schema": "shop", "objectType": "table", "privileges": []any{},
				}),
				p.MustCreate(t, defaultsToken, inputs{
					"role": "public", "database": database, "owner": role, "schema": "shop", "objectType": "table",
					"privileges": []any{},
				}),
			}
			drop(t, database, role)
			for _, r := range all {
				if r.Refresh() {
					t.Errorf("%s is still seen", r.URN.Type())
				}
				if err := r.Delete(); err != nil {
					t.Errorf("%s: %v", r.URN.Type(), err)
				}
			}
		})
	}
	database := newDatabase(t, p)
	for object, in := range map[string]inputs{
		"role nobody_there": {"role": "nobody_there", "database": database, "objectType": "database", "privileges": []any{"CONNECT"}},
		"schema nowhere":    {"role": "public", "database": database, "schema": "nowhere", "objectType": "table", "privileges": []any{}},
	} {
		_, err := p.Create(t, grantToken, in)
		wantErr(t, err, object+" does not exist")
	}
}

func TestDefaultPrivilegesLifecycle(t *testing.T) {
	t.Parallel()
	pg, p := testutil.Postgres(t), provider(t, "defaults")
	database := newDatabase(t, p)
	app := newRole(t, p, "app", inputs{"login": true, "password": "x"})
	guest := newRole(t, p, "guest", nil)
	p.MustCreate(t, schemaToken, inputs{"name": "shop", "database": database, "owner": app, "dropCascade": true})
	c := super(t, database)

	tables := inputs{
		"role": guest, "database": database, "owner": app, "schema": "shop", "objectType": "table", "privileges": []any{"SELECT"},
	}
	functions := inputs{"role": "public", "database": database, "owner": app, "objectType": "function", "privileges": []any{}}
	d, f := p.MustCreate(t, defaultsToken, tables), p.MustCreate(t, defaultsToken, functions)
	wantDiff(t, d, tables)
	wantDiff(t, f, functions)
	if want := guest + "_" + database + "_shop_" + app + "_table"; string(d.ID) != want {
		t.Errorf("ID = %q, want the official plugin's %q", d.ID, want)
	}
	exec(t, pg.Connect(t, pg.URL(app, "x", database)), "CREATE TABLE shop.later (id int)",
		"CREATE FUNCTION shop.f() RETURNS int LANGUAGE sql AS 'SELECT 1'")
	for what, query := range map[string]string{
		"read":    "SELECT has_table_privilege($1, 'shop.later', 'SELECT')::text",
		"write":   "SELECT (NOT has_table_privilege($1, 'shop.later', 'INSERT'))::text",
		"execute": "SELECT (NOT has_function_privilege($1, 'shop.f()', 'EXECUTE'))::text",
	} {
		if value(t, c, query, guest) != "true" {
			t.Errorf("%s: wrong on what was made later", what)
		}
	}
	alter := "ALTER DEFAULT PRIVILEGES FOR ROLE " + app
	exec(t, c, alter+" IN SCHEMA shop GRANT DELETE ON TABLES TO "+guest, alter+" GRANT EXECUTE ON FUNCTIONS TO PUBLIC")
	wantDiff(t, d, tables, "privileges")
	wantDiff(t, f, functions, "privileges")
	for r, in := range map[*testutil.Resource]inputs{d: tables, f: functions} {
		if err := r.Update(in); err != nil {
			t.Fatal(err)
		}
		wantDiff(t, r, in)
		for range 2 {
			if err := r.Delete(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if left := value(t, c, "SELECT count(*)::text FROM pg_default_acl"); left != "0" {
		t.Errorf("%s default rights are left", left)
	}
}

// TestGrantsAtOnce holds that stacks that give rights on the same things at once do not meet ("tuple concurrently
// updated"), even while a person, who takes no lock, does the same.
func TestGrantsAtOnce(t *testing.T) {
	t.Parallel()
	const stacks = 20
	p := provider(t, "base")
	database := newDatabase(t, p)
	p.MustCreate(t, schemaToken, inputs{"name": "shop", "database": database})
	pg := testutil.Postgres(t)
	admin := pg.Connect(t, pg.AdminURL(database))
	exec(t, admin, "CREATE TABLE shop.item (id int)")
	stop := make(chan struct{})
	var person, work sync.WaitGroup
	person.Go(func() {
		for {
			select {
			case <-stop:
				return
			default: // it may fail itself: nobody promised a person anything
				_, _ = admin.Exec(t.Context(), "GRANT SELECT ON shop.item TO PUBLIC")
				_, _ = admin.Exec(t.Context(), "REVOKE SELECT ON shop.item FROM PUBLIC")
			}
		}
	})
	for i := range stacks {
		own := provider(t, fmt.Sprintf("stack%d", i))
		work.Go(func() {
			role, err := own.Create(t, roleToken, inputs{"name": testutil.Unique("role"), "skipReassignOwned": true})
			if err != nil {
				t.Error(err)
				return
			}
			atEnd(t, role)
			for _, in := range []inputs{
				{"objectType": "database", "privileges": []any{"CONNECT"}},
				{"objectType": "schema", "schema": "shop", "privileges": []any{"USAGE"}},
				{"objectType": "table", "schema": "shop", "privileges": []any{"SELECT", "INSERT"}},
			} {
				in["role"], in["database"] = string(role.ID), database
				if _, err := own.Create(t, grantToken, in); err != nil {
					t.Error(err)
				}
			}
			if err := role.Delete(); err != nil {
				t.Error(err)
			}
		})
	}
	work.Wait()
	close(stop)
	person.Wait()
}
