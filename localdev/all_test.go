package localdev

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"plattr.dev/plattr/internal/providers/plattr/redisclient"
	"plattr.dev/plattr/localdev/process"
)

func everything() Needs {
	return Needs{PostgreSQL: true, S3: true, Keycloak: true, OpenSearch: true, Redis: "shop"}
}

// TestEveryService starts all of them on an empty machine, and again: the data are still there.
func TestEveryService(t *testing.T) {
	t.Parallel()
	n := newNative(t)
	began := time.Now()
	e, err := n.Ensure(t.Context(), everything(), func(p Progress) { t.Logf("%s %v", time.Since(began).Round(time.Millisecond), p) })
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("everything, from nothing: %s", time.Since(began))
	client := redisClient(t, e.Redis)
	if err := client.Set(t.Context(), "kept", "yes", 0).Err(); err != nil {
		t.Fatal(err)
	}
	checkSecrecy(t, n)
	logMemory(t, n)
	began = time.Now()
	if err := n.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Logf("stop: %s", time.Since(began))
	began = time.Now()
	again := ensure(t, n, everything())
	t.Logf("everything, from stopped: %s", time.Since(began))
	if *again.Keycloak != *e.Keycloak || *again.Redis != *e.Redis || *again.OpenSearch != *e.OpenSearch {
		t.Error("the second start gives other endpoints")
	}
	if got := redisClient(t, again.Redis).Get(t.Context(), "kept").Val(); got != "yes" {
		t.Errorf("what was in Redis is %q after a stop", got)
	}
	for _, url := range []string{again.Keycloak.URL, again.Keycloak.InternalURL} {
		if status := status(t, url+"/realms/master"); status != http.StatusOK {
			t.Errorf("%s answers %d", url, status)
		}
	}
	began = time.Now()
	ensure(t, n, everything())
	t.Logf("everything, running: %s", time.Since(began))
}

func redisClient(t testing.TB, e *RedisEndpoint) *redis.Client {
	t.Helper()
	c := redisclient.New(fmt.Sprintf("%s:%d", e.Host, e.Port), e.Admin, e.Password, 10*time.Second)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func status(t testing.TB, url string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Logf("%s: %v", url, err)
		return 0
	}
	_ = res.Body.Close()
	return res.StatusCode
}

func logMemory(t testing.TB, n *Native) {
	t.Helper()
	s, err := n.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	total := process.Memory(s.PID)
	for _, st := range s.Services {
		total += st.Memory
		t.Logf("%s %s: %.0f MB", st.Title, st.Version, float64(st.Memory)/(1<<20))
	}
	t.Logf("in all: %.0f MB", float64(total)/(1<<20))
}
