package engine_test

import (
	"errors"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"plattr.dev/plattr/internal/engine"
	"plattr.dev/plattr/internal/engine/enginetest"
	"plattr.dev/plattr/internal/engine/store/storetest"
	"plattr.dev/plattr/internal/testutil"
)

// TestStoreSilentHolder stops a process that holds a lock: its lock is taken over when nothing was heard from it for a
// minute, and when it wakes up it must stop.
func TestStoreSilentHolder(t *testing.T) {
	t.Parallel()
	for name, make := range storetest.Stores() {
		if name == "File" {
			continue // on one host the operating system holds the lock as long as the process is there
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlaceIn(t, make)
			run := p.child("dev", []string{"a"}, "1", "")
			run.Lag = "60s"
			cmd := run.start(t)
			waitFor(t, "the other process", func() bool { f, _ := enginetest.Files(p.files); return len(f) > 0 })
			if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			if _, err := p.Up(t.Context(), "dev", files(nil), engine.RunOptions{}); !errors.Is(err, engine.ErrLocked) {
				t.Errorf("up while it may come back: %v, want ErrLocked", err)
			}
			keys, err := p.store.Raw.List(t.Context(), lockDir)
			if err != nil || len(keys) != 1 {
				t.Fatalf("locks: %v, %v", keys, err)
			}
			p.store.Age(t, keys[0], 2*time.Minute)
			program := map[string]string{"a": "2", "b": "2"}
			up(t, p, "dev", files(program), engine.RunOptions{})
			before, err := p.store.Raw.Stat(t.Context(), stackKey)
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Process.Signal(syscall.SIGCONT); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Wait(); err == nil {
				t.Error("the run that lost its lock succeeded")
			}
			if text := cmd.Stderr.(*strings.Builder).String(); !strings.Contains(text, "the lock on the stack was lost") {
				t.Errorf("the run that lost its lock says: %s", text)
			}
			if after, err := p.store.Raw.Stat(t.Context(), stackKey); err != nil || after.Version != before.Version {
				t.Errorf("it wrote the state of its successor: %v, %v", after, err)
			}
			up(t, p, "dev", files(program), engine.RunOptions{Refresh: true})
		})
	}
}

// TestStoreServerRestarted: a server that was restarted between two runs, or in one, is no error.
func TestStoreServerRestarted(t *testing.T) {
	t.Parallel()
	server := testutil.NewPostgres(t)
	p := newPlaceIn(t, func(t testing.TB) storetest.Store { return storetest.NewPostgresOn(t, server) })
	up(t, p, "dev", files(map[string]string{"a": "1"}), engine.RunOptions{})
	super := server.Connect(t, server.SuperURL("postgres"))
	if _, err := super.Exec(t.Context(), "CHECKPOINT"); err != nil { // tests' servers forget what they wrote just now
		t.Fatal(err)
	}
	server.Stop()
	_, err := p.Up(t.Context(), "dev", files(map[string]string{"a": "1"}), engine.RunOptions{})
	if err == nil || !strings.Contains(err.Error(), "the server cannot be reached (connection refused)") {
		t.Errorf("up without the server: %v", err)
	}
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	up(t, p, "dev", files(map[string]string{"a": "2"}), engine.RunOptions{})
	wantFiles(t, p, map[string]string{"a": "2"})
	if runs, err := p.History(t.Context(), "dev", 0); err != nil || len(runs) != 2 {
		t.Errorf("history: %v, %v", runs, err)
	}
	c := server.Connect(t, p.store.URL)
	if _, err := c.Exec(t.Context(), "DROP SCHEMA plattr_state CASCADE"); err != nil {
		t.Fatal(err)
	}
	if names, err := p.List(t.Context()); err != nil || len(names) > 0 {
		t.Errorf("list after the schema was dropped: %v, %v", names, err)
	}
	up(t, p, "dev", files(map[string]string{"a": "3"}), engine.RunOptions{})
}

// TestStoreErrors: one line that names the place and the fix, and no secret.
func TestStoreErrors(t *testing.T) {
	t.Parallel()
	const secret = "hunter2%"
	pg, s3 := testutil.Postgres(t), testutil.S3(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free := l.Addr().String()
	_ = l.Close()
	at := func(bucket, endpoint string) string {
		return "s3://" + bucket + "?" + url.Values{"region": {"us-east-1"}, "endpoint": {endpoint}}.Encode()
	}
	wrong := engine.S3Credentials{AccessKey: "nobody", SecretKey: secret}
	right := engine.S3Credentials{AccessKey: s3.AccessKey, SecretKey: s3.SecretKey}
	dead, err := url.Parse(pg.URL("u", secret, "d"))
	if err != nil {
		t.Fatal(err)
	}
	dead.Host = free
	unknown := *dead
	unknown.Host = "nowhere.invalid:5432"
	cases := map[string]struct {
		reason, url string
		keys        engine.S3Credentials
		want        string
	}{
		"NoBucket": {"the bucket does not exist", at("nothing-here", s3.Endpoint), right, "there is no bucket nothing-here: create it"},
		"Keys":     {"the key is not known", at("nothing-here", s3.Endpoint), wrong, "does not accept the credentials (InvalidAccessKeyId)"},
		"S3Unreachable": {
			"nobody listens", at("b", "http://"+free), right, "the server cannot be reached (connect: connection refused): check the endpoint",
		},
		"S3Unknown":  {"no such host", at("b", "http://nowhere.invalid"), right, "the host nowhere.invalid is not known"},
		"HalfAKey":   {"one part of a key", at("b", s3.Endpoint), engine.S3Credentials{AccessKey: "x"}, "belong together"},
		"Password":   {"wrong password", pg.URL(testutil.AdminUser, secret, "postgres"), wrong, "check user and password of the state URL"},
		"NoDatabase": {"no such database", pg.AdminURL("nothing"), wrong, `there is no database "nothing": create it`},
		"PostgresUnreachable": {
			"nobody listens", dead.String(), wrong, "the server cannot be reached (connection refused)",
		},
		"PostgresUnknown": {"no such host", unknown.String(), wrong, "the host nowhere.invalid is not known"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			linked := ""
			e, err := engine.New(engine.Options{
				Project: "shop", StateURL: tc.url, S3: tc.keys, Pulumi: &linked,
				Passphrase: func() (string, error) { return phrase, nil },
			})
			for op, do := range map[string]func() error{
				"up":      func() error { _, err := e.Up(t.Context(), "dev", files(nil), engine.RunOptions{}); return err },
				"list":    func() error { _, err := e.List(t.Context()); return err },
				"preview": func() error { _, err := e.Preview(t.Context(), "dev", files(nil), engine.RunOptions{}); return err },
			} {
				if err == nil {
					err := do()
					wantOneLine(t, tc.reason+": "+op, err, tc.want, secret)
				} else {
					wantOneLine(t, tc.reason, err, tc.want, secret)
				}
			}
		})
	}
}

func wantOneLine(t *testing.T, reason string, err error, want, secret string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
		t.Errorf("%s: %v, want one line with %q", reason, err, want)
	}
	if err != nil && (strings.Contains(err.Error(), secret) || strings.Contains(err.Error(), url.QueryEscape(secret))) {
		t.Errorf("%s: the error shows a secret: %v", reason, err)
	}
}

// TestStoreDenied: a role that may not make the schema, and one whose administrator made it for it.
func TestStoreDenied(t *testing.T) {
	t.Parallel()
	pg := testutil.Postgres(t)
	at := storetest.NewPostgres(t)
	admin := pg.Connect(t, at.URL)
	u, err := url.Parse(at.URL)
	if err != nil {
		t.Fatal(err)
	}
	role := "poor_" + strings.TrimPrefix(u.Path, "/state_")
	if _, err := admin.Exec(t.Context(), "CREATE ROLE "+role+" LOGIN PASSWORD 'poor'"); err != nil {
		t.Fatal(err)
	}
	poor := newPlaceIn(t, func(testing.TB) storetest.Store {
		return storetest.Store{URL: pg.URL(role, "poor", strings.TrimPrefix(u.Path, "/")), Raw: at.Raw}
	})
	_, err = poor.Up(t.Context(), "dev", files(nil), engine.RunOptions{})
	wantOneLine(t, "no rights", err, "access denied (permission denied for database", "hunter2")
	if _, err := at.Raw.List(t.Context(), ""); err != nil { // makes the schema
		t.Fatal(err)
	}
	_, err = poor.Up(t.Context(), "dev", files(nil), engine.RunOptions{})
	wantOneLine(t, "no rights on the schema", err, "access denied (permission denied for schema plattr_state)", "hunter2")
	for _, sql := range []string{"GRANT USAGE ON SCHEMA plattr_state TO " + role, "GRANT ALL ON ALL TABLES IN SCHEMA plattr_state TO " + role} {
		if _, err := admin.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	up(t, poor, "dev", files(map[string]string{"a": "1"}), engine.RunOptions{})
}

// TestStoreNeedsPassphrase: the key of a state that several hosts share is nothing to make up.
func TestStoreNeedsPassphrase(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"s3://bucket?region=eu-west-1", "postgres://u:hunter2@h/d"} {
		_, err := engine.New(engine.Options{Project: "shop", StateURL: at})
		wantOneLine(t, at, err, "set PLATTR_STATE_PASSPHRASE, or state.passphrase in the platform file", "hunter2")
	}
}

// TestStoreSecrets looks for secrets where they may not be.
//
//nolint:paralleltest // eachStore does it
func TestStoreSecrets(t *testing.T) {
	eachStore(t, func(t *testing.T, p place) {
		up(t, p, "dev", files(map[string]string{"a": "1"}), engine.RunOptions{})
		keys, err := p.store.Raw.List(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(p.store.URL)
		if err != nil {
			t.Fatal(err)
		}
		password, _ := u.User.Password()
		for _, k := range keys {
			raw, err := p.store.Raw.Read(t.Context(), k)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range []string{phrase, password, p.store.S3.SecretKey} {
				if s != "" && strings.Contains(string(raw), s) {
					t.Errorf("%s holds a secret", k)
				}
			}
		}
		if u.Scheme == "file" {
			wantStateFiles(t, place{state: u.Path}, keys...)
		}
		if left, _ := os.ReadDir(p.state); u.Scheme != "file" && len(left) > 0 {
			t.Errorf("left on the disk: %v", left)
		}
	})
}
