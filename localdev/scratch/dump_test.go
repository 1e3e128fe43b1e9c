package scratch_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"plattr.dev/plattr/localdev/scratch"
)

// everything is a schema with what makes restoring hard: a cycle of foreign keys, triggers, identity, generated and
// dropped columns, partitions, inheritance, row-level security that binds the owner, and names that need quotes.
var everything = []string{
	`create table "Order x" (id bigint generated always as identity primary key, item bigint, total numeric, twice numeric generated always as (total * 2) stored, gone int)`,
	`alter table "Order x" drop column gone`,
	`create table item (id bigserial primary key, "order" bigint not null references "Order x", data bytea, at timestamptz default now(), tags text[], doc jsonb)`,
	`alter table "Order x" add foreign key (item) references item deferrable`,
	`create table log (what text)`,
	`create function note() returns trigger language plpgsql as $$ begin insert into shop.log values (tg_table_name); return null; end $$`,
	`create trigger note after insert on item for each row execute function note()`,
	`create table part (id int, at date) partition by range (at)`,
	`create table part_1 partition of part for values from ('2020-01-01') to ('2030-01-01')`,
	`create table hidden (id int primary key)`,
	`alter table hidden enable row level security`, `alter table hidden force row level security`,
	`create materialized view sums as select count(*) n from item`,
	`create table bare ()`,
}

var rows = []string{
	`insert into "Order x" (total) values (1.5), (2)`,
	`insert into item ("order", data, tags, doc) values (1, '\x00ff0a', '{a,"b c",NULL}', '{"a":"\n\t\\"}'), (2, null, null, null)`,
	`update "Order x" set item = 2 where id = 1`,
	`insert into part values (1, '2025-05-05')`, `insert into bare default values`, `refresh materialized view sums`,
}

func TestDumpAndRestore(t *testing.T) {
	t.Parallel()
	a := newApp(t, 0, 0)
	conn := a.pg.Connect(t, a.url(a.name))
	do(t, conn, everything...)
	do(t, conn, rows...)
	history := []scratch.Migration{{Name: "1.sql", Checksum: "x"}}
	var none bytes.Buffer
	if _, err := scratch.Dump(t.Context(), a.url(a.name), "shop", history, &none); err == nil || !strings.Contains(err.Error(), "row-level security") {
		t.Errorf("rows that a policy hides from the owner: error is %v", err)
	}
	do(t, conn, "alter table hidden no force row level security", "insert into hidden values (7)")
	content := `select 'o' || o::text from shop."Order x" o union all select 'i' || i::text from shop.item i union all select 'l' || l::text from shop.log l
		union all select 'p' || p::text from shop.part p union all select 'h' || h::text from shop.hidden h union all select 's' || s::text from shop.sums s
		union all select 'b' || count(*) from shop.bare union all select conname || convalidated || condeferrable from pg_constraint where contype = 'f'
		union all select tgname || tgenabled::text from pg_trigger where not tgisinternal`
	before := a.ask(a.name, content)
	var dump bytes.Buffer
	m, err := scratch.Dump(t.Context(), a.url(a.name), "shop", history, &dump)
	if err != nil {
		t.Fatal(err)
	}
	if m.Rows() != 9 || m.Head() != "1.sql" {
		t.Errorf("%d rows, head %s: %+v", m.Rows(), m.Head(), m)
	}
	do(t, conn, "alter table hidden force row level security", `update "Order x" set item = null`, "delete from item", `delete from "Order x"`, "truncate log, part, bare",
		`insert into "Order x" (total) values (99)`, "refresh materialized view sums")
	restore := func(migrations []scratch.Migration, raw []byte) error {
		_, err := scratch.Restore(t.Context(), a.url(a.name), "shop", migrations, bytes.NewReader(raw), int64(len(raw)))
		return err
	}
	if err := restore(history, dump.Bytes()); err != nil {
		t.Fatal(err)
	}
	if after := a.ask(a.name, content); after != before {
		t.Errorf("before\n%s\nafter\n%s", before, after)
	}
	if got := a.ask(a.name, `select relforcerowsecurity from pg_class where relname = 'hidden'`); got != "true" {
		t.Error("row-level security is not what it was")
	}
	do(t, conn, `insert into "Order x" (total) values (3)`) // the sequence goes on
	if got := a.ask(a.name, `select max(id) from shop."Order x"`); got != "3" {
		t.Errorf("the next order has number %s", got)
	}
	var mismatch *scratch.MismatchError
	for reason, other := range map[string][]scratch.Migration{
		"which has not run here": {}, "ran in its place": {{Name: "2.sql"}}, "another file": {{Name: "1.sql", Checksum: "y"}},
		"which has run here": {{Name: "1.sql"}, {Name: "2.sql"}},
	} {
		if err := restore(other, dump.Bytes()); !errors.As(err, &mismatch) || !strings.Contains(err.Error(), reason) {
			t.Errorf("want %q, error is %v", reason, err)
		}
	}
	if err := restore(history, dump.Bytes()[:dump.Len()/2]); err == nil || !strings.Contains(err.Error(), "not whole") {
		t.Errorf("half a dump: %v", err)
	}
	do(t, conn, "alter table item rename column doc to document")
	if err := restore(history, dump.Bytes()); !errors.As(err, &mismatch) || !strings.Contains(err.Error(), "no column doc") {
		t.Errorf("another column: %v", err)
	}
}

func TestResetSchema(t *testing.T) {
	t.Parallel()
	a := newApp(t, 1, 1)
	if err := a.fill(t.Context(), a.name); err != nil {
		t.Fatal(err)
	}
	rights := "select concat_ws(' ', nspname, nspacl::text) from pg_namespace where nspname ~ '^shop' union all select defaclacl::text from pg_default_acl"
	before := a.ask(a.name, rights)
	conn := a.pg.Connect(t, a.url(a.name))
	do(t, conn, everything...)
	do(t, conn, "create type c as (a int)", "create domain d as int check (value > 0)", "create type e as enum ('a')", "create type r as range (subtype = int)",
		"create procedure p(a int, inout b int) language sql as 'select 1'", "create aggregate total(int) (sfunc = int4pl, stype = int)", "create sequence free",
		"create operator === (leftarg = int, rightarg = int, function = int4eq)", "create statistics st on id, at from part",
		"create text search configuration ts (copy = simple)", "create view v as select * from item")
	super := a.pg.Connect(t, a.pg.SuperURL(a.name))
	do(t, super, "create schema other", "create view other.reader as select * from shop.item")
	if _, err := scratch.ResetSchema(t.Context(), a.url(a.name), "shop", "shop_migrations"); err == nil || !strings.Contains(err.Error(), "other.reader uses item") {
		t.Errorf("error is %v", err)
	}
	do(t, super, "drop schema other cascade")
	dropped, err := scratch.ResetSchema(t.Context(), a.url(a.name), "shop", "shop_migrations")
	if err != nil || dropped < 20 {
		t.Errorf("%d dropped, %v", dropped, err)
	}
	left := `select identity from pg_depend d, lateral pg_identify_object(d.classid, d.objid, d.objsubid) where d.refclassid = 'pg_namespace'::regclass
		and d.refobjid in ('shop'::regnamespace, 'shop_migrations'::regnamespace) and classid <> 'pg_default_acl'::regclass`
	if got := a.ask(a.name, left); got != "" {
		t.Errorf("left: %s", got)
	}
	if after := a.ask(a.name, rights); after != before {
		t.Errorf("rights were\n%s\nand are\n%s", before, after)
	}
	if err := a.fill(t.Context(), a.name); err != nil {
		t.Error(err)
	}
	if dropped, err = scratch.ResetSchema(t.Context(), a.url(a.name), "shop", "shop_migrations"); err != nil || dropped == 0 {
		t.Errorf("second time: %d, %v", dropped, err)
	}
}

func TestFindPgDump(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	program := filepath.Join(dir, "pg_dump")
	if err := os.WriteFile(program, []byte("#!/bin/sh\n[ \"$1\" = --version ] && echo 'pg_dump (PostgreSQL) 16.3' && exit\n"+
		"case \"$*\" in *hunter2*) echo password in argv >&2; exit 1;; esac\n[ \"$PGPASSWORD\" = hunter2 ] || exit 1\necho \"$* $PGHOST $PGPORT $PGUSER $PGDATABASE $PGSSLMODE\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if got, err := scratch.FindPgDump(t.Context(), program, 16); err != nil || got != program {
		t.Errorf("%s, %v", got, err)
	}
	var none *scratch.NoPgDumpError
	if _, err := scratch.FindPgDump(t.Context(), program, 17); !errors.As(err, &none) || !strings.Contains(err.Error(), program+" 16") {
		t.Errorf("error is %v", err)
	}
	if _, err := scratch.FindPgDump(t.Context(), filepath.Join(dir, "missing"), 1); !errors.As(err, &none) {
		t.Errorf("error is %v", err)
	}
	var out bytes.Buffer
	if err := scratch.DumpSQL(t.Context(), program, "postgres://u:hunter2@h:5?sslmode=disable", []string{"shop"}, &out); err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(out.String()); !strings.HasPrefix(got, `--no-password --format=plain --schema="shop" h 5 u`) {
		t.Errorf("ran with %s", got)
	}
}
