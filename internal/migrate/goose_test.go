package migrate_test

import (
	"errors"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"plattr.dev/plattr/internal/migrate"
)

func TestGooseRunsOnceAndKeepsChecksums(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.mustUp(migrate.Goose)
	f.write(map[string]string{
		"2_b.sql":    "-- +goose Up\n-- +goose StatementBegin\ncreate function n() returns int language plpgsql as $$\nbegin\n  return 7;\nend $$;\n-- +goose StatementEnd\n-- +goose Down\ndrop function n;",
		"1_a.sql":    "-- +goose Up\ncreate table a (id int);\n-- +goose Down\ndrop table a;",
		"10_c.sql":   "-- +goose NO TRANSACTION\n-- +goose Up\ninsert into a select n();\ncreate index concurrently i on a (id);\n-- +goose Down\ndrop index i;",
		"helper.sql": "not a migration of goose",
	})
	if got := f.states(migrate.Goose); got != "1_a.sql=pending 2_b.sql=pending 10_c.sql=pending" {
		t.Error(got)
	}
	if got := f.mustUp(migrate.Goose); got != "1_a.sql 2_b.sql 10_c.sql" {
		t.Errorf("applied %q", got)
	}
	result, err := f.up(migrate.Goose)
	if err != nil || names(result) != "" || result.Already != 3 || result.Head != "10_c.sql" {
		t.Errorf("second run: %+v, %v", result, err)
	}
	if got := f.query("select version_id from shop_migrations.goose_db_version"); got != "0 1 2 10" {
		t.Errorf("goose's versions are %q", got)
	}
	f.write(map[string]string{"1_a.sql": "-- +goose Up\ncreate table a (id bigint);", "3_late.sql": "-- +goose Up\nselect 1;"})
	f.failure(migrate.Goose, "migrations/1_a.sql: was changed after it ran", "3_late.sql: comes before 10_c.sql")
}

func TestGooseFailurePositions(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.write(map[string]string{"1_a.sql": "-- +goose Up\n-- The first.\ncreate table a (id int);\ninsert into a\n  select missing;\n-- +goose Down\ndrop table a;"})
	err := f.failure(migrate.Goose, `migrations/1_a.sql:5:10: statement 2 of 2: column "missing" does not exist`, "rolled back")
	var failed *migrate.StatementError
	if !errors.As(err, &failed) || !failed.RolledBack {
		t.Errorf("%+v", failed)
	}
	f.write(map[string]string{"1_a.sql": "-- +goose Up\n-- +goose NO TRANSACTION\ncreate table a (id int);\ninsert into a values (1);\nvacuum missing;\n-- +goose Down\nselect 1;"})
	f.failure(migrate.Goose, `migrations/1_a.sql:5:1: statement 3 of 3: relation "missing" does not exist`, "the 2 statements before it stay")
	f.write(map[string]string{"1_a.sql": "-- +goose Up\n-- +goose NO TRANSACTION\ncreate table a (id int);\ninsert into a values (1);\nvacuum a;\n-- +goose Down\nselect 1;"})
	if got := f.mustUp(migrate.Goose); got != "1_a.sql" {
		t.Errorf("applied %q", got)
	}
	if got := f.query("select id from a"); got != "1" {
		t.Errorf("rows %q", got)
	}
	f.write(map[string]string{"2_b.sql": "create table b ();"})
	f.failure(migrate.Goose, "migrations/2_b.sql:1:1: goose's line `-- +goose Up` is missing")
}

func TestGooseContinuesTheStockProgram(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.write(map[string]string{"1_a.sql": "-- +goose Up\ncreate table a ();\n-- +goose Down\ndrop table a;"})
	config, err := pgx.ParseConfig(f.options.URL)
	if err != nil {
		t.Fatal(err)
	}
	db := stdlib.OpenDB(*config)
	t.Cleanup(func() { _ = db.Close() })
	stock, err := goose.NewProvider(goose.DialectPostgres, db, os.DirFS(f.options.Root+"/migrations"), goose.WithTableName("shop_migrations.goose_db_version"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stock.Up(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.write(map[string]string{"2_b.sql": "-- +goose Up\ncreate table b ();\n-- +goose Down\ndrop table b;"})
	if got := f.mustUp(migrate.Goose); got != "2_b.sql" {
		t.Errorf("applied %q", got)
	}
	stock, err = goose.NewProvider(goose.DialectPostgres, db, os.DirFS(f.options.Root+"/migrations"), goose.WithTableName("shop_migrations.goose_db_version"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stock.Down(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := f.states(migrate.Goose); got != "1_a.sql=applied 2_b.sql=pending" {
		t.Error(got)
	}
	if got := f.mustUp(migrate.Goose); got != "2_b.sql" {
		t.Errorf("after a Down: applied %q", got)
	}
}

func TestGooseRefusesGoFiles(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.write(map[string]string{"1_a.go": "package migrations"})
	f.failure(migrate.Goose, "migrations/1_a.go: goose migrations in Go run only in the project's own program")
}
