package server

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgconn"

	"plattr.dev/plattr/internal/testutil"
)

func TestParseURL(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason, in string
		want       Config
		wantErr    string
	}{
		"Whole": {
			reason: "Every part has its place.",
			in:     "postgres://me:p%40ss%2Fword@db.example.com:5433/my%20db?sslmode=verify-full&sslrootcert=/ca.pem",
			want: Config{
				Host: "db.example.com", Port: 5433, Username: "me", Password: "p@ss/word", Database: "my db",
				SSLMode: "verify-full", SSLRootCert: "/ca.pem",
			},
		},
		"Short":     {reason: "The rest has defaults.", in: "postgresql://me@localhost", want: Config{Host: "localhost", Username: "me"}},
		"Socket":    {reason: "A socket's directory is a parameter.", in: "postgres://me@/db?host=/run/pg", want: Config{Host: "/run/pg", Username: "me", Database: "db"}},
		"Parameter": {reason: "What would be ignored is refused.", in: "postgres://me:planted@h/db?options=x", wantErr: `"options" of the database URL is not supported`},
		"Scheme":    {reason: "Another scheme is no database.", in: "mysql://me:planted@h/db", wantErr: "looks like postgres://"},
		"Garbage":   {reason: "The URL is not quoted: it may hold a password.", in: "postgres://me:planted@h:x y/db", wantErr: "looks like postgres://"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := ParseURL(tc.in)
			if tc.wantErr == "" && err != nil || tc.wantErr != "" && (err == nil || !strings.Contains(err.Error(), tc.wantErr)) {
				t.Fatalf("%s error = %v, want %q", tc.reason, err, tc.wantErr)
			}
			if err != nil && strings.Contains(err.Error(), "planted") {
				t.Errorf("the error holds the password: %v", err)
			}
			if d := cmp.Diff(tc.want, got); d != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, d)
			}
		})
	}
}

// FuzzSetting holds that any value survives libpq's quoting, as the driver reads it.
func FuzzSetting(f *testing.F) {
	f.Add(`it's a \ "database"`)
	f.Add(" x=y ")
	f.Fuzz(func(t *testing.T, database string) {
		if strings.ContainsRune(database, 0) || database == "" {
			t.Skip("no database has such a name")
		}
		conf, err := Config{Host: "h", Username: `u'\`}.withDefaults().conn(database)
		if err != nil {
			t.Fatal(err)
		}
		if conf.Database != database || conf.User != `u'\` || conf.Host != "h" {
			t.Errorf("%q became %q, user %q, host %q", database, conf.Database, conf.User, conf.Host)
		}
	})
}

func TestErrorClasses(t *testing.T) {
	t.Parallel()
	pg := func(code, message string) error { return &pgconn.PgError{Code: code, Message: message} }
	cases := map[string]struct {
		err                           error
		conflict, busy, lost, inUse   bool
		duplicate, needed, noDatabase bool
	}{
		"Updated":    {err: pg("XX000", "tuple concurrently updated"), conflict: true},
		"Internal":   {err: pg("XX000", "cache lookup failed")},
		"Deadlock":   {err: pg("40P01", ""), conflict: true},
		"Full":       {err: pg("53300", ""), busy: true},
		"Starting":   {err: pg("57P03", ""), busy: true},
		"Shutdown":   {err: pg("57P01", ""), lost: true},
		"InUse":      {err: pg("55006", ""), inUse: true},
		"Superuser":  {err: pg("42501", "permission denied to terminate process"), inUse: true},
		"Forbidden":  {err: pg("42501", "permission denied for table x")},
		"Duplicate":  {err: pg("42P04", ""), duplicate: true},
		"Dependent":  {err: pg("2BP01", ""), needed: true},
		"NoDatabase": {err: pg("3D000", ""), noDatabase: true},
		"Other":      {err: errors.New("boom")},
		"None":       {},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := []bool{
				isConflict(tc.err), isBusy(tc.err), isLost(tc.err), IsInUse(tc.err),
				IsDuplicate(tc.err), IsNeeded(tc.err), IsNoDatabase(tc.err),
			}
			want := []bool{tc.conflict, tc.busy, tc.lost, tc.inUse, tc.duplicate, tc.needed, tc.noDatabase}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func admin(t testing.TB) Config {
	t.Helper()
	conf, err := ParseURL(testutil.Postgres(t).AdminURL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	return conf
}

// TestChangesOneByOne holds that changes in one database do not run beside each other, whichever Server they go
// through.
func TestChangesOneByOne(t *testing.T) {
	t.Parallel()
	var inside, most int
	var mu sync.Mutex
	var wait sync.WaitGroup
	for range 8 {
		s := New(admin(t))
		t.Cleanup(s.Close)
		wait.Go(func() {
			err := s.Change(t.Context(), "postgres", func(context.Context, Conn) error {
				mu.Lock()
				inside++
				most = max(most, inside)
				mu.Unlock()
				time.Sleep(5 * time.Millisecond)
				mu.Lock()
				inside--
				mu.Unlock()
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if most != 1 {
		t.Errorf("%d changes at once", most)
	}
}

// TestAgain holds what is tried again: a conflict, and a connection that died in the pool; nothing else.
func TestAgain(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason   string
		err      error
		attempts int
	}{
		"Conflict": {"Conflicts pass, but not for ever.", &pgconn.PgError{Code: "40001"}, maxConflicts + 1},
		"Lost":     {"A second loss is not the pool's.", &pgconn.PgError{Code: "57P01"}, 2},
		"Refused":  {"A refusal stays one.", &pgconn.PgError{Code: "42501"}, 1},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := 0
			err := New(Config{}).again(t.Context(), func() error { n++; return tc.err })
			if n != tc.attempts || !errors.Is(err, tc.err) {
				t.Errorf("%s %d attempts, want %d; error %v", tc.reason, n, tc.attempts, err)
			}
		})
	}
}

// TestDeadConnection holds that a connection that the server ended between two operations is not noticed.
func TestDeadConnection(t *testing.T) {
	t.Parallel()
	pg := testutil.Postgres(t)
	super := pg.Connect(t, pg.SuperURL("postgres"))
	conf := admin(t)
	conf.Database = "template1"
	s := New(conf)
	t.Cleanup(s.Close)
	for range 3 {
		if err := s.Change(t.Context(), "template1", func(context.Context, Conn) error { return nil }); err != nil {
			t.Fatal(err)
		}
		_, err := super.Exec(t.Context(), "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = 'template1'")
		if err != nil {
			t.Fatal(err)
		}
	}
}
