package postgresql

import (
	"testing"

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
}
