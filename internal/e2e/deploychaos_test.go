package e2e

import (
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"plattr.dev/plattr/internal/testutil"
	"plattr.dev/plattr/localdev"
)

var deployKills = flag.Int("chaos.deploy", 10, "how many runs that deploy to a cluster are killed")

// TestDeployChaos kills runs of plattr that work on an environment in a cluster, with SIGKILL, at random moments of their
// usual duration: releases, rollbacks, changes of variables, the end. The next run of the same command must succeed without
// a manual step and leave what it was asked for, nothing twice and nothing behind. While a release serves, whoever asks the
// ingress is answered.
func TestDeployChaos(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("kills take seconds each: make chaos runs it")
	}
	p := newPlace(t, false, "guestbook")
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d: replay with make chaos DEPLOYS=%d SEED=%d", *seed, *deployKills, *seed)
	c := newDeployChaos(p, rand.New(rand.NewPCG(*seed, 0))) //nolint:gosec // replayable
	defer func() { t.Log(c.figures()) }()
	for i := range *deployKills {
		c.round(i)
	}
	c.visitor.rest()
	c.complete("the end", step{name: "undeploy --data", args: undeployData})
}

// deployChaos is the state of one test.
type deployChaos struct {
	*app
	rand    *rand.Rand
	visitor *visitor
	images  []string
	took    map[string]time.Duration // how long a whole run of each step took last
	objects []string                 // what a release has in the namespace
	things  []string                 // what the application has on the servers

	present, serving             bool
	rounds, killed, left, double int
}

// step is a command, and what is asked of it.
type step struct {
	name  string
	args  []string
	image string // that serves afterwards; empty if the step does not say
	env   string // value of GREETING afterwards; empty if the step does not say
}

var (
	undeploy     = []string{"undeploy", "--env", "staging", "--yes", "-q"}
	undeployData = []string{"undeploy", "--env", "staging", "--data", "--yes", "-q"}
)

// newDeployChaos goes through all steps once, undisturbed: how long they take and what they make is what the rest is
// measured by.
func newDeployChaos(p *place, random *rand.Rand) *deployChaos {
	p.t.Helper()
	a := p.app("guestbook", "guestbook", func(text string) string { return text + "scaling: {min: 1, max: 2}\n" })
	c := &deployChaos{app: a, rand: random, took: map[string]time.Duration{}}
	for _, tag := range []string{"a", "b", "c"} { // all with the same migrations: an image that lacks one is refused
		c.images = append(c.images, a.variant("chaos-"+tag, map[string]string{
			"tag.txt":                   tag,
			"migrations/00005_mood.sql": "-- +goose Up\nalter table entry add column mood text;\n-- +goose Down\nalter table entry drop column mood;\n",
		}, ""))
	}
	c.visitor = visit(a)
	c.complete("undisturbed", c.deploy("first deploy", c.images[0]))
	c.objects, c.things = c.inNamespace(), c.onServers()
	if len(c.objects) == 0 || len(c.things) == 0 {
		p.t.Fatalf("a release has %v in the namespace and %v on the servers", c.objects, c.things)
	}
	c.complete("undisturbed", c.deploy("deploy", c.images[1]))
	c.complete("undisturbed", c.setEnv(0))
	c.complete("undisturbed", c.rollback())
	c.visitor.rest()
	c.complete("undisturbed", step{name: "undeploy", args: undeploy})
	c.complete("undisturbed", step{name: "undeploy --data", args: undeployData})
	return c
}

func (c *deployChaos) deploy(name, image string) step {
	return step{name: name, args: []string{"deploy", "--env", "staging", "--image", image, "-q"}, image: image}
}

func (c *deployChaos) setEnv(i int) step {
	greeting := "Hello " + strconv.Itoa(i) + "."
	return step{name: "env set", args: []string{"env", "set", "GREETING=" + greeting, "--env", "staging", "-q"}, env: greeting}
}

func (c *deployChaos) rollback() step {
	return step{name: "rollback", args: []string{"rollback", "--env", "staging", "-q"}}
}

// choose decides what is done in a round.
func (c *deployChaos) choose(i int) step {
	if !c.serving {
		return c.deploy("first deploy", c.images[c.rand.IntN(len(c.images))])
	}
	switch n := c.rand.IntN(10); {
	case n < 4:
		return c.deploy("deploy", c.images[c.rand.IntN(len(c.images))])
	case n < 6 && c.canGoBack():
		return c.rollback()
	case n < 8:
		return c.setEnv(i)
	case n < 9:
		return step{name: "undeploy", args: undeploy}
	}
	return step{name: "undeploy --data", args: undeployData}
}

// round kills one run and lets the next one finish the job.
func (c *deployChaos) round(i int) {
	c.rounds++
	s := c.choose(i)
	if strings.HasPrefix(s.name, "undeploy") {
		c.visitor.rest()
	}
	moment := time.Duration(c.rand.Float64() * 1.1 * float64(c.took[s.name]))
	what := fmt.Sprintf("round %d: %s, killed after %s", i, s.name, moment.Round(time.Millisecond))
	if c.kill(moment, s.args...) {
		c.killed++
	}
	c.complete(what, s)
}

// kill starts plattr and kills it after a while; it says whether the run had not ended by itself.
func (c *deployChaos) kill(after time.Duration, args ...string) bool {
	c.t.Helper()
	return killed(c.t, c.command(c.t.Context(), args...), after)
}

// complete runs a step to its end and compares what is there with what was asked for.
func (c *deployChaos) complete(what string, s step) {
	c.t.Helper()
	c.t.Log(what)
	got := c.run(s.args...)
	if strings.HasPrefix(what, "undisturbed") {
		c.took[s.name] = got.took
	}
	switch s.name {
	case "undeploy":
		c.serving = false
	case "undeploy --data":
		c.serving, c.present = false, false
	default:
		c.serving, c.present = true, true
	}
	if c.serving {
		c.serves(s)
		c.visitor.stay()
	}
	c.compare(what)
}

// serves holds that what was asked for is what serves.
func (c *deployChaos) serves(s step) {
	c.t.Helper()
	var status struct{ Phase, Image string }
	out := c.run("status", "--env", "staging", "-o", "json").out
	c.must(json.Unmarshal([]byte(out), &status))
	if live := c.live(); status.Phase != "Running" || status.Image != live || s.image != "" && s.image != live {
		c.t.Errorf("%s: serves %s, recorded is %s, wanted %s", s.name, status.Image, live, s.image)
	}
	if s.env != "" {
		c.app.serves("/", s.env)
		return
	}
	c.app.serves("/", "")
}

// history is what the application remembers of its releases.
func (c *deployChaos) history() []struct{ ID, State, Image string } {
	c.t.Helper()
	var releases []struct{ ID, State, Image string }
	c.must(json.Unmarshal([]byte(c.run("history", "--env", "staging", "-o", "json").out), &releases))
	return releases
}

func (c *deployChaos) live() string {
	c.t.Helper()
	var live []string
	for _, r := range c.history() {
		if r.State == "serves" {
			live = append(live, r.Image)
		}
	}
	return strings.Join(live, " and ") // two are none of those that are wanted
}

// canGoBack tells whether there is a release with another image.
func (c *deployChaos) canGoBack() bool {
	c.t.Helper()
	images := map[string]bool{}
	for _, r := range c.history() {
		images[r.Image] = true
	}
	return len(images) > 1
}

// compare counts what is there and should not be.
func (c *deployChaos) compare(what string) {
	c.t.Helper()
	if c.objects == nil {
		return // the first release says what there is to compare with
	}
	var objects, things []string
	if c.serving {
		objects = c.objects
	}
	if c.present {
		things = c.things
	}
	for _, pair := range [][2][]string{{objects, c.inNamespace()}, {things, c.onServers()}} {
		for _, one := range pair[1] {
			switch {
			case slices.Contains(pair[0], one):
			case len(pair[0]) == 0:
				c.left++
				c.t.Errorf("%s: left is %s", what, one)
			default:
				c.double++
				c.t.Errorf("%s: there is also %s", what, one)
			}
		}
		for _, one := range pair[0] {
			if !slices.Contains(pair[1], one) {
				c.t.Errorf("%s: missing is %s", what, one)
			}
		}
	}
	c.noFiles(what)
}

// inNamespace are the application's objects. How many pods and Jobs there are is not asked here, but there are none where
// nothing serves; the Secret of the user's variables comes with the first of them.
func (c *deployChaos) inNamespace() []string {
	c.t.Helper()
	names := strings.Fields(c.kubectl("get", "all,secrets,configmaps,ingresses,networkpolicies,hpa,pdb,serviceaccounts,pvc",
		"-l", "app.kubernetes.io/name="+c.name, "-o", "name"))
	if jobs := slices.DeleteFunc(slices.Clone(names), func(n string) bool { return !strings.HasPrefix(n, "job.batch/") }); len(jobs) > 3 {
		c.double++
		c.t.Errorf("more than three Jobs are kept: %v", jobs)
	}
	if !c.serving {
		return names
	}
	return slices.DeleteFunc(names, func(n string) bool {
		return strings.HasPrefix(n, "pod/") || strings.HasPrefix(n, "replicaset.apps/") || strings.HasPrefix(n, "job.batch/") ||
			n == "secret/"+c.name+"-env"
	})
}

// onServers is what the application has in the database and in the storage.
func (c *deployChaos) onServers() []string {
	c.t.Helper()
	have := query(c.t, c.servers.SuperuserURL(testutil.ServersDatabase), `
		select 'role ' || rolname from pg_roles where rolname !~ '^pg_' and rolname not in ('postgres', '`+testutil.ServersAdmin+`')
		union all
		select 'schema ' || nspname from pg_namespace where nspname !~ '^pg_' and nspname not in ('information_schema', 'public', 'extensions')`)
	return append(have, bucketsOf(c.t, &localdev.S3Endpoint{
		URL: "http://" + c.servers.Node + ":30900", IAMURL: "http://" + c.servers.Node + ":30902", Region: "us-east-1",
		AccessKey: testutil.ServersS3User, SecretKey: testutil.ServersS3Secret,
	})...)
}

// noFiles holds that no lock is left, and no stack of an application that is not there.
func (c *deployChaos) noFiles(what string) {
	c.t.Helper()
	c.must(filepath.WalkDir(filepath.Join(c.root, "state"), func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		lock := strings.Contains(path, "/locks/")
		stack := strings.Contains(path, "/stacks/") && !c.present && !strings.HasSuffix(path, ".bak")
		if lock || stack {
			c.left++
			c.t.Errorf("%s: left is %s", what, path)
		}
		return nil
	}))
}

func (c *deployChaos) figures() string {
	v := c.visitor
	return fmt.Sprintf("%d rounds, %d killed before their end; %d left, %d doubled; %d requests, %d lost, %d asked again",
		c.rounds, c.killed, c.left, c.double, v.asked.Load(), v.lost.Load(), v.again.Load())
}
