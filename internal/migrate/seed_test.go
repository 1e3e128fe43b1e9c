package migrate_test

import (
	"strings"
	"testing"

	"plattr.dev/plattr/internal/migrate"
)

func TestSeed(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.options.Path = "seeds"
	result, err := migrate.Seed(t.Context(), f.options)
	if err != nil || result.Rows != 0 || !f.notices.has("no seeds in seeds") {
		t.Errorf("without seeds: %+v, %v, said %q", result, err, f.notices.all)
	}
	exec(t, f.conn, "create table a (id int primary key, name text)")
	f.write(map[string]string{
		"seeds/1.sql": "insert into a values (1, 'x'), (2, 'y') on conflict do nothing;\nselect * from a;\nupdate a set name = 'z' where id = 1;",
		"seeds/2.sql": "COPY a FROM stdin;\n3\t;'\n4\t\\N\n\\.\n",
	})
	result, err = migrate.Seed(t.Context(), f.options)
	if err != nil || result.Rows != 5 || len(result.Files) != 2 || result.Files[1].Rows != 2 {
		t.Errorf("%+v, %v", result, err)
	}
	_, err = migrate.Seed(t.Context(), f.options)
	if err == nil || !strings.Contains(err.Error(), "seeds/2.sql:1:1: statement 1 of 1: duplicate key") {
		t.Errorf("error is %v", err)
	}
	f.write(map[string]string{"seeds/2.sql": "insert into a values (9, 'secret-value'); insert into a values (1, 'secret-value');"})
	_, err = migrate.Seed(t.Context(), f.options)
	if err == nil || strings.Contains(err.Error(), "secret-value") || !strings.Contains(err.Error(), "rolled back") {
		t.Errorf("error is %v", err)
	}
	f.write(map[string]string{"seeds/2.sql": "insert into a values ('secret-value', 'x');"})
	_, err = migrate.Seed(t.Context(), f.options)
	if err == nil || strings.Contains(err.Error(), "secret-value") || !strings.Contains(err.Error(), "seeds/2.sql:1:23: statement 1 of 1: invalid input syntax for type integer (22P02)") {
		t.Errorf("error is %v", err)
	}
	if got := f.query("select count(*) from a"); got != "4" {
		t.Errorf("%s rows", got)
	}
	f.options.Path = "seeds/1.sql"
	if result, err = migrate.Seed(t.Context(), f.options); err != nil || len(result.Files) != 1 {
		t.Errorf("one file: %+v, %v", result, err)
	}
}

func TestInsecureViews(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	exec(t, f.conn,
		"create table shop.plain (id int)", "create table shop.private (id int)", "alter table shop.private enable row level security",
		"create view shop.harmless as select * from shop.plain",
		"create view shop.right with (security_invoker) as select * from shop.private",
		"create view shop.wrong as select p.id from shop.private p join shop.plain using (id)",
		"create view shop.through as select * from shop.right",
		"create materialized view shop.copied as select * from shop.private")
	f.write(map[string]string{"1.sql": "select 1"})
	result, err := f.up(migrate.Raw)
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Join(result.Warnings, "\n")
	for _, want := range []string{"view wrong shows every row of private", "view copied", "view through", "ALTER VIEW wrong SET (security_invoker = true)"} {
		if !strings.Contains(all, want) {
			t.Errorf("warnings are\n%s\nwant %q", all, want)
		}
	}
	if strings.Contains(all, "harmless") || strings.Contains(all, "view right") {
		t.Errorf("warnings are\n%s", all)
	}
}
