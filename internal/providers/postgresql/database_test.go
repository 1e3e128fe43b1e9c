package postgresql

import (
	"testing"

	"plattr.dev/plattr/internal/testutil"
)

func TestDatabaseLifecycle(t *testing.T) {
	t.Parallel()
	p := provider(t, "life")
	in := inputs{"name": testutil.Unique("db")}
	db := p.MustCreate(t, databaseToken, in)
	atEnd(t, db)
	c := super(t, "postgres")

	if got := value(t, c, "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = $1", in["name"]); got != "plattr:owner=plattr/life" {
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
