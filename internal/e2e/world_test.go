package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plattr.dev/plattr/internal/testutil"
	"plattr.dev/plattr/localdev"
	"plattr.dev/plattr/localdev/state/statetest"
)

// variant is one form of the application, and what it has on the servers.
type variant struct {
	name, file string
	has        []string
}

const header = "name: shop\nframework: docker\n"

// everyVariant is on the servers whatever the form.
func databaseParts() []string {
	return []string{
		"database shop", "database shop_shadow", "role shop_app", "schema shop.shop", "schema shop.shop_migrations",
	}
}

func restParts() []string { return []string{"role shop_anon", "role shop_rest", "role shop_user"} }

func bucketParts(names ...string) []string {
	parts := []string{"user plattr-local-shop with 1 key"}
	for _, n := range names {
		parts = append(parts, "bucket plattr-local-shop-"+n)
	}
	return parts
}

func variants() []variant {
	database := "database: {enabled: true, rest: {enabled: true, anonAccess: read}}\n"
	return []variant{
		{
			"whole", header + database + "storage: {enabled: true, buckets: [{name: uploads}, {name: invoices, public: true}]}\n",
			slices.Concat(databaseParts(), restParts(), bucketParts("uploads", "invoices")),
		},
		{"small", header + "database: {enabled: true, rest: {enabled: false}}\n", databaseParts()},
		{
			"changed", header + "database: {enabled: true, extensions: [pgcrypto], rest: {enabled: true, anonAccess: write}}\n" +
				"storage: {enabled: true, buckets: [{name: uploads, public: true}, {name: more}]}\n",
			slices.Concat(databaseParts(), restParts(), bucketParts("uploads", "more")),
		},
		{"buckets", header + "storage: {enabled: true, buckets: [{name: invoices}]}\n", bucketParts("invoices")},
	}
}

// world is a machine of the test's own: a state folder, two projects and the built program.
type world struct {
	t              testing.TB
	program, state string
	app, neighbour *project
}

func newWorld(t testing.TB) *world {
	t.Helper()
	root := statetest.Room(t)
	w := &world{t: t, program: build(t, root), state: filepath.Join(root, "state")}
	w.app = w.newProject(filepath.Join(root, "shop"), variants()[0].file)
	w.neighbour = w.newProject(filepath.Join(root, "other"),
		"name: other\nframework: docker\ndatabase: {enabled: true}\nstorage: {enabled: true, buckets: [{name: uploads}]}\n")
	t.Cleanup(func() {
		out, err := w.neighbour.command(context.Background(), "dev", "destroy", "--all", "--yes").CombinedOutput()
		if err != nil {
			t.Errorf("dev destroy --all: %v\n%s", err, out)
		}
	})
	return w
}

func build(t testing.TB, dir string) string {
	t.Helper()
	program := filepath.Join(dir, "plattr")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", program, "plattr.dev/plattr/cmd/plattr")
	if out, err := cmd.CombinedOutput(); err != nil {
		testutil.Require(t, false, "plattr cannot be built: "+string(out))
	}
	return program
}

func (w *world) getenv(name string) string {
	if name == "PLATTR_STATE_DIR" {
		return w.state
	}
	return os.Getenv(name)
}

// project is one application's directory.
type project struct {
	world *world
	dir   string
}

func (w *world) newProject(dir, file string) *project {
	w.t.Helper()
	if err := os.MkdirAll(dir, 0o750); err != nil {
		w.t.Fatal(err)
	}
	p := &project{world: w, dir: dir}
	p.write(file)
	return p
}

func (p *project) write(file string) {
	p.world.t.Helper()
	if err := os.WriteFile(filepath.Join(p.dir, "plattr.yaml"), []byte(file), 0o600); err != nil {
		p.world.t.Fatal(err)
	}
}

func (p *project) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, p.world.program, args...)
	cmd.Dir = p.dir
	cmd.Env = append(os.Environ(), "PLATTR_STATE_DIR="+p.world.state)
	return cmd
}

// kill starts plattr and kills it after a while; it says whether the run had not ended by itself.
func (p *project) kill(after time.Duration, args ...string) bool {
	p.world.t.Helper()
	cmd := p.command(p.world.t.Context(), args...)
	if err := cmd.Start(); err != nil {
		p.world.t.Fatal(err)
	}
	timer := time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	err := cmd.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			return true
		}
		p.world.t.Errorf("plattr %s failed by itself: %v", strings.Join(args, " "), err)
	}
	return false
}

// run lets plattr do the job; what says when.
func (p *project) run(what string, args ...string) {
	p.world.t.Helper()
	ctx, cancel := context.WithTimeout(p.world.t.Context(), 2*time.Minute)
	defer cancel()
	cmd := p.command(ctx, args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		p.world.t.Fatalf("%s\nthe next run, plattr %s: %v\n%s", what, strings.Join(args, " "), err, &out)
	}
}

func (p *project) mustRun(args ...string) {
	p.world.t.Helper()
	p.run("", args...)
}

// mustBeUnchanged holds that another run finds nothing to do.
func (p *project) mustBeUnchanged() {
	p.world.t.Helper()
	out, err := p.command(p.world.t.Context(), "dev", "-o", "json").Output()
	if err != nil {
		p.world.t.Fatalf("plattr dev -o json: %v", err)
	}
	var result struct{ Changes any }
	if err := json.Unmarshal(out, &result); err != nil {
		p.world.t.Fatalf("plattr dev -o json: %v in %s", err, out)
	}
	if result.Changes != "none" {
		p.world.t.Errorf("another run of plattr dev changes %v", result.Changes)
	}
}

// wanted is the neighbour's part of the inventory and that of a form of the application; nil means none.
func (w *world) wanted(v *variant) []string {
	has := []string{
		"database other", "database other_shadow", "role other_anon", "role other_app", "role other_rest", "role other_user",
		"schema other.other", "schema other.other_migrations", "bucket plattr-local-other-uploads",
		"user plattr-local-other with 1 key",
	}
	if v != nil {
		has = append(has, v.has...)
	}
	return has
}

// expect compares what the servers have, all of it, with what they should.
func (w *world) expect(when string, want []string) {
	w.t.Helper()
	got := w.inventory()
	slices.Sort(got)
	want = slices.Sorted(slices.Values(want))
	if diff := cmp.Diff(want, got); diff != "" {
		w.t.Fatalf("%s: the servers have (-want +got):\n%s", when, diff)
	}
}

// killServer kills one of the local services; it says whether there was one.
func (w *world) killServer(name string) bool {
	w.t.Helper()
	n, err := localdev.NewNative(w.t.Context(), w.getenv)
	if err != nil {
		w.t.Fatal(err)
	}
	status, err := n.Status(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	pids := map[string]int{"supervisor": status.PID}
	for _, s := range status.Services {
		pids[s.Name] = s.PID
	}
	pid, ok := maps.Clone(pids)[name]
	return ok && pid > 1 && syscall.Kill(pid, syscall.SIGKILL) == nil
}
