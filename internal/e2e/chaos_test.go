package e2e

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

var (
	kills = flag.Int("chaos.n", 10, "how many runs are killed")
	seed  = flag.Uint64("chaos.seed", 0, "replays the run that printed this seed; 0 takes a new one")
)

// TestChaos kills runs of plattr with SIGKILL at random moments: of making the application, of changing it, of testing
// it, of deleting it; now and then the supervisor or a server with it. Every next run must succeed without a manual step
// and leave exactly what is asked for, nothing twice and nothing behind; a neighbour on the same servers must never
// notice.
func TestChaos(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("kills take seconds each: make chaos runs it")
	}
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	w := newWorld(t)
	c := &chaos{world: w, rand: rand.New(rand.NewPCG(*seed, 0)), took: map[string]time.Duration{}} //nolint:gosec // replayable
	t.Logf("seed %d: replay with make chaos N=%d SEED=%d", *seed, *kills, *seed)

	w.app.file("package.json", `{"scripts": {"test": "sleep 0.2"}}`)
	w.neighbour.mustRun("dev", "-q")
	want := w.inventory()
	for i := range *kills {
		c.round(i)
	}
	w.app.mustRun("dev", "destroy", "--yes", "-q")
	w.expect("after the last delete", want)
	w.neighbour.mustBeUnchanged()
	t.Logf("%d runs, %d of them killed before their end, %d servers killed with them; every next run succeeded, nothing "+
		"was left or doubled", *kills, c.killed, c.servers)
}

// chaos is the state of one test.
type chaos struct {
	*world
	rand    *rand.Rand
	now     *variant                 // what the application is; nil: nothing
	took    map[string]time.Duration // how long a whole run of each kind took last
	killed  int
	servers int
}

// round kills one run and lets the next one finish the job.
func (c *chaos) round(i int) {
	kind, args, variant := c.choose()
	moment := time.Duration(c.rand.Float64() * 1.1 * float64(c.duration(kind)))
	server := ""
	if c.rand.IntN(10) == 0 {
		server = servers[c.rand.IntN(len(servers))]
	}
	what := fmt.Sprintf("round %d: %s, killed after %s, with it %q", i, kind, moment.Round(time.Millisecond), server)
	if c.app.kill(moment, args...) {
		c.killed++
	}
	if server != "" && c.killServer(server) {
		c.servers++
	}
	start := time.Now()
	c.app.run(what, args...)
	c.took[kind] = time.Since(start)
	c.expect(what, c.wanted(variant))
	c.now = variant
	if variant != nil && c.rand.IntN(5) == 0 {
		c.app.mustBeUnchanged()
	}
}

// servers are those that are killed together with plattr.
var servers = []string{"supervisor", "postgresql", "s3", "keycloak", "opensearch", "redis-shop"}

// duration is how long a run of a kind takes, as far as it is known.
func (c *chaos) duration(kind string) time.Duration {
	if d := c.took[kind]; d > 0 {
		return max(d, 200*time.Millisecond)
	}
	return time.Second
}

// choose decides what is done: a third deletes, a few run the application's tests on a copy of what is there, the rest
// makes or changes.
func (c *chaos) choose() (kind string, args []string, v *variant) {
	if c.now != nil && c.rand.IntN(6) == 0 {
		return "test", []string{"test", "-q"}, c.now
	}
	if c.rand.IntN(3) == 0 {
		return "destroy", []string{"dev", "destroy", "--yes", "-q"}, nil
	}
	next := variants()[c.rand.IntN(len(variants()))]
	c.app.write(next.file)
	return "up " + next.name, []string{"dev", "-q"}, &next
}
