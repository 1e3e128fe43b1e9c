package migrate_test

import (
	"testing"

	"plattr.dev/plattr/internal/migrate"
)

// TestHead holds that the head is found by what ran, without files, whatever the search path.
func TestHead(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		engine migrate.Engine
		files  map[string]string
		work   []string
		head   string
		ran    int
	}{
		"RawNone":   {engine: migrate.Raw},
		"GooseNone": {engine: migrate.Goose},
		"KnexNone":  {engine: migrate.Knex},
		"Raw":       {engine: migrate.Raw, files: map[string]string{"001_a.sql": "select 1;", "002_b.sql": "select 2;"}, head: "002_b.sql", ran: 2},
		"Goose": {
			engine: migrate.Goose, files: map[string]string{"9_a.sql": "-- +goose Up\nselect 1;", "10_b.sql": "-- +goose Up\nselect 2;"},
			head: "10_b.sql", ran: 2,
		},
		"StockGoose": {engine: migrate.Goose, work: []string{
			"create table shop_migrations.goose_db_version (id int, version_id bigint, is_applied bool, tstamp timestamp)",
			"insert into shop_migrations.goose_db_version values (1, 0, true, now()), (2, 7, true, now()), (3, 8, true, now()), (4, 8, false, now())",
		}, head: "7", ran: 1},
		"Prisma": {engine: migrate.Prisma, work: []string{
			"create table shop._prisma_migrations (migration_name text, finished_at timestamptz, rolled_back_at timestamptz)",
			"insert into shop._prisma_migrations values ('2_good', now(), null), ('1_init', now(), null), ('3_bad', null, null)",
		}, head: "2_good", ran: 2},
		"Rails": {engine: migrate.Rails, work: []string{
			"create table shop_migrations.schema_migrations (version text)", "insert into shop_migrations.schema_migrations values ('20250101000000')",
		}, head: "20250101000000", ran: 1},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			if len(tc.files) > 0 {
				f.write(tc.files)
				f.mustUp(tc.engine)
			}
			exec(t, f.conn, append(tc.work, "set search_path = pg_catalog")...)
			head, ran, err := migrate.Head(t.Context(), f.conn, tc.engine, "shop", "shop_migrations")
			if err != nil || head != tc.head || ran != tc.ran {
				t.Errorf("%q, %d, %v: want %q, %d", head, ran, err, tc.head, tc.ran)
			}
			for schema, want := range map[string]bool{"shop": true, "Shop": false, "other": false} {
				if there, err := migrate.HasSchema(t.Context(), f.conn, schema); err != nil || there != want {
					t.Errorf("schema %s: %t, %v", schema, there, err)
				}
			}
		})
	}
}
