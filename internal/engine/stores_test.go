package engine_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
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
	"plattr.dev/plattr/internal/engine/lock"
	"plattr.dev/plattr/internal/engine/store"
	"plattr.dev/plattr/internal/engine/store/storetest"
	"plattr.dev/plattr/internal/testutil"
)

const (
	stackKey = ".pulumi/stacks/shop/dev.json"
	lockDir  = ".pulumi/locks/organization/shop/dev"
)

//nolint:paralleltest // eachStore does it
func TestStoreLife(t *testing.T) {
	eachStore(t, func(t *testing.T, p place) {
		ctx := t.Context()
		if names, err := p.List(ctx); err != nil || len(names) > 0 {
			t.Errorf("list of an empty store: %v, %v", names, err)
		}
		if _, err := p.Destroy(ctx, "dev", engine.RunOptions{}); !errors.Is(err, engine.ErrStackNotFound) {
			t.Errorf("destroy of no stack: %v", err)
		}
		for _, program := range []map[string]string{{"a": "1", "b": "2"}, {"a": "1", "b": "2"}, {"a": "1", "b": "3"}, {"a": "1"}} {
			up(t, p, "dev", files(program), engine.RunOptions{Refresh: true, Message: "m"})
			wantFiles(t, p, program)
		}
		runs, err := p.History(ctx, "dev", 0)
		if err != nil || len(runs) != 4 || !runs[0].Succeeded || runs[0].Message != "m" {
			t.Errorf("history: %+v, %v", runs, err)
		}
		if out, err := p.Outputs(ctx, "dev"); err != nil || out["count"].Value != 1.0 {
			t.Errorf("outputs: %v, %v", out, err)
		}
		exported, err := p.Export(ctx, "dev")
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Remove(ctx, "dev"); !errors.Is(err, engine.ErrStackNotEmpty) {
			t.Errorf("remove of a stack with resources: %v", err)
		}
		other := newPlaceIn(t, storetest.Stores()[t.Name()[strings.LastIndex(t.Name(), "/")+1:]])
		if err := other.Import(ctx, "dev", exported); err != nil {
			t.Errorf("import: %v", err)
		}
		if names, err := other.List(ctx); err != nil || !slices.Equal(names, []string{"dev"}) {
			t.Errorf("list after the import: %v, %v", names, err)
		}
		if _, err := p.Destroy(ctx, "dev", engine.RunOptions{Remove: true}); err != nil {
			t.Fatal(err)
		}
		wantFiles(t, p, map[string]string{})
		left, err := p.store.Raw.List(ctx, ".pulumi/")
		if diff := cmp.Diff([]string{".pulumi/meta.yaml"}, left); diff != "" || err != nil {
			t.Errorf("left in the store: %v (-want +got):\n%s", err, diff)
		}
	})
}

// TestStoreNoChangeWritesNothing: what costs a round trip is left out when nothing changed.
//
//nolint:paralleltest // eachStore does it
func TestStoreNoChangeWritesNothing(t *testing.T) {
	eachStore(t, func(t *testing.T, p place) {
		program := files(map[string]string{"a": "1"})
		up(t, p, "dev", program, engine.RunOptions{})
		before, err := p.store.Raw.Stat(t.Context(), stackKey)
		if err != nil {
			t.Fatal(err)
		}
		up(t, p, "dev", program, engine.RunOptions{Refresh: true})
		if after, err := p.store.Raw.Stat(t.Context(), stackKey); err != nil || after.Version != before.Version {
			t.Errorf("the state was written again: %v, %v, %v", before, after, err)
		}
	})
}

//nolint:paralleltest // eachStore does it
func TestStoreLock(t *testing.T) {
	eachStore(t, func(t *testing.T, p place) {
		run := p.child("dev", []string{"a"}, "1", "")
		run.Lag = "60s"
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
		if _, err := p.Preview(t.Context(), "dev", files(nil), engine.RunOptions{}); err != nil {
			t.Errorf("a preview needs no lock, but: %v", err)
		}
		if _, err := p.Up(t.Context(), "other", files(nil), engine.RunOptions{}); err != nil {
			t.Errorf("another stack is not locked, but: %v", err)
		}
		if stale, err := p.StaleLocks(t.Context()); err != nil || len(stale) > 0 {
			t.Errorf("stale while the process lives: %v, %v", stale, err)
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
		if stale, err := p.StaleLocks(t.Context()); err != nil || !slices.Equal(stale, []string{"dev"}) {
			t.Errorf("stale after the kill: %v, %v", stale, err)
		}
		if err := p.FreeStaleLocks(t.Context()); err != nil {
			t.Errorf("free stale locks: %v", err)
		}
		start := time.Now()
		up(t, p, "dev", files(map[string]string{"a": "1"}), engine.RunOptions{})
		if d := time.Since(start); d > 5*time.Second {
			t.Errorf("the lock of a dead process was taken over after %v", d)
		}
		wantFiles(t, p, map[string]string{"a": "1"})
		if left, err := p.store.Raw.List(t.Context(), lockDir); err != nil || len(left) > 0 {
			t.Errorf("locks left: %v, %v", left, err)
		}
	})
}

// TestStoreForeignLocks: the heartbeat of another host is told by the store's clock, if it has one.
//
//nolint:paralleltest // eachStore does it
func TestStoreForeignLocks(t *testing.T) {
	cases := map[string]struct {
		reason string
		record lock.Record
		age    time.Duration
		name   string
		locked map[string]bool // by store
	}{
		"Beats": {
			reason: "another host beats; in PostgreSQL a record without its session holds nothing",
			record: lock.Record{PID: 1, Hostname: "elsewhere", Owner: "x", Node: "n", Heartbeat: time.Now()},
			locked: map[string]bool{"File": true, "S3": true},
		},
		"Gone": {
			reason: "another host has stopped beating",
			record: lock.Record{PID: 1, Hostname: "elsewhere", Owner: "x", Node: "n", Heartbeat: time.Now().Add(-2 * time.Minute)},
			age:    2 * time.Minute,
		},
		"GoneClock": {
			reason: "the clock of the host that stopped runs ahead",
			record: lock.Record{PID: 1, Hostname: "elsewhere", Owner: "x", Node: "n", Heartbeat: time.Now().Add(time.Hour)},
			age:    2 * time.Minute,
			locked: map[string]bool{"File": true},
		},
		"CLI": {
			reason: "the stock CLI of another host has no heartbeat",
			record: lock.Record{PID: 1, Username: "u", Hostname: "elsewhere", Timestamp: time.Now()},
			age:    2 * time.Minute, name: "cli.json",
			locked: map[string]bool{"File": true, "S3": true, "Postgres": true},
		},
		"CLIDead": {
			reason: "the stock CLI of this host died",
			record: lock.Record{PID: 4194303, Username: "u", Hostname: hostname(), Timestamp: time.Now()},
			name:   "cli.json",
		},
		"Dead": {
			reason: "our process of this host died",
			record: lock.Record{PID: 4194303, Username: "u", Hostname: hostname(), Timestamp: time.Now(), Owner: "x", Heartbeat: time.Now()},
		},
		"Torn": {reason: "a record of nobody"},
	}
	for name, tc := range cases {
		for kind, make := range storetest.Stores() {
			t.Run(name+"/"+kind, func(t *testing.T) {
				t.Parallel()
				p := newPlaceIn(t, make)
				if _, err := p.List(t.Context()); err != nil { // makes the schema
					t.Fatal(err)
				}
				raw, err := json.Marshal(tc.record)
				if err != nil {
					t.Fatal(err)
				}
				if tc.name == "" {
					tc.name = "plattr.json"
				}
				if err := p.store.Raw.Apply(t.Context(), nil, store.Put(lockDir+"/"+tc.name, raw)); err != nil {
					t.Fatal(err)
				}
				if tc.age > 0 {
					p.store.Age(t, lockDir+"/"+tc.name, tc.age)
				}
				_, err = p.Up(t.Context(), "dev", files(nil), engine.RunOptions{})
				if got := errors.Is(err, engine.ErrLocked); got != tc.locked[kind] || (err != nil && !got) {
					t.Errorf("%s: up: %v, want locked: %v", tc.reason, err, tc.locked[kind])
				}
				if left, err := p.store.Raw.List(t.Context(), lockDir); err != nil || (len(left) > 0) != tc.locked[kind] {
					t.Errorf("locks left: %v, %v", left, err)
				}
			})
		}
	}
}

func hostname() string {
	h, _ := os.Hostname()
	return h
}

//nolint:paralleltest // eachStore does it
func TestStoreOneRunAtATime(t *testing.T) {
	eachStore(t, func(t *testing.T, p place) {
		engines := []place{p, p}
		engines[1].Engine = newPlace(t, func(o *engine.Options) {
			in(o, p.store)
			o.Providers = map[string]func() plugin.Provider{enginetest.Package: enginetest.New(p.files)}
		}).Engine
		var mu sync.Mutex
		done, locked := 0, 0
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				_, err := engines[i%2].Up(t.Context(), "dev", func(ctx *pulumi.Context) error {
					_, err := enginetest.NewFile(ctx, "a", pulumi.Map{"slow": pulumi.String("2s")})
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
	})
}

// TestStoreKilled kills runs at random moments, as TestKilled does.
//
//nolint:paralleltest // eachStore does it
func TestStoreKilled(t *testing.T) {
	eachStore(t, func(t *testing.T, p place) {
		seed, err := strconv.ParseUint(os.Getenv("PLATTR_TEST_SEED"), 10, 64)
		if err != nil {
			seed = rand.Uint64()
		}
		t.Logf("PLATTR_TEST_SEED=%d", seed)
		random := rand.New(rand.NewPCG(seed, 0))
		names := []string{"a", "b", "c", "d", "e", "f"}
		for i := range 6 {
			killed, next := p.randomRun(random, names, i), p.randomRun(random, names, i)
			cmd := killed.start(t)
			delay := 200*time.Millisecond + time.Duration(random.IntN(800))*time.Millisecond
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
		}
		if err := p.child("dev", nil, "", "").run(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantFiles(t, p, map[string]string{})
		if err := p.Remove(t.Context(), "dev"); err != nil {
			t.Fatal(err)
		}
	})
}

// TestStoreLockLost takes the lock away from a run: it must stop, and write nothing more.
func TestStoreLockLost(t *testing.T) {
	t.Parallel()
	server := func(t testing.TB) storetest.Store { return storetest.NewPostgresOn(t, testutil.Postgres(t)) }
	cases := map[string]struct {
		reason string
		make   func(testing.TB) storetest.Store
		lose   func(t *testing.T, p place)
	}{
		"S3Removed": {"somebody removed the lock", storetest.NewS3, removeLocks},
		"S3Taken": {"another host took it over", storetest.NewS3, func(t *testing.T, p place) {
			t.Helper()
			raw := `{"pid":1,"username":"u","hostname":"elsewhere","timestamp":"2026-01-01T00:00:00Z","owner":"x","node":"n",` +
				`"heartbeat":"2026-01-01T00:00:00Z"}`
			if err := p.store.Raw.Apply(t.Context(), nil, store.Put(lockDir+"/plattr.json", []byte(raw))); err != nil {
				t.Fatal(err)
			}
		}},
		"PostgresRemoved": {"somebody removed the lock", server, removeLocks},
		"PostgresSession": {"the server ended the session, another process took over", server, func(t *testing.T, p place) {
			t.Helper()
			c := testutil.Postgres(t).Connect(t, p.store.URL)
			tag, err := c.Exec(t.Context(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'plattr lock' "+
				"AND datname = current_database()")
			if err != nil || tag.RowsAffected() != 1 {
				t.Fatalf("end the session: %v, %v", tag, err)
			}
			removeLocks(t, p)
		}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlaceIn(t, tc.make)
			done := make(chan error, 1)
			go func() {
				_, err := p.Up(t.Context(), "dev", func(ctx *pulumi.Context) error {
					_, err := enginetest.NewFile(ctx, "a", pulumi.Map{"lag": pulumi.String("60s")})
					return err
				}, engine.RunOptions{})
				done <- err
			}()
			waitFor(t, "the create", func() bool { f, _ := enginetest.Files(p.files); return len(f) > 0 })
			tc.lose(t, p)
			before, err := p.store.Raw.Stat(t.Context(), stackKey)
			if err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			select {
			case err := <-done:
				if !errors.Is(err, engine.ErrLockLost) || errors.Is(err, engine.ErrCancelled) {
					t.Errorf("%s: up: %v, want ErrLockLost", tc.reason, err)
				}
				t.Logf("after %v: %v", time.Since(start), err)
			case <-time.After(40 * time.Second):
				t.Fatal("the run goes on without its lock")
			}
			if after, err := p.store.Raw.Stat(t.Context(), stackKey); err != nil || after.Version != before.Version {
				t.Errorf("the state was written without the lock: %v, %v", after, err)
			}
		})
	}
}

func removeLocks(t *testing.T, p place) {
	t.Helper()
	keys, err := p.store.Raw.List(t.Context(), lockDir)
	if err != nil || len(keys) != 1 {
		t.Fatalf("locks: %v, %v", keys, err)
	}
	if err := p.store.Raw.Apply(t.Context(), nil, store.Delete(keys[0])); err != nil {
		t.Fatal(err)
	}
}

// TestStoreStock lets the stock CLI continue what we began, and us what it began.
func TestStoreStock(t *testing.T) {
	t.Parallel()
	cli := testutil.Tool(t, "pulumi")
	for name, make := range storetest.Stores() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ours := newPlaceIn(t, make)
			stock := newPlace(t, func(o *engine.Options) {
				in(o, ours.store)
				o.Pulumi = &cli
				o.Providers = map[string]func() plugin.Provider{enginetest.Package: enginetest.New(ours.files)}
			})
			stock.files = ours.files
			for i, p := range []place{ours, stock, ours, stock} {
				program := map[string]string{"a": fmt.Sprint(i), "b": "1"}
				up(t, p, "dev", files(program), engine.RunOptions{Refresh: true})
				wantFiles(t, p, program)
			}
			if runs, err := ours.History(t.Context(), "dev", 0); err != nil || len(runs) < 4 {
				t.Errorf("history: %v, %v", runs, err)
			}
			if _, err := stock.Destroy(t.Context(), "dev", engine.RunOptions{}); err != nil {
				t.Fatal(err)
			}
			wantFiles(t, ours, map[string]string{})
			if err := ours.Remove(t.Context(), "dev"); err != nil {
				t.Fatal(err)
			}
			if left, err := ours.store.Raw.List(t.Context(), ".pulumi/stacks"); err != nil || len(left) > 0 {
				t.Errorf("left: %v, %v", left, err)
			}
		})
	}
}
