package scratch_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"plattr.dev/plattr/internal/testutil"
)

// PostgREST is told nothing about a reset: it finds its way back by itself.
func TestPostgRESTComesBack(t *testing.T) {
	t.Parallel()
	a := newApp(t, 1, 2)
	url := testutil.PostgREST(t, testutil.PostgRESTConfig{
		URL: a.pg.URL(a.name+"_rest", "secret", a.name), Schema: "shop", AnonRole: a.name + "_anon", Channel: "pgrst_shop",
	})
	for range 2 {
		a.reset()
		begun := time.Now()
		for body := ""; !strings.Contains(body, "row 2"); body = get(t, url+"/t0") {
			if time.Since(begun) > 20*time.Second {
				t.Fatalf("after a reset PostgREST answers %s", body)
			}
			time.Sleep(5 * time.Millisecond)
		}
		t.Logf("serves %s after the reset", time.Since(begun).Round(time.Millisecond))
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	response, err := http.Get(url) //nolint:gosec,noctx // the test's own server
	if err != nil {
		return err.Error()
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err.Error()
	}
	return string(body)
}
