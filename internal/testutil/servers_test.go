package testutil

import (
	"testing"
	"time"
)

// TestServersOfTests starts every server that is a process of its own, kills it and starts it again.
func TestServersOfTests(t *testing.T) {
	t.Parallel()
	servers := map[string]func(t *testing.T) *process{
		"Keycloak":   func(t *testing.T) *process { t.Helper(); return &NewKeycloak(t).process },
		"OpenSearch": func(t *testing.T) *process { t.Helper(); return &NewOpenSearch(t).process },
		"Redis":      func(t *testing.T) *process { t.Helper(); return &NewRedis(t).process },
	}
	for name, start := range servers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			p := start(t)
			t.Logf("first start %s", time.Since(began))
			p.Kill()
			if err := p.ready(t.Context()); err == nil {
				t.Fatal("it answers after it was killed")
			}
			began = time.Now()
			if err := p.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			t.Logf("second start %s", time.Since(began))
			began = time.Now()
			p.Stop()
			t.Logf("stop %s", time.Since(began))
		})
	}
}
