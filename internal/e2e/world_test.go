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

// databaseParts, and those below, are what a part of an application has on the servers.
func databaseParts() []string {
	return []string{
		"database shop", "database shop_shadow", "role shop_app", "schema shop.shop", "schema shop.shop_migrations",
	}
}

func restParts() []string {
	return []string{"role shop_anon", "role shop_rest", "role shop_user", "process postgrest-shop"}
}

func bucketParts(names ...string) []string {
	parts := []string{"user plattr-local-shop with 1 key"}
	for _, n := range names {
		parts = append(parts, "bucket plattr-local-shop-"+n)
	}
	return parts
}

func signInParts(providers ...string) []string {
	parts := []string{
		"realm shop-local", "client shop-local-realm of master", "client shop of shop-local", "user demo of shop-local",
		"mapper audience of shop-local",
	}
	for _, p := range providers {
		parts = append(parts, "provider "+p+" of shop-local")
	}
	return parts
}

func roleClaimPart() []string { return []string{"mapper database-role of shop-local"} }
func redisParts() []string    { return []string{"process redis-shop", "user shop of redis-shop"} }
func searchParts() []string   { return []string{"space plattr-owner-shop-local--"} }

func variants() []variant {
	database := "database: {enabled: true, rest: {enabled: true, anonAccess: read}}\n"
	more := "redis: {enabled: true}\nsearch: {enabled: true}\n"
	return []variant{
		{
			"whole", header + database + more + "auth: {enabled: true, providers: [github]}\n" +
				"storage: {enabled: true, buckets: [{name: uploads}, {name: invoices, public: true}]}\n",
			slices.Concat(databaseParts(), restParts(), bucketParts("uploads", "invoices"), signInParts("github"), roleClaimPart(),
				redisParts(), searchParts()),
		},
		{
			"base", header + database + "storage: {enabled: true, buckets: [{name: uploads}, {name: invoices, public: true}]}\n",
			slices.Concat(databaseParts(), restParts(), bucketParts("uploads", "invoices")),
		},
		{"small", header + "database: {enabled: true, rest: {enabled: false}}\n", databaseParts()},
		{
			"changed", header + "database: {enabled: true, extensions: [pgcrypto], rest: {enabled: true, anonAccess: write}}\n" +
				"storage: {enabled: true, buckets: [{name: uploads, public: true}, {name: more}]}\n" + more +
				"auth: {enabled: true, providers: [google, github], redirectPaths: [/back, /again]}\n",
			slices.Concat(databaseParts(), restParts(), bucketParts("uploads", "more"), signInParts("google", "github"),
				roleClaimPart(), redisParts(), searchParts()),
		},
		{
			"buckets", header + "storage: {enabled: true, buckets: [{name: invoices}]}\nsearch: {enabled: true}\n",
			slices.Concat(bucketParts("invoices"), searchParts()),
		},
		{"sign-in", header + "auth: {enabled: true}\nredis: {enabled: true}\n", slices.Concat(signInParts(), redisParts())},
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
		"name: other\nframework: docker\ndatabase: {enabled: true}\nstorage: {enabled: true, buckets: [{name: uploads}]}\n"+
			"auth: {enabled: true}\nredis: {enabled: true}\nsearch: {enabled: true}\n")
	t.Cleanup(func() {
		if t.Failed() {
			for _, service := range []string{"supervisor", "postgrest-shop"} {
				out, _ := w.neighbour.command(context.Background(), "dev", "logs", service).CombinedOutput()
				t.Logf("%s:\n%s", service, out)
			}
		}
		out, err := w.neighbour.command(context.Background(), "dev", "destroy", "--all", "--yes").CombinedOutput()
		if err != nil {
			t.Errorf("dev destroy --all: %v\n%s", err, out)
		}
	})
	return w
}

func build(t testing.TB, dir string) string {
	t.Helper()
	testutil.OnWorkTree(t)
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
	for _, provider := range []string{"GOOGLE", "GITHUB"} {
		cmd.Env = append(cmd.Env, "PLATTR_IDP_"+provider+"_CLIENT_ID=an-id", "PLATTR_IDP_"+provider+"_CLIENT_SECRET="+plantedProvider)
	}
	return cmd
}

// kill starts plattr and kills it after a while; it says whether the run had not ended by itself.
func (p *project) kill(after time.Duration, args ...string) bool {
	p.world.t.Helper()
	return killed(p.world.t, p.command(p.world.t.Context(), args...), after)
}

// killed starts a command and kills it after a while; it says whether that had not ended by itself, as it may by success only.
func killed(t testing.TB, cmd *exec.Cmd, after time.Duration) bool {
	t.Helper()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	err := cmd.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			return true
		}
		t.Errorf("plattr %s failed by itself: %v\n%s", strings.Join(cmd.Args[1:], " "), err, &out)
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
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGQUIT) } // one that hangs says where
	cmd.WaitDelay = 10 * time.Second
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
		"user plattr-local-other with 1 key", "process postgrest-other", "process redis-other", "user other of redis-other",
		"space plattr-owner-other-local--", "realm other-local", "client other-local-realm of master", "client other of other-local",
		"user demo of other-local", "mapper audience of other-local", "mapper database-role of other-local",
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
	if slices.Contains(want, "database shop") { // tests and resets may have made what they copy from
		got = slices.DeleteFunc(got, func(one string) bool { return one == "database shop_tpl" })
	}
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
