package libpq_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plattr.dev/plattr/internal/sqlshell/libpq"
)

func TestEnvironment(t *testing.T) {
	t.Parallel()
	got, err := libpq.Environment("postgres://my_app:p%40ss@h:6/d?sslmode=disable&options=-c%20a%3Db")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"PGDATABASE=d", "PGHOST=h", "PGOPTIONS=-c a=b", "PGPASSWORD=p@ss", "PGPORT=6", "PGSSLMODE=disable", "PGUSER=my_app"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestHostAddress holds that a server is found at an address, and still known by its name.
func TestHostAddress(t *testing.T) {
	t.Parallel()
	const url = "postgres://a:b@db.services.svc:6/d?sslmode=verify-full&hostaddr=127.0.0.1"
	env, err := libpq.Environment(url)
	if err != nil || !slices.Contains(env, "PGHOSTADDR=127.0.0.1") || !slices.Contains(env, "PGHOST=db.services.svc") {
		t.Errorf("%v, %v", env, err)
	}
	config, err := libpq.Config(url, "test")
	if err != nil {
		t.Fatal(err)
	}
	if at, err := config.LookupFunc(t.Context(), config.Host); err != nil || !slices.Equal(at, []string{"127.0.0.1"}) {
		t.Errorf("%v, %v", at, err)
	}
	if config.TLSConfig.ServerName != "db.services.svc" || config.RuntimeParams["hostaddr"] != "" {
		t.Errorf("%s, %v", config.TLSConfig.ServerName, config.RuntimeParams)
	}
}

func TestMask(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"postgres://a:secret@h:5/d?sslmode=disable": "postgres://a:…@h:5/d?sslmode=disable",
		"postgres://a@h/d":                          "postgres://a@h/d",
		"postgres://h/d":                            "postgres://h/d",
		"postgres://a:%zz@h":                        "(not a URL)",
	} {
		if got := libpq.Mask(in); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

func FuzzMask(f *testing.F) {
	f.Add("s3cret!?@/:%")
	f.Fuzz(func(t *testing.T, password string) {
		if len(password) < 4 || strings.Contains("postgres://user:…@host/database", password) {
			return
		}
		if got := libpq.Mask("postgres://user:" + password + "@host/database"); strings.Contains(got, password) && !strings.ContainsAny(password, "/?#@") {
			t.Errorf("%q shows the password", got)
		}
	})
}

func TestInDatabase(t *testing.T) {
	t.Parallel()
	got, err := libpq.InDatabase("postgres://a:b@h:5/d?schema=x", "other db")
	if err != nil || got != "postgres://a:b@h:5/other%20db?schema=x" {
		t.Errorf("%s, %v", got, err)
	}
}

func TestConnectErrorsAreOneLineWithoutThePassword(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"postgres://me:hunter2@127.0.0.1:1/d": "connect to database d at 127.0.0.1:1 as me: connect: connection refused",
		"postgres://me:hunter2@127.0.0.1:x/d": "read the database's URL: ",
	} {
		config, err := libpq.Config(url, "test")
		if err == nil {
			_, err = libpq.Connect(t.Context(), config)
		}
		if err == nil || !strings.HasPrefix(err.Error(), want) || strings.ContainsAny(err.Error(), "\n") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", url, err)
		}
	}
}
