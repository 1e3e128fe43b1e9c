package pod_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"plattr.dev/plattr/internal/jwks"
	"plattr.dev/plattr/internal/pod"
	"plattr.dev/plattr/internal/testutil"
)

// realm publishes one key, whose name a test may change; nothing while that is empty.
func realm(t *testing.T) (url string, key *atomic.Value) {
	t.Helper()
	key = &atomic.Value{}
	key.Store("")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if key.Load() == "" {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintf(w, `{"keys":[{"kid":%q,"use":"sig","kty":"RSA"},{"kid":"not this one","use":"enc"}]}`, key.Load())
	}))
	t.Cleanup(server.Close)
	return server.URL, key
}

func TestKeys(t *testing.T) {
	t.Parallel()
	address, key := realm(t)
	database := testutil.Postgres(t).AdminURL("postgres")
	listener, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close(context.Background()) })
	if _, err := listener.Exec(t.Context(), "listen pgrst_shop"); err != nil {
		t.Fatal(err)
	}
	heard := func() {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		n, err := listener.WaitForNotification(ctx)
		if err != nil || n.Payload != "reload config" {
			t.Fatalf("PostgREST is told %v, %v", n, err)
		}
	}
	file := filepath.Join(t.TempDir(), "jwks.json")
	has := func(kid string) {
		t.Helper()
		raw, err := os.ReadFile(file)
		if err != nil || !strings.Contains(string(raw), `"kid":"`+kid+`"`) || strings.Contains(string(raw), "not this one") {
			t.Errorf("the file is %s, %v; want key %s", raw, err, kid)
		}
	}
	k := &pod.Keys{
		URL: address, File: file, DatabaseURL: database, Channel: "pgrst_shop", Every: 20 * time.Millisecond,
		Log: slog.New(slog.NewTextHandler(&bytes.Buffer{}, nil)),
	}
	key.Store("one")
	if err := k.First(t.Context()); err != nil {
		t.Fatal(err)
	}
	has("one")

	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- k.Run(ctx) }()
	heard() // of what the first container wrote
	key.Store("two")
	heard()
	has("two")
	key.Store("") // a realm that does not answer changes nothing
	time.Sleep(100 * time.Millisecond)
	has("two")
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestNoRealm: PostgREST starts without the realm too; it then refuses every token.
func TestNoRealm(t *testing.T) {
	t.Parallel()
	address, _ := realm(t)
	k := &pod.Keys{
		URL: address, File: filepath.Join(t.TempDir(), "jwks.json"), FirstWait: 50 * time.Millisecond,
		Log: slog.New(slog.NewTextHandler(&bytes.Buffer{}, nil)),
	}
	if err := k.First(t.Context()); err != nil {
		t.Fatal(err)
	}
	var set struct{ Keys []any }
	raw, err := os.ReadFile(k.File)
	if err != nil || json.Unmarshal(raw, &set) != nil || string(raw) != jwks.None {
		t.Errorf("the file is %s, %v", raw, err)
	}
}

func TestInstall(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for range 2 { // a container may be started again
		if err := pod.Install(dir); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.Command(filepath.Join(dir, pod.Program), "-test.list", "TestInstall").Output()
	if err != nil || !strings.Contains(string(out), "TestInstall") {
		t.Errorf("the copy says %s, %v", out, err)
	}
}
