package migrate_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	osexec "os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"plattr.dev/plattr/internal/migrate"
)

func TestRawRunsInOrderAndOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	if got := f.mustUp(migrate.Raw); got != "" || !f.notices.has("no migrations in migrations") {
		t.Errorf("without a directory: applied %q, said %q", got, f.notices.all)
	}
	f.write(map[string]string{
		"002_fill.sql": "insert into item(name) values ('a;b'), ($$c$$); -- ;\nset search_path = pg_catalog;\nset role none;",
		"001_item.sql": "create table item (id bigserial primary key, name text not null);\ncreate function n() returns bigint language sql begin atomic select count(*) from item; end;",
		"003_b.sql":    "create table b ();", "README.md": "not SQL", "003_b.down.sql": "drop table b",
	})
	if got := f.states(migrate.Raw); got != "001_item.sql=pending 002_fill.sql=pending 003_b.sql=pending" {
		t.Error(got)
	}
	if got := f.mustUp(migrate.Raw); got != "001_item.sql 002_fill.sql 003_b.sql" {
		t.Errorf("applied %q", got)
	}
	if got := f.query("select n()"); got != "2" {
		t.Errorf("%s rows", got)
	}
	if got := f.query("select relname from pg_class where relname = 'b' and relnamespace = 'shop'::regnamespace"); got != "b" {
		t.Error("a search_path that one file sets reached the next")
	}
	result, err := f.up(migrate.Raw)
	if err != nil || names(result) != "" || result.Already != 3 || result.Head != "003_b.sql" {
		t.Errorf("second run: %+v, %v", result, err)
	}
	if got := f.states(migrate.Raw); got != "001_item.sql=applied 002_fill.sql=applied 003_b.sql=applied" {
		t.Error(got)
	}
}

func TestRawRefusesAnotherHistory(t *testing.T) {
	t.Parallel()
	base := map[string]string{"001_a.sql": "create table a ();", "003_c.sql": "create table c ();"}
	cases := map[string]struct {
		reason string
		change map[string]string
		want   []string
		states string
	}{
		"Edited": {
			reason: "What ran cannot be changed afterwards.", change: map[string]string{"001_a.sql": "create table a (id int);"},
			want: []string{"migrations/001_a.sql: was changed after it ran"}, states: "001_a.sql=changed 003_c.sql=applied",
		},
		"Missing": {
			reason: "Nobody can make this database again without the file.", change: map[string]string{"001_a.sql": ""},
			want: []string{"001_a.sql: ran here, but the file is gone"}, states: "003_c.sql=applied 001_a.sql=missing",
		},
		"OutOfOrder": {
			reason: "Another database would run it earlier.", change: map[string]string{"002_b.sql": "create table b ();"},
			want: []string{"migrations/002_b.sql: comes before 003_c.sql, which ran already"}, states: "001_a.sql=applied 002_b.sql=pending 003_c.sql=applied",
		},
		"Renamed": {
			reason: "A rename is said as one.", change: map[string]string{"001_a.sql": "", "001_first.sql": "create table a ();"},
			want: []string{"migrations/001_first.sql: ran as 001_a.sql"}, states: "001_first.sql=pending 003_c.sql=applied 001_a.sql=missing",
		},
		"Several": {
			reason: "Every problem is said at once.", change: map[string]string{"001_a.sql": "select 1", "003_c.sql": ""},
			want: []string{"001_a.sql: was changed", "003_c.sql: ran here"}, states: "001_a.sql=changed 003_c.sql=missing",
		},
		"Numbers": {
			reason: "Names order files, not numbers.", change: map[string]string{"10_x.sql": "select 1", "9_y.sql": "select 1", "003_c.sql": "", "001_a.sql": ""},
			want: []string{"migrations/10_x.sql: would run before 9_y.sql"}, states: "10_x.sql=pending 9_y.sql=pending 001_a.sql=missing 003_c.sql=missing",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.write(base)
			f.mustUp(migrate.Raw)
			f.write(c.change)
			var history *migrate.HistoryError
			if err := f.failure(migrate.Raw, c.want...); !errors.As(err, &history) {
				t.Errorf("%s\nerror is a %T", c.reason, err)
			}
			if got := f.states(migrate.Raw); got != c.states {
				t.Errorf("states are %s", got)
			}
		})
	}
}

func TestRawLineEndsAreTheSameFile(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.write(map[string]string{"1.sql": "create table a (\n);\n"})
	f.mustUp(migrate.Raw)
	f.write(map[string]string{"1.sql": "create table a (\r\n);\r\n"})
	if got := f.mustUp(migrate.Raw); got != "" {
		t.Errorf("ran %s again", got)
	}
}

func TestRawRollsBackAFailedFile(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.write(map[string]string{
		"1.sql": "create table a (id int);",
		"2.sql": "-- second\ncreate table b (id int);\n\ninsert into b\n  select 'ö', missing from a;\nselect 1;",
	})
	err := f.failure(migrate.Raw, `migrations/2.sql:5:15: statement 2 of 3: column "missing" does not exist (42703)`, "was rolled back")
	var failed *migrate.StatementError
	if !errors.As(err, &failed) || !failed.RolledBack || failed.Statement != 2 {
		t.Errorf("%+v", failed)
	}
	if got := f.query("select relname from pg_class where relnamespace = 'shop'::regnamespace"); got != "a" {
		t.Errorf("tables %q remain", got)
	}
	f.write(map[string]string{"2.sql": "create table b (id int);"})
	if got := f.mustUp(migrate.Raw); got != "2.sql" {
		t.Errorf("after mending: %q", got)
	}
	f.write(map[string]string{"3.sql": "create table c (id int primary key deferrable initially deferred); insert into c values (1), (1);"})
	f.failure(migrate.Raw, "migrations/3.sql: duplicate key", "rolled back")
}

func TestRawRefusesAFileBeforeAnythingRuns(t *testing.T) {
	t.Parallel()
	cases := map[string]struct{ reason, text, want string }{
		"Open":        {"A string without its end.", "select 'a", "migrations/2.sql:1:8: string is not closed"},
		"Meta":        {"psql is not here.", "select 1;\n\\i x.sql", `migrations/2.sql:2:1: \i is a command of psql`},
		"Transaction": {"It would end ours.", "begin;\ncreate table b ();\ncommit;", "migrations/2.sql:1:1: BEGIN: a file is one transaction by itself"},
		"Directive":   {"A misspelt directive must not be a comment.", "-- plattr: no-transactions\nselect 1", `migrations/2.sql:1:1: unknown directive "no-transactions"`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.write(map[string]string{"1.sql": "create table a ();", "2.sql": c.text})
			var file *migrate.FileError
			if err := f.failure(migrate.Raw, c.want); !errors.As(err, &file) {
				t.Errorf("%s: error is a %T", c.reason, err)
			}
			if got := f.query("select relname from pg_class where relnamespace = 'shop'::regnamespace"); got != "" {
				t.Errorf("%s ran first", got)
			}
		})
	}
}

func TestRawContinuesOutsideATransaction(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.write(map[string]string{"1.sql": "create table a (id int);\nset work_mem = '5MB';\ninsert into a values (1), (1);\n" +
		"create unique index concurrently a_id on a (id);\ninsert into a select 7 where current_setting('work_mem') = '5MB';"})
	f.failure(migrate.Raw, "migrations/1.sql:4:1: statement 4 of 5: could not create unique index", "the 3 statements before it stay")
	if got := f.states(migrate.Raw); got != "1.sql=half-done" {
		t.Error(got)
	}
	// What ran cannot be changed, what did not run can.
	f.write(map[string]string{"1.sql": "create table a (id bigint);\nset work_mem = '5MB';\ninsert into a values (1), (1);\nselect 1"})
	f.failure(migrate.Raw, "1.sql: its first 3 statements have run and were changed since")
	f.write(map[string]string{"1.sql": "create table a (id int);\nset work_mem = '5MB';\ninsert into a values (1), (1);\n" +
		"delete from a;\ncreate unique index concurrently a_id on a (id);\ninsert into a select 7 where current_setting('work_mem') = '5MB';"})
	if got := f.mustUp(migrate.Raw); got != "1.sql" {
		t.Errorf("applied %q", got)
	}
	if got := f.query("select id from a"); got != "7" {
		t.Errorf("rows %q", got)
	}
	if got := f.mustUp(migrate.Raw); got != "" {
		t.Errorf("ran %q again", got)
	}
}

func TestRawDropsTheInvalidIndex(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	text := "create table a (id int);\ninsert into a values (1), (1);\ncreate unique index concurrently a_id on a (id);\nvacuum a;"
	f.write(map[string]string{"1.sql": text})
	f.failure(migrate.Raw, "statement 3 of 4")
	exec(t, f.conn, "delete from a") // the file is right, the data was wrong
	f.mustUp(migrate.Raw)
	if got := f.query("select indisvalid from pg_index where indexrelid = 'a_id'::regclass"); got != "true" {
		t.Errorf("index is valid: %q", got)
	}
}

func TestRawEnumValueInItsFile(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.write(map[string]string{
		"1.sql": "create type colour as enum ('red'); create table a (c colour);",
		"2.sql": "alter type colour add value 'blue';\ninsert into a values ('blue');",
		"3.sql": "alter type colour add value 'green';\ninsert into a values ('red');",
	})
	f.mustUp(migrate.Raw)
	if !f.notices.has("2.sql, outside a transaction: ALTER TYPE") || f.notices.has("3.sql, outside") {
		t.Errorf("said %q", f.notices.all)
	}
	if got := f.query("select c from a"); got != "red blue" {
		t.Errorf("rows %q", got)
	}
}

func TestRawDirectiveAndProcedures(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.write(map[string]string{"1.sql": "-- A large fill.\n-- plattr: no-transaction\ncreate table a (id int);\n" +
		"do $$ begin for i in 1..3 loop insert into a values (i); commit; end loop; end $$;"})
	f.mustUp(migrate.Raw)
	if got := f.query("select id from a"); got != "1 2 3" {
		t.Errorf("rows %q", got)
	}
}

func TestRawStopsAt(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.write(map[string]string{"1.sql": "create table a ();", "2.sql": "create table b ();", "3.sql": "create table c ();"})
	f.options.To = "2.sql"
	if got := f.mustUp(migrate.Raw); got != "1.sql 2.sql" {
		t.Errorf("applied %q", got)
	}
	f.options.To = "4.sql"
	f.failure(migrate.Raw, "migration 4.sql: no such file")
	f.options.To = ""
	if got := f.mustUp(migrate.Raw); got != "3.sql" {
		t.Errorf("applied %q", got)
	}
}

func TestLockIsWaitedForAndNamed(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	// The first run builds an index without a transaction, which waits for every transaction there is: a second run
	// that waited inside one would stop both for ever.
	f.write(map[string]string{"1.sql": "create table a (id int);\nselect pg_advisory_lock(4711);\nselect pg_advisory_unlock(4711);\ncreate index concurrently i on a (id);"})
	f.query("select pg_advisory_lock(4711)::text") // holds the first run up until the second one waits
	done := make(chan error, 1)
	runner := f.runner(migrate.Raw)
	go func() {
		_, err := runner.Up(context.WithoutCancel(t.Context()))
		done <- err
	}()
	waitFor(t, func() bool {
		return f.query("select 1 from pg_locks where locktype = 'advisory' and not granted") == "1"
	})
	second := *f
	second.options.LockWait = 50 * time.Millisecond
	second.options.Progress = nil
	_, err := second.up(migrate.Raw)
	var locked *migrate.LockedError
	if !errors.As(err, &locked) || !errors.Is(err, migrate.ErrLocked) || !strings.Contains(err.Error(), fmt.Sprintf("plattr, process %d", os.Getpid())) {
		t.Errorf("error is %v", err)
	}
	said := &lines{}
	var free sync.Once
	second.options.LockWait, second.options.Progress = 0, func(message string) {
		said.add(message)
		free.Do(func() { f.query("select pg_advisory_unlock(4711)::text") })
	}
	if got := second.mustUp(migrate.Raw); got != "" {
		t.Errorf("the second run applied %q", got)
	}
	if !said.has("waiting for the migration lock, held by plattr, process") {
		t.Errorf("said %q", said.all)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestCancelEndsAtOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.write(map[string]string{"1.sql": "create table a ();\nselect pg_sleep(60);"})
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	begun := time.Now()
	if _, err := f.runner(migrate.Raw).Up(ctx); err == nil {
		t.Error("no error")
	}
	if took := time.Since(begun); took > 3*time.Second {
		t.Errorf("took %s", took)
	}
	waitFor(t, func() bool { return f.query("select pid from pg_locks where locktype = 'advisory'") == "" })
	if got := f.query("select relname from pg_class where relname = 'a'"); got != "" {
		t.Error("the table of a cancelled file remains")
	}
}

// killedFiles insert one row per statement and file: a statement that ran twice, or never, shows in the count.
func killedFiles() map[string]string {
	files := map[string]string{"00.sql": "create table mark (file int, at int);"}
	for i := 1; i <= 12; i++ {
		var b strings.Builder
		if i%2 == 0 {
			b.WriteString("-- plattr: no-transaction\n")
		}
		for j := range 4 {
			fmt.Fprintf(&b, "insert into mark values (%d, %d);\nselect pg_sleep(0.002);\n", i, j)
		}
		if i%3 == 0 {
			fmt.Fprintf(&b, "create index concurrently i%d on mark (at);\n", i)
		}
		files[fmt.Sprintf("%02d.sql", i)] = b.String()
	}
	return files
}

func TestKilledRunIsContinued(t *testing.T) {
	t.Parallel()
	for _, engine := range []migrate.Engine{migrate.Raw, migrate.Goose} {
		t.Run(string(engine), func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			for name, text := range killedFiles() {
				if engine == migrate.Goose {
					head := "-- +goose Up\n"
					if strings.Contains(text, "no-transaction") || strings.Contains(text, "concurrently") {
						head = "-- +goose NO TRANSACTION\n" + head
					}
					name, text = strings.Replace(name, ".sql", "_x.sql", 1), head+text
					if strings.HasPrefix(name, "00") {
						name = "01_mark.sql"
					} else {
						name = "1" + name
					}
				}
				f.write(map[string]string{name: text})
			}
			kills := 0
			for delay := 40 * time.Millisecond; ; delay += 7 * time.Millisecond {
				if !f.killedAfter(engine, delay) {
					break
				}
				if kills++; kills > 100 {
					t.Fatal("100 killed runs did not come to an end")
				}
			}
			if got := f.query("select file from (select file, count(*), count(distinct at) from mark group by 1) q(file, n, d) where n <> 4 or d <> 4"); got != "" {
				t.Errorf("files %s ran more or less than once", got)
			}
			if got := f.query("select count(distinct file) from mark"); got != "12" {
				t.Errorf("%s of 12 files ran", got)
			}
			if got := f.query("select count(*) from pg_index where indisvalid and indexrelid::regclass::text ~ '^i[0-9]+$'"); got != "4" {
				t.Errorf("%s of 4 indexes", got)
			}
			t.Logf("%d kills", kills)
		})
	}
}

// killedAfter runs the migrations in a process of its own and kills it after the delay; it reports whether it was
// killed, rather than done.
func (f *fixture) killedAfter(engine migrate.Engine, delay time.Duration) bool {
	f.t.Helper()
	cmd := osexec.CommandContext(f.t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "MIGRATE_TEST_CHILD="+f.options.Root, "MIGRATE_TEST_URL="+f.options.URL, "MIGRATE_TEST_ENGINE="+string(engine))
	var out strings.Builder
	cmd.Stderr = &out
	if err := cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	timer := time.AfterFunc(delay, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	err := cmd.Wait()
	if err != nil && cmd.ProcessState.Exited() {
		f.t.Fatalf("a run after a kill failed: %v\n%s", err, out.String())
	}
	return err != nil
}

func child(root string) int {
	runner, err := migrate.New(migrate.Engine(os.Getenv("MIGRATE_TEST_ENGINE")), migrate.Options{
		URL: os.Getenv("MIGRATE_TEST_URL"), Schema: "shop", MigrationsSchema: "shop_migrations", Root: root, Path: "migrations",
	})
	if err == nil {
		_, err = runner.Up(context.Background())
	}
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	for range 200 {
		if ok() {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatal("waited in vain")
}
