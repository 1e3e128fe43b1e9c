package localdev

import (
	"context"
	"math/rand/v2"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"plattr.dev/plattr/localdev/process"
)

// TestKilledDuringTheFirstStart kills the supervisor at random moments of the very first start, in which the database
// cluster is made and its roles: the next one must always finish the job.
func TestKilledDuringTheFirstStart(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	n := newNative(t)
	for range 12 {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = n.Ensure(ctx, Needs{PostgreSQL: true, S3: true}, nil)
		}()
		time.Sleep(time.Duration(random.IntN(500)) * time.Millisecond)
		cancel() // the command is killed too
		var id process.ID
		if err := n.state.ReadJSON("supervisor.json", &id); err != nil {
			t.Fatal(err)
		}
		_ = id.Signal(syscall.SIGKILL)
		<-done
	}
	e := ensure(t, n, Needs{PostgreSQL: true, S3: true})
	checkRoles(t, e.PostgreSQL)
	ensure(t, n, Needs{PostgreSQL: true, S3: true})
	if left, err := filepath.Glob(n.state.Join("postgresql", "*")); err != nil || len(left) > 2 { // the cluster, and at most one that was in use
		t.Errorf("left behind: %v, %v", left, err)
	}
}
