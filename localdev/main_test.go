package localdev

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"plattr.dev/plattr/internal/testutil"
	"plattr.dev/plattr/localdev/ports"
	"plattr.dev/plattr/localdev/processes"
	"plattr.dev/plattr/localdev/programs"
	"plattr.dev/plattr/localdev/state/statetest"
	"plattr.dev/plattr/localdev/supervisor"
)

// TestMain lets the test binary be plattr's own processes: the supervisor and the S3 server.
func TestMain(m *testing.M) { os.Exit(processes.Main(m.Run)) }

// room and env are short for the places of a machine of a test's own.
func room(t testing.TB) string { return statetest.Room(t) }

func env(dir string) func(string) string { return statetest.Env(dir) }

// newNative returns a runtime on a machine of its own, and requires the programs.
func newNative(t testing.TB) *Native {
	t.Helper()
	return nativeAt(t, filepath.Join(room(t), "state"))
}

func nativeAt(t testing.TB, dir string) *Native {
	t.Helper()
	for _, name := range []string{"postgresql", "postgrest", "redis", "java", "keycloak", "opensearch"} {
		_, err := programs.Find(t.Context(), name)
		testutil.Require(t, err == nil, fmt.Sprint(err))
	}
	n, err := NewNative(t.Context(), env(dir))
	if err != nil {
		t.Fatal(err)
	}
	if err := reservePorts().Save(n.state); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			var b strings.Builder
			_ = n.Logs(context.Background(), "supervisor", -1, false, &b)
			_ = n.Logs(context.Background(), "", -1, false, &b)
			t.Log(b.String())
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
			return // the test destroyed it
		}
		if err := n.Destroy(ctx); err != nil {
			t.Error(err)
		}
	})
	return n
}

// nextPort is below the ports that systems give to clients, and elsewhere in each test process.
var nextPort atomic.Int64

// reservePorts keeps the machines of parallel tests from taking each other's ports while a service is down.
func reservePorts() ports.Book {
	book := ports.Book{}
	base := 12000 + os.Getpid()%150*100
	for _, key := range []string{
		ports.Key(ports.PostgreSQL, ""), ports.Key(ports.S3, ""), ports.Key(ports.S3Console, ""), ports.Key(ports.S3IAM, ""),
		ports.Key(ports.PostgREST, "shop"), ports.Key(ports.PostgRESTAdmin, "shop"), ports.Key(ports.Redis, "shop"),
		ports.Key(ports.Keycloak, ""), ports.Key(ports.OpenSearch, ""), ports.Key(ports.OpenSearchNodes, ""),
	} {
		book[key] = base + int(nextPort.Add(1))%100
	}
	return book
}

func ensure(t testing.TB, n *Native, needs Needs) Endpoints {
	t.Helper()
	e, err := n.Ensure(t.Context(), needs, nil)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func connect(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func exec(t testing.TB, conn *pgx.Conn, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := conn.Exec(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

func service(t testing.TB, n *Native, name string) supervisor.ServiceStatus {
	t.Helper()
	s, err := n.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, st := range s.Services {
		if st.Name == name {
			return st
		}
	}
	t.Fatalf("no service %s in %+v", name, s)
	return supervisor.ServiceStatus{}
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}
