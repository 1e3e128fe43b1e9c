package testutil

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"plattr.dev/plattr/localdev/programs"
)

// PostgRESTConfig is what a PostgREST of a test serves.
type PostgRESTConfig struct {
	// URL is the database URL of PostgREST's login.
	URL string
	// Schema is served to AnonRole without a token; extensions is on the extra search path.
	Schema, AnonRole string
	// Channel is listened to for reloads.
	Channel string
	// Secret verifies tokens (HS256); at least 32 characters, or empty.
	Secret string
}

// PostgREST starts the real PostgREST for one test and returns its URL once it serves.
func PostgREST(t testing.TB, conf PostgRESTConfig) string {
	t.Helper()
	Require(t, !testing.Short(), "a real PostgREST is not for short tests")
	program, err := programs.Find(t.Context(), "postgrest")
	var missing *programs.NotFoundError
	if errors.As(err, &missing) {
		Require(t, false, err.Error())
	}
	if err != nil {
		t.Fatalf("find PostgREST: %v", err)
	}
	port, admin := mustPort(t), mustPort(t)
	path := filepath.Join(t.TempDir(), "log")
	log, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatalf("open the log: %v", err)
	}
	cmd := exec.Command(program.Bin)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = []string{
		"PGRST_DB_URI=" + conf.URL, "PGRST_DB_SCHEMAS=" + conf.Schema, "PGRST_DB_ANON_ROLE=" + conf.AnonRole,
		"PGRST_DB_EXTRA_SEARCH_PATH=extensions", "PGRST_DB_CHANNEL=" + conf.Channel, "PGRST_DB_POOL=3",
		"PGRST_DB_PREPARED_STATEMENTS=false", // as on the laptop: prepared, a plan outlives the role that it was made for
		"PGRST_JWT_SECRET=" + conf.Secret, "PGRST_SERVER_HOST=127.0.0.1", "PGRST_SERVER_PORT=" + strconv.Itoa(port),
		"PGRST_ADMIN_SERVER_PORT=" + strconv.Itoa(admin), "PGRST_LOG_LEVEL=info",
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("start PostgREST: %v", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = log.Close()
		if t.Failed() {
			raw, _ := os.ReadFile(path)
			t.Logf("PostgREST said:\n%s", raw)
		}
	})
	Eventually(t, startTimeout, "PostgREST is ready", func() error {
		return get(t.Context(), "http://127.0.0.1:"+strconv.Itoa(admin)+"/ready")
	})
	return "http://127.0.0.1:" + strconv.Itoa(port)
}

// Eventually calls try every few milliseconds until it succeeds; it fails the test when it does not in time.
func Eventually(t testing.TB, patience time.Duration, what string, try func() error) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s: %v", what, patience, err)
		}
		time.Sleep(3 * time.Millisecond)
	}
}

func get(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("request %s: %w", url, err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("request %s: %w", url, err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode/100 != 2 {
		body, _ := io.ReadAll(res.Body)
		return fmt.Errorf("%s: %s", res.Status, strings.TrimSpace(string(body)))
	}
	return nil
}

func mustPort(t testing.TB) int {
	t.Helper()
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	return port
}
