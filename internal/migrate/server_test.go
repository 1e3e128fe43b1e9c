package migrate_test

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"plattr.dev/plattr/internal/migrate"
)

// TestMain lets the test binary be the process that a test kills.
func TestMain(m *testing.M) {
	if root := os.Getenv("MIGRATE_TEST_CHILD"); root != "" {
		os.Exit(child(root))
	}
	os.Exit(m.Run())
}

// fixture is one application's schema in a database of its own, and a project directory.
type fixture struct {
	t       *testing.T
	options migrate.Options
	conn    *pgx.Conn // the application's role
	notices *lines
}

var databases atomic.Int64

func newFixture(t *testing.T) *fixture {
	t.Helper()
	admin := adminURL(t)
	name := fmt.Sprintf("mig%d_%d", os.Getpid(), databases.Add(1))
	conn := dial(t, admin)
	exec(t, conn, "CREATE ROLE "+name+"_app LOGIN PASSWORD 'pässwörd'", "CREATE DATABASE "+name)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		c, err := pgx.Connect(ctx, admin)
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = c.Close(ctx) }()
		for _, sql := range []string{"DROP DATABASE " + name + " WITH (FORCE)", "DROP ROLE " + name + "_app"} {
			if _, err := c.Exec(ctx, sql); err != nil {
				t.Error(err)
			}
		}
	})
	inside := dial(t, inDatabase(t, admin, name, nil))
	exec(t, inside, "CREATE SCHEMA shop AUTHORIZATION "+name+"_app", "CREATE SCHEMA shop_migrations AUTHORIZATION "+name+"_app",
		"ALTER ROLE "+name+"_app IN DATABASE "+name+" SET search_path = shop")
	app := inDatabase(t, admin, name, url.UserPassword(name+"_app", "pässwörd"))
	notices := &lines{}
	return &fixture{t: t, conn: dial(t, app), notices: notices, options: migrate.Options{
		URL: app, Schema: "shop", MigrationsSchema: "shop_migrations", Root: t.TempDir(), Path: "migrations",
		Progress: notices.add, Stderr: testWriter{t}, Stdout: testWriter{t},
	}}
}

func inDatabase(t *testing.T, admin, name string, user *url.Userinfo) string {
	t.Helper()
	u, err := url.Parse(admin)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	if user != nil {
		u.User = user
	}
	return u.String()
}

func dial(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func exec(t *testing.T, conn *pgx.Conn, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := conn.Exec(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// write replaces the project's files; a name without a directory is a migration, an empty text removes the file.
func (f *fixture) write(files map[string]string) {
	f.t.Helper()
	for name, text := range files {
		if !strings.Contains(name, "/") {
			name = "migrations/" + name
		}
		path := filepath.Join(f.options.Root, name)
		if text == "" {
			if err := os.Remove(path); err != nil {
				f.t.Fatal(err)
			}
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			f.t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			f.t.Fatal(err)
		}
	}
}

func (f *fixture) up(engine migrate.Engine) (migrate.Result, error) {
	f.t.Helper()
	return f.runner(engine).Up(f.t.Context())
}

func (f *fixture) runner(engine migrate.Engine) migrate.Runner {
	f.t.Helper()
	runner, err := migrate.New(engine, f.options)
	if err != nil {
		f.t.Fatal(err)
	}
	return runner
}

// mustUp runs and returns the names of what was applied.
func (f *fixture) mustUp(engine migrate.Engine) string {
	f.t.Helper()
	result, err := f.up(engine)
	if err != nil {
		f.t.Fatal(err)
	}
	return names(result)
}

func names(result migrate.Result) string {
	var out []string
	for _, a := range result.Applied {
		out = append(out, a.Name)
	}
	return strings.Join(out, " ")
}

// states returns name=state for every migration.
func (f *fixture) states(engine migrate.Engine) string {
	f.t.Helper()
	status, err := f.runner(engine).Status(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	var out []string
	for _, m := range status.Migrations {
		out = append(out, m.Name+"="+m.State)
	}
	return strings.Join(out, " ")
}

func (f *fixture) query(sql string) string {
	f.t.Helper()
	var out string
	if err := f.conn.QueryRow(f.t.Context(), "SELECT coalesce(string_agg(x::text, ' ' ORDER BY x), '') FROM ("+sql+") AS q(x)").Scan(&out); err != nil {
		f.t.Fatalf("%s: %v", sql, err)
	}
	return out
}

// failure is one run that must fail with an error that contains every fragment.
func (f *fixture) failure(engine migrate.Engine, fragments ...string) error {
	f.t.Helper()
	_, err := f.up(engine)
	if err == nil {
		f.t.Fatalf("no error, want %q", fragments)
	}
	for _, fragment := range fragments {
		if !strings.Contains(err.Error(), fragment) {
			f.t.Errorf("error is\n%v\nwant %q in it", err, fragment)
		}
	}
	return err
}

type lines struct{ all []string }

func (l *lines) add(text string) { l.all = append(l.all, text) }

func (l *lines) has(fragment string) bool {
	return strings.Contains(strings.Join(l.all, "\n"), fragment)
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimRight(string(p), "\n"))
	return len(p), nil
}
