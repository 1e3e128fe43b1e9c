package localdev

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/jackc/pgx/v5"

	"plattr.dev/plattr/localdev/process"
	"plattr.dev/plattr/localdev/state"
	"plattr.dev/plattr/localdev/supervisor"
)

func s3Client(e *S3Endpoint) *s3.Client {
	return s3.New(s3.Options{
		BaseEndpoint: aws.String(e.URL), Region: e.Region, UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(e.AccessKey, e.SecretKey, ""),
	})
}

func TestFromNothing(t *testing.T) {
	t.Parallel()
	n := newNative(t)
	var phases []string
	began := time.Now()
	e, err := n.Ensure(t.Context(), Needs{PostgreSQL: true, S3: true}, func(p Progress) {
		phases = append(phases, p.Service+" "+string(p.Phase))
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("from nothing: %s", time.Since(began))
	began = time.Now()
	again := ensure(t, n, Needs{PostgreSQL: true, S3: true})
	t.Logf("running already: %s", time.Since(began))
	if *again.PostgreSQL != *e.PostgreSQL || *again.S3 != *e.S3 {
		t.Error("the second Ensure gives other endpoints")
	}
	for _, want := range []string{"postgresql starting", "postgresql ready", "s3 ready"} {
		if !strings.Contains(strings.Join(phases, ","), want) {
			t.Errorf("the progress %q has no %q", phases, want)
		}
	}
	checkRoles(t, e.PostgreSQL)
	if _, err := s3Client(e.S3).ListBuckets(t.Context(), &s3.ListBucketsInput{}); err != nil {
		t.Error(err)
	}
	checkSecrecy(t, n)
	s, err := n.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, st := range s.Services {
		t.Logf("%s %s: %.1f MB", st.Title, st.Version, float64(st.Memory)/(1<<20))
	}
	t.Logf("supervisor: %.1f MB", float64(process.Memory(s.PID))/(1<<20))
}

// checkRoles holds who may do what on the server.
func checkRoles(t *testing.T, e *PostgreSQLEndpoint) {
	t.Helper()
	var super, createRole, createDB, bypass bool
	admin := connect(t, e.AdminURL)
	err := admin.QueryRow(t.Context(), `select rolsuper, rolcreaterole, rolcreatedb, rolbypassrls from pg_roles where rolname = current_user`).
		Scan(&super, &createRole, &createDB, &bypass)
	if err != nil || super || bypass || !createRole || !createDB {
		t.Errorf("the administrator: superuser %t, createrole %t, createdb %t, bypassrls %t, %v", super, createRole, createDB, bypass, err)
	}
	if err := connect(t, e.BootstrapURL).QueryRow(t.Context(), `select rolsuper from pg_roles where rolname = current_user`).Scan(&super); err != nil || !super {
		t.Errorf("the bootstrap role: superuser %t, %v", super, err)
	}
	for _, url := range []string{
		fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres?sslmode=disable", e.Port),
		fmt.Sprintf("postgres://plattr_admin:wrong@127.0.0.1:%d/postgres?sslmode=disable", e.Port),
	} {
		if conn, err := pgx.Connect(t.Context(), url); err == nil {
			_ = conn.Close(t.Context())
			t.Errorf("%s is let in", url)
		}
	}
}

// checkSecrecy looks for the machine's passwords where others can read, and for processes of root.
func checkSecrecy(t *testing.T, n *Native) {
	t.Helper()
	secrets, err := n.state.Secrets(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s, err := n.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	pids := []int{s.PID}
	for _, st := range s.Services {
		pids = append(pids, st.PID)
	}
	for _, pid := range pids {
		dir := fmt.Sprintf("/proc/%d", pid)
		args, err := os.ReadFile(filepath.Join(dir, "cmdline"))
		if errors.Is(err, fs.ErrNotExist) {
			continue // not Linux
		}
		for _, secret := range machineSecrets(secrets) {
			if bytes.Contains(args, []byte(secret)) {
				t.Errorf("process %d has a password among its arguments", pid)
			}
		}
		var st syscall.Stat_t
		if err := syscall.Stat(dir, &st); err == nil && st.Uid == 0 {
			t.Errorf("process %d runs as root: %q", pid, args)
		}
	}
	err = filepath.WalkDir(n.state.Path, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // a file of a running server that went meanwhile
		}
		if d.Name() == "opensearch.keystore" || d.Name() == "vertx-cache" {
			return nil // OpenSearch and Keycloak set these modes themselves, in folders of mode 0700; they hold no secret
		}
		if info, err := d.Info(); err == nil && info.Mode().Type() != fs.ModeSymlink && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %04o", path, info.Mode().Perm())
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	logs, err := n.logs()
	if err != nil {
		t.Error(err)
	}
	for _, name := range logs {
		var b strings.Builder
		if err := n.Logs(t.Context(), name, -1, false, &b); err != nil {
			t.Error(err)
		}
		for _, secret := range machineSecrets(secrets) {
			if strings.Contains(b.String(), secret) {
				t.Errorf("the log of %s has a password", name)
			}
		}
	}
}

func machineSecrets(s state.Secrets) []string {
	return []string{s.DatabaseAdmin, s.S3SecretKey, s.KeycloakDatabase, s.KeycloakAdmin, s.KeycloakClient, s.RedisAdmin}
}

// database makes a database and returns its address.
func database(t *testing.T, e *PostgreSQLEndpoint, name string) string {
	t.Helper()
	exec(t, connect(t, e.AdminURL), `create database `+name)
	return in(e, name)
}

func in(e *PostgreSQLEndpoint, name string) string {
	return strings.Replace(e.AdminURL, "/postgres?", "/"+name+"?", 1)
}

// schema makes a database with a table that PostgREST can serve, and returns its configuration.
func schema(t *testing.T, e *PostgreSQLEndpoint) PostgRESTConfig {
	t.Helper()
	admin := connect(t, database(t, e, "shop"))
	exec(t, admin, `create role shop_rest login noinherit password 'it''s $(HOME) "\ secret'`, `create role shop_anon`,
		`grant shop_anon to shop_rest`, `create schema shop`, `create table shop.item (id int)`, `insert into shop.item values (7)`,
		`grant usage on schema shop to shop_anon`, `grant select on shop.item to shop_anon`)
	url := fmt.Sprintf(`host=127.0.0.1 port=%d dbname=shop user=shop_rest password='it\'s $(HOME) "\\ secret'`, e.Port)
	return PostgRESTConfig{DatabaseURL: url, Schema: "shop", AnonRole: "shop_anon", Channel: "pgrst_shop"}
}

func get(t *testing.T, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestPostgREST(t *testing.T) {
	t.Parallel()
	n := newNative(t)
	e := ensure(t, n, Needs{PostgreSQL: true})
	if e.S3 != nil {
		t.Error("S3 runs although nobody needs it")
	}
	c := schema(t, e.PostgreSQL)
	began := time.Now()
	url, err := n.EnsurePostgREST(t.Context(), "shop", c, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("PostgREST from nothing: %s", time.Since(began))
	if got := get(t, url+"/item"); got != `[{"id":7}]` {
		t.Errorf("GET /item = %s", got)
	}
	first := service(t, n, PostgRESTName("shop"))
	began = time.Now()
	if again, err := n.EnsurePostgREST(t.Context(), "shop", c, nil); err != nil || again != url {
		t.Errorf("a second call: %s, %v", again, err)
	}
	t.Logf("PostgREST running already: %s", time.Since(began))
	if now := service(t, n, PostgRESTName("shop")); now.PID != first.PID {
		t.Error("it was started again although nothing changed")
	}
	c.AnonRole = ""
	if again, err := n.EnsurePostgREST(t.Context(), "shop", c, nil); err != nil || again != url {
		t.Errorf("after a change: %s, %v; want the same URL %s", again, err, url)
	}
	if got := get(t, url+"/item"); !strings.Contains(got, "Anonymous access is disabled") {
		t.Errorf("GET /item = %s, want the new configuration", got)
	}
	other, err := n.EnsurePostgREST(t.Context(), "board", c, nil)
	if err != nil || other == url {
		t.Errorf("another application's: %s, %v", other, err)
	}
	removeShop(t, n, url)
	if got := get(t, other+"/"); strings.Contains(got, "refused") {
		t.Errorf("the other application's is gone too: %s", got)
	}
}

func removeShop(t *testing.T, n *Native, url string) {
	t.Helper()
	if err := n.state.Claim(t.Context(), "shop", t.TempDir(), time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(n.Remove(t.Context(), "shop"), n.Remove(t.Context(), "shop")); err != nil {
		t.Fatal(err)
	}
	if got := get(t, url+"/item"); !strings.Contains(got, "refused") {
		t.Errorf("after Remove: %s", got)
	}
	left, err := filepath.Glob(n.state.Join("*", "postgrest-shop*"))
	apps, appsErr := n.state.Apps()
	if len(left) > 0 || len(apps) > 0 || err != nil || appsErr != nil {
		t.Errorf("left behind: %v %v %v %v", left, apps, err, appsErr)
	}
}

func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	n := newNative(t)
	got := make([]Endpoints, 5)
	var wg sync.WaitGroup
	for i := range got {
		wg.Go(func() { got[i] = ensure(t, n, Needs{PostgreSQL: true, S3: true}) })
	}
	wg.Wait()
	for _, e := range got {
		if e.PostgreSQL == nil || got[0].PostgreSQL == nil || *e.PostgreSQL != *got[0].PostgreSQL || *e.S3 != *got[0].S3 {
			t.Fatalf("endpoints differ: %+v and %+v", e.PostgreSQL, got[0].PostgreSQL)
		}
	}
}

// TestKills holds that data survive and nothing runs twice, whatever is killed.
func TestKills(t *testing.T) {
	t.Parallel()
	n := newNative(t)
	needs := Needs{PostgreSQL: true, S3: true}
	e := ensure(t, n, needs)
	exec(t, connect(t, database(t, e.PostgreSQL, "kept")), `create table kept (n int)`, `insert into kept values (1)`)
	kept := func(when string) {
		t.Helper()
		var count int
		now := ensure(t, n, needs)
		if now.PostgreSQL.Port != e.PostgreSQL.Port || now.S3.URL != e.S3.URL {
			t.Errorf("%s the ports are others", when)
		}
		if err := connect(t, in(now.PostgreSQL, "kept")).QueryRow(t.Context(), `select count(*) from kept`).Scan(&count); err != nil || count != 1 {
			t.Errorf("%s there are %d rows, %v", when, count, err)
		}
	}
	kill := func(pid int) {
		t.Helper()
		id, err := process.Identify(pid)
		if err == nil {
			err = errors.Join(id.Signal(syscall.SIGKILL), id.Wait(t.Context()))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	pid := service(t, n, "postgresql").PID
	kill(pid)
	kept("after a kill of PostgreSQL")

	pid = service(t, n, "postgresql").PID
	kill(supervisorPID(t, n))
	kept("after a kill of the supervisor")
	if now := service(t, n, "postgresql").PID; now != pid {
		t.Errorf("PostgreSQL was started again: process %d, then %d", pid, now)
	}

	kill(supervisorPID(t, n))
	if now := service(t, n, "postgresql").PID; now != pid { // Status tells the truth about orphans
		t.Errorf("the status without a supervisor: process %d, want %d", now, pid)
	}

	s3PID := service(t, n, "s3").PID
	kill(supervisorPID(t, n))
	kill(pid)
	kill(s3PID)
	kept("after a kill of everything")

	if err := n.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	kept("after stop")
}

func supervisorPID(t *testing.T, n *Native) int {
	t.Helper()
	s, err := n.Status(t.Context())
	if err != nil || s.PID == 0 {
		t.Fatalf("no supervisor: %+v, %v", s, err)
	}
	return s.PID
}

func TestDestroyLeavesNothing(t *testing.T) {
	t.Parallel()
	n := newNative(t)
	e := ensure(t, n, Needs{PostgreSQL: true, S3: true})
	if _, err := n.EnsurePostgREST(t.Context(), "shop", schema(t, e.PostgreSQL), nil); err != nil {
		t.Fatal(err)
	}
	s, err := n.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	id, err := process.Identify(s.PID)
	if err == nil {
		err = id.Signal(syscall.SIGKILL) // Destroy must find the services of a supervisor that was killed, too
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Destroy(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, st := range s.Services {
		if id, err := process.Identify(st.PID); err == nil {
			t.Errorf("%s still runs: %+v", st.Name, id)
		}
	}
	for _, path := range []string{n.state.Path, n.state.Run} {
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is still there: %v", path, err)
		}
	}
}

func TestLogs(t *testing.T) {
	t.Parallel()
	n := newNative(t)
	ensure(t, n, Needs{PostgreSQL: true, S3: true})
	var b strings.Builder
	if err := n.Logs(t.Context(), "postgresql", -1, false, &b); err != nil || !strings.Contains(b.String(), "ready to accept connections") {
		t.Errorf("the log of PostgreSQL: %v\n%s", err, b.String())
	}
	var missing *NoLogError
	if err := n.Logs(t.Context(), "mysql", -1, false, io.Discard); !errors.As(err, &missing) || !strings.Contains(missing.Hint(), "postgresql") {
		t.Errorf("Logs(mysql) = %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- n.Logs(ctx, "", -1, true, w) }()
	go func() {
		time.Sleep(300 * time.Millisecond)
		_ = n.client.Remove(context.Background(), "none")
		f, err := os.OpenFile(supervisor.LogFile(n.state, "s3"), os.O_APPEND|os.O_WRONLY, 0)
		if err == nil {
			_, _ = f.WriteString("a new line\n")
			_ = f.Close()
		}
	}()
	var seen strings.Builder
	buf := make([]byte, 4096)
	for !strings.Contains(seen.String(), "s3           | a new line\n") {
		k, err := r.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		seen.Write(buf[:k])
	}
	cancel()
	go func() { _, _ = io.Copy(io.Discard, r) }()
	if err := <-done; err != nil {
		t.Errorf("Logs() = %v after its context ended", err)
	}
}
