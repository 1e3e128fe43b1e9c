package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"plattr.dev/plattr/internal/engine"
	"plattr.dev/plattr/internal/engine/enginetest"
	"plattr.dev/plattr/internal/engine/store/storetest"
	"plattr.dev/plattr/internal/testutil"
)

// childVariable makes the test binary do one run and exit; its value is a childRun.
const childVariable = "PLATTR_ENGINE_TEST_CHILD"

type childRun struct {
	State, Files string
	URL          string // instead of State
	S3           engine.S3Credentials
	Stack        string
	Names        []string // the files to declare; none: destroy
	Content      string
	Slow         string
	Lag          string // of the first create

	// Kubeconfig and Namespace make it a run of objects in a cluster.
	Kubeconfig, Namespace string
}

func TestMain(m *testing.M) {
	raw, ok := os.LookupEnv(childVariable)
	if !ok {
		os.Exit(m.Run())
	}
	var c childRun
	if err := json.Unmarshal([]byte(raw), &c); err != nil {
		panic(err)
	}
	if err := c.run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func (c childRun) run(ctx context.Context) error {
	linked := ""
	o := engine.Options{
		Project: "shop", StateURL: engine.FileURL(c.State), Owner: "child", Pulumi: &linked,
		Providers: map[string]func() plugin.Provider{enginetest.Package: enginetest.New(c.Files)},
	}
	if c.Kubeconfig != "" {
		o.Providers = nil
	}
	if c.URL != "" {
		in(&o, storetest.Store{URL: c.URL, S3: c.S3})
	}
	e, err := engine.New(o)
	if err != nil {
		return err
	}
	defer e.Close()
	if len(c.Names) == 0 {
		_, err = e.Destroy(ctx, c.Stack, engine.RunOptions{})
		if errors.Is(err, engine.ErrStackNotFound) {
			return nil // killed before the stack was made
		}
		return err
	}
	_, err = e.Up(ctx, c.Stack, c.program(), engine.RunOptions{Refresh: true})
	return err
}

func (c childRun) program() pulumi.RunFunc {
	if c.Kubeconfig != "" {
		return objects(c.Kubeconfig, c.Namespace, len(c.Names), c.Content)
	}
	return func(ctx *pulumi.Context) error {
		var last pulumi.Resource
		for i, name := range c.Names {
			inputs := pulumi.Map{"content": pulumi.String(c.Content), "slow": pulumi.String(c.Slow), "lag": pulumi.String(c.Lag)}
			var opts []pulumi.ResourceOption
			if last != nil && i%2 == 1 {
				opts = append(opts, pulumi.DependsOn([]pulumi.Resource{last}))
			}
			f, err := enginetest.NewFile(ctx, name, inputs, opts...)
			if err != nil {
				return err
			}
			last = f
		}
		return nil
	}
}

// start starts the run in a process of its own.
func (c childRun) start(t testing.TB) *exec.Cmd {
	t.Helper()
	raw, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"="+string(raw))
	cmd.Stderr = &strings.Builder{}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd
}

func (p place) child(stack string, names []string, content, slow string) childRun {
	return childRun{
		State: p.state, Files: p.files, URL: p.store.URL, S3: p.store.S3, Stack: stack, Names: names, Content: content, Slow: slow,
	}
}

// locks lists the lock files of a stack.
func (p place) locks(t testing.TB, stack string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(p.state, ".pulumi/locks/organization/shop", stack, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func waitFor(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited 30 s for %s", what)
		}
	}
}

func TestLock(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	run := p.child("dev", []string{"a"}, "1", "")
	run.Lag = "30s"
	cmd := run.start(t)
	waitFor(t, "the other process", func() bool { f, _ := enginetest.Files(p.files); return len(f) > 0 })

	_, err := p.Up(t.Context(), "dev", files(map[string]string{"a": "1"}), engine.RunOptions{})
	var locked *engine.LockedError
	if !errors.Is(err, engine.ErrLocked) || !errors.As(err, &locked) {
		t.Fatalf("second run: %v, want a LockedError", err)
	}
	host, _ := os.Hostname()
	got := engine.LockedError{Stack: locked.Stack, Owner: locked.Owner, Host: locked.Host, PID: locked.PID}
	if diff := cmp.Diff(engine.LockedError{Stack: "dev", Owner: "child", Host: host, PID: cmd.Process.Pid}, got); diff != "" {
		t.Errorf("LockedError (-want +got):\n%s", diff)
	}
	if d := time.Since(locked.Since); d < 0 || d > time.Minute {
		t.Errorf("locked since %v", locked.Since)
	}
	if _, err := p.Preview(t.Context(), "dev", files(nil), engine.RunOptions{}); err != nil {
		t.Errorf("a preview needs no lock, but: %v", err)
	}
	if _, err := p.Up(t.Context(), "other", files(nil), engine.RunOptions{}); err != nil {
		t.Errorf("another stack is not locked, but: %v", err)
	}

	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	start := time.Now()
	up(t, p, "dev", files(map[string]string{"a": "1"}), engine.RunOptions{})
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("the lock of a dead process was taken over after %v", d)
	}
	if left := p.locks(t, "dev"); len(left) > 0 {
		t.Errorf("locks left: %v", left)
	}
}

func TestForeignLocks(t *testing.T) {
	t.Parallel()
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		reason  string
		content string // with HOST, SELF (our PID), NOW and OLD (two minutes ago)
		locked  bool
	}{
		"Empty":  {"a lock without content holds nothing", ``, false},
		"Torn":   {"nor one that was torn", `{"pid":1,"user`, false},
		"Dead":   {"the stock CLI died on this host", `{"pid":4194303,"username":"u","hostname":"HOST","timestamp":"NOW"}`, false},
		"Reused": {"its PID belongs to a younger process", `{"pid":SELF,"username":"u","hostname":"HOST","timestamp":"2020-01-01T00:00:00Z"}`, false},
		"Alive":  {"the stock CLI lives on this host", `{"pid":SELF,"username":"u","hostname":"HOST","timestamp":"NOW"}`, true},
		"ReusedOurs": {
			"our process started at another time",
			`{"pid":SELF,"username":"u","hostname":"HOST","timestamp":"NOW","owner":"x","start":"1","heartbeat":"NOW"}`, false,
		},
		"OtherHost": {
			"another host beats",
			`{"pid":1,"username":"u","hostname":"elsewhere","timestamp":"OLD","owner":"x","node":"n","heartbeat":"NOW"}`, true,
		},
		"OtherHostGone": {
			"another host has stopped beating",
			`{"pid":1,"username":"u","hostname":"elsewhere","timestamp":"OLD","owner":"x","node":"n","heartbeat":"OLD"}`, false,
		},
		"OtherHostCLI": {
			"the stock CLI of another host has no heartbeat",
			`{"pid":1,"username":"u","hostname":"elsewhere","timestamp":"OLD"}`, true,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			dir := filepath.Join(p.state, ".pulumi/locks/organization/shop/dev")
			if err := os.MkdirAll(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			now := time.Now().UTC()
			content := strings.NewReplacer("HOST", host, "SELF", strconv.Itoa(os.Getpid()), "NOW", now.Format(time.RFC3339Nano),
				"OLD", now.Add(-2*time.Minute).Format(time.RFC3339Nano)).Replace(tc.content)
			if err := os.WriteFile(filepath.Join(dir, "x.json"), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := p.Up(t.Context(), "dev", files(nil), engine.RunOptions{})
			if got := errors.Is(err, engine.ErrLocked); got != tc.locked || (err != nil && !got) {
				t.Errorf("%s: up: %v, want locked: %v", tc.reason, err, tc.locked)
			}
		})
	}
}

// TestStockLock checks that the stock CLI respects our lock, and we respect its.
func TestStockLock(t *testing.T) {
	t.Parallel()
	cli := testutil.Tool(t, "pulumi")
	key := func(o *engine.Options) { o.Passphrase = func() (string, error) { return phrase, nil } }
	ours := newPlace(t, key)
	stock := newPlace(t, key, func(o *engine.Options) {
		o.StateURL, o.Pulumi = engine.FileURL(ours.state), &cli
		o.Providers = map[string]func() plugin.Provider{enginetest.Package: enginetest.New(ours.files)}
	})
	slow := func(ctx *pulumi.Context) error {
		_, err := enginetest.NewFile(ctx, "a", pulumi.Map{"slow": pulumi.String("20s")})
		return err
	}
	for name, pair := range map[string][2]place{"OursFirst": {ours, stock}, "StockFirst": {stock, ours}} {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { _, err := pair[0].Up(ctx, "dev", slow, engine.RunOptions{}); done <- err }()
		waitFor(t, "the first run's create", func() bool {
			raw, _ := os.ReadFile(filepath.Join(ours.state, ".pulumi/stacks/shop/dev.json"))
			return strings.Contains(string(raw), "creating")
		})
		if _, err := pair[1].Up(t.Context(), "dev", files(nil), engine.RunOptions{}); !errors.Is(err, engine.ErrLocked) {
			t.Errorf("%s: second run: %v, want ErrLocked", name, err)
		}
		cancel()
		if err := <-done; !errors.Is(err, engine.ErrCancelled) {
			t.Errorf("%s: first run: %v, want ErrCancelled", name, err)
		}
		if _, err := ours.Destroy(t.Context(), "dev", engine.RunOptions{Remove: true}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestKilled kills runs at random moments. Every next run succeeds without a manual step, nothing is made twice and
// nothing is left behind. PLATTR_TEST_KILLS says how many runs are killed, PLATTR_TEST_SEED repeats a run of the test.
func TestKilled(t *testing.T) {
	t.Parallel()
	kills, err := strconv.Atoi(os.Getenv("PLATTR_TEST_KILLS"))
	if err != nil {
		kills = 12
	}
	seed, err := strconv.ParseUint(os.Getenv("PLATTR_TEST_SEED"), 10, 64)
	if err != nil {
		seed = rand.Uint64()
	}
	t.Logf("PLATTR_TEST_SEED=%d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	p := newPlace(t)
	names := []string{"a", "b", "c", "d", "e", "f"}
	for i := range kills {
		killed, next := p.randomRun(random, names, i), p.randomRun(random, names, i)
		cmd := killed.start(t)
		delay := time.Duration(random.IntN(400)) * time.Millisecond
		time.AfterFunc(delay, func() { _ = cmd.Process.Signal(syscall.SIGKILL) })
		_ = cmd.Wait()
		if err := next.run(t.Context()); err != nil {
			t.Fatalf("%d: %v, killed after %v, then %v: %v", i, killed.Names, delay, next.Names, err)
		}
		want := map[string]string{}
		for _, n := range next.Names {
			want[n] = next.Content
		}
		wantFiles(t, p, want)
		if t.Failed() {
			t.Fatalf("%d: %v, killed after %v, then %v", i, killed.Names, delay, next.Names)
		}
	}
	if err := p.child("dev", nil, "", "").run(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantFiles(t, p, map[string]string{})
	if err := p.Remove(t.Context(), "dev"); err != nil {
		t.Fatal(err)
	}
	wantStateFiles(t, p, "key", "key.derived", ".pulumi/meta.yaml")
}

// randomRun declares some of the files, or none: a destroy.
func (p place) randomRun(random *rand.Rand, names []string, i int) childRun {
	var some []string
	if random.IntN(4) > 0 {
		for _, n := range names {
			if random.IntN(2) == 0 {
				some = append(some, n)
			}
		}
	}
	return p.child("dev", some, fmt.Sprintf("%d-%d", i, random.IntN(2)), "10ms")
}

// TestCancelledThenDestroyed cancels a create whose effect is there already: destroy must find it.
func TestCancelledThenDestroyed(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		waitFor(t, "the file", func() bool { f, _ := enginetest.Files(p.files); return len(f) > 0 })
		cancel()
	}()
	_, err := p.Up(ctx, "dev", func(ctx *pulumi.Context) error {
		_, err := enginetest.NewFile(ctx, "a", pulumi.Map{"lag": pulumi.String("20s")})
		return err
	}, engine.RunOptions{})
	if !errors.Is(err, engine.ErrCancelled) {
		t.Errorf("up: %v, want ErrCancelled", err)
	}
	wantFiles(t, p, map[string]string{"a": ""})
	if _, err := p.Preview(t.Context(), "dev", files(nil), engine.RunOptions{}); err != nil {
		t.Errorf("preview: %v", err)
	}
	if _, err := p.Destroy(t.Context(), "dev", engine.RunOptions{Remove: true}); err != nil {
		t.Fatal(err)
	}
	wantFiles(t, p, map[string]string{})
}

// TestDamagedState tears the state as a kill in the middle of a write, or a full disk, would.
func TestDamagedState(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(raw []byte) []byte{
		"Empty":     func([]byte) []byte { return nil },
		"Truncated": func(raw []byte) []byte { return raw[:len(raw)/2] },
		"Zeros":     func(raw []byte) []byte { return make([]byte, len(raw)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			program := map[string]string{"a": "1", "b": "2"}
			up(t, p, "dev", files(program), engine.RunOptions{})
			file := filepath.Join(p.state, ".pulumi/stacks/shop/dev.json")
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Remove(file); err != nil { // else its other names are damaged too
				t.Fatal(err)
			}
			if err := os.WriteFile(file, damage(raw), 0o600); err != nil {
				t.Fatal(err)
			}
			up(t, p, "dev", files(program), engine.RunOptions{Refresh: true})
			wantFiles(t, p, program)
			if _, err := p.Destroy(t.Context(), "dev", engine.RunOptions{Remove: true}); err != nil {
				t.Fatal(err)
			}
			wantFiles(t, p, map[string]string{})
		})
	}
}

func TestManyStacks(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			stack := fmt.Sprintf("s%d", i)
			program := files(map[string]string{stack + "-a": stack, stack + "-b": stack})
			for range 2 {
				if _, err := p.Up(t.Context(), stack, program, engine.RunOptions{Refresh: true}); err != nil {
					t.Errorf("up %s: %v", stack, err)
				}
			}
			if i%2 == 1 {
				if _, err := p.Destroy(t.Context(), stack, engine.RunOptions{Remove: true}); err != nil {
					t.Errorf("destroy %s: %v", stack, err)
				}
			}
		})
	}
	wg.Wait()
	names, err := p.List(t.Context())
	if err != nil || len(names) != 10 {
		t.Errorf("List = %v, %v; want 10", names, err)
	}
	got, err := enginetest.Files(p.files)
	if err != nil || len(got) != 20 {
		t.Errorf("%d files, %v; want 20", len(got), err)
	}
}

// TestOneRunAtATime starts many runs on one stack: whoever does not get the lock is told, and nothing is torn.
func TestOneRunAtATime(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	var mu sync.Mutex
	done, locked := 0, 0
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			_, err := p.Up(t.Context(), "dev", func(ctx *pulumi.Context) error {
				_, err := enginetest.NewFile(ctx, "a", pulumi.Map{"slow": pulumi.String("500ms")})
				return err
			}, engine.RunOptions{})
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				done++
			case errors.Is(err, engine.ErrLocked):
				locked++
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if done == 0 || done+locked != 8 || locked == 0 {
		t.Errorf("%d runs done, %d locked out of 8", done, locked)
	}
}
