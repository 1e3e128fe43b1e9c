package engine_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"plattr.dev/plattr/internal/engine"
	"plattr.dev/plattr/internal/engine/enginetest"
	"plattr.dev/plattr/internal/engine/store/storetest"
)

// place is an engine, and the directory of its provider's files.
type place struct {
	*engine.Engine
	state, files string
	store        storetest.Store
}

// newPlaceIn is a place whose stacks lie in a store of its own.
func newPlaceIn(t testing.TB, make func(testing.TB) storetest.Store, change ...func(*engine.Options)) place {
	t.Helper()
	at := make(t)
	p := newPlace(t, append([]func(*engine.Options){func(o *engine.Options) { in(o, at) }}, change...)...)
	t.Cleanup(p.Close)
	p.store = at
	return p
}

// in lets an engine keep its stacks in a store.
func in(o *engine.Options, at storetest.Store) {
	o.StateURL, o.S3 = at.URL, at.S3
	o.Passphrase = func() (string, error) { return phrase, nil }
}

// eachStore runs a test on every store.
func eachStore(t *testing.T, test func(t *testing.T, p place)) {
	for name, make := range storetest.Stores() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, newPlaceIn(t, make))
		})
	}
}

func newPlace(t testing.TB, change ...func(*engine.Options)) place {
	t.Helper()
	p := place{state: filepath.Join(t.TempDir(), "state"), files: t.TempDir()}
	linked := ""
	o := engine.Options{
		Project: "shop", StateURL: engine.FileURL(p.state), Owner: "test", Pulumi: &linked,
		Providers: map[string]func() plugin.Provider{enginetest.Package: enginetest.New(p.files)},
	}
	for _, c := range change {
		c(&o)
	}
	e, err := engine.New(o)
	if err != nil {
		t.Fatal(err)
	}
	p.Engine = e
	return p
}

// files is a program that declares files by name and content.
func files(contents map[string]string) pulumi.RunFunc {
	return func(ctx *pulumi.Context) error {
		for name, content := range contents {
			if _, err := enginetest.NewFile(ctx, name, pulumi.Map{"content": pulumi.String(content)}); err != nil {
				return err
			}
		}
		ctx.Export("count", pulumi.Int(len(contents)))
		return nil
	}
}

func up(t testing.TB, p place, stack string, program pulumi.RunFunc, o engine.RunOptions) engine.Result {
	t.Helper()
	res, err := p.Up(t.Context(), stack, program, o)
	if err != nil {
		t.Fatalf("up: %v", err)
	}
	return res
}

func wantFiles(t testing.TB, p place, want map[string]string) {
	t.Helper()
	got, err := enginetest.Files(p.files)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func TestLife(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	steps := []struct {
		reason  string
		program map[string]string
		want    map[string]int
	}{
		{"a new stack is made", map[string]string{"a": "1", "b": "2"}, map[string]int{engine.Created: 3}},
		{"nothing changed", map[string]string{"a": "1", "b": "2"}, map[string]int{engine.Unchanged: 3}},
		{"a change is an update", map[string]string{"a": "1", "b": "3"}, map[string]int{engine.Unchanged: 2, engine.Updated: 1}},
		{"what is not declared any more is deleted", map[string]string{"a": "1"}, map[string]int{engine.Unchanged: 2, engine.Deleted: 1}},
	}
	for _, s := range steps {
		res := up(t, p, "dev", files(s.program), engine.RunOptions{})
		if diff := cmp.Diff(s.want, res.Changes); diff != "" {
			t.Errorf("%s: changes (-want +got):\n%s", s.reason, diff)
		}
		wantFiles(t, p, s.program)
	}
	runs, err := p.History(t.Context(), "dev", 0)
	if err != nil || len(runs) != len(steps) {
		t.Errorf("history: %d runs, %v; want %d", len(runs), err, len(steps))
	}
	res, err := p.Destroy(t.Context(), "dev", engine.RunOptions{Remove: true})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]int{engine.Deleted: 2}, res.Changes); diff != "" {
		t.Errorf("destroy: changes (-want +got):\n%s", diff)
	}
	wantFiles(t, p, map[string]string{})
	wantStateFiles(t, p, "key", "key.derived", ".pulumi/meta.yaml")
}

// wantStateFiles checks that the state directory holds these files and no others, and that nobody else can read them.
func wantStateFiles(t testing.TB, p place, want ...string) {
	t.Helper()
	left := map[string]bool{}
	err := filepath.WalkDir(p.state, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		if !d.IsDir() {
			rel, err := filepath.Rel(p.state, path)
			left[rel] = true
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range want {
		if !left[w] {
			t.Errorf("%s is missing in the state directory", w)
		}
		delete(left, w)
	}
	if len(left) > 0 {
		t.Errorf("left in the state directory: %v", left)
	}
}

// TestNoChangeWritesNothing guards what makes a run without a change cheap.
func TestNoChangeWritesNothing(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	program := chain(pulumi.Map{})
	up(t, p, "dev", program, engine.RunOptions{})
	file := filepath.Join(p.state, ".pulumi/stacks/shop/dev.json")
	before, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	up(t, p, "dev", program, engine.RunOptions{})
	after, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if !os.SameFile(before, after) {
		t.Error("the state was written again")
	}
}

func TestPreviewDoesNothing(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	res, err := p.Preview(t.Context(), "dev", files(map[string]string{"a": "1"}), engine.RunOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]int{engine.Created: 2}, res.Changes); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	wantFiles(t, p, map[string]string{})
	if names, err := p.List(t.Context()); err != nil || len(names) > 0 {
		t.Errorf("List = %v, %v; want none", names, err)
	}
}

func TestDrift(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	program := map[string]string{"a": "1", "b": "2", "c": "3"}
	up(t, p, "dev", files(program), engine.RunOptions{})
	if err := os.Remove(filepath.Join(p.files, "a")); err != nil {
		t.Fatal(err)
	}
	if err := enginetest.Set(p.files, "b", "changed"); err != nil {
		t.Fatal(err)
	}
	events := make(chan engine.Event, 1000)
	res := up(t, p, "dev", files(program), engine.RunOptions{Refresh: true, Events: events})
	close(events)
	want := []engine.Drift{
		{URN: "urn:pulumi:dev::shop::test:index:File::a", Type: enginetest.Type, Name: "a", Gone: true},
		{URN: "urn:pulumi:dev::shop::test:index:File::b", Type: enginetest.Type, Name: "b", Keys: []string{"content"}},
	}
	byName := func(d []engine.Drift) map[string]engine.Drift {
		m := map[string]engine.Drift{}
		for _, x := range d {
			m[x.Name] = x
		}
		return m
	}
	if diff := cmp.Diff(byName(want), byName(res.Drift)); diff != "" {
		t.Errorf("drift (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]int{engine.Created: 1, engine.Updated: 1, engine.Unchanged: 2}, res.Changes); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	wantFiles(t, p, program)
	drifted := 0
	for e := range events {
		if e.Kind == engine.Drifted {
			drifted++
		}
	}
	if drifted != 2 {
		t.Errorf("%d drift events, want 2", drifted)
	}
	if res := up(t, p, "dev", files(program), engine.RunOptions{Refresh: true}); res.Changed() {
		t.Errorf("the run after the repair changed %v, drift %v", res.Changes, res.Drift)
	}
}

func TestFailedResource(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	program := func(ctx *pulumi.Context) error {
		a, err := enginetest.NewFile(ctx, "a", nil)
		if err != nil {
			return err
		}
		_, err = enginetest.NewFile(ctx, "b", pulumi.Map{"fail": pulumi.String("disk is full")}, pulumi.DependsOn([]pulumi.Resource{a}))
		return err
	}
	events := make(chan engine.Event, 1000)
	_, err := p.Up(t.Context(), "dev", program, engine.RunOptions{Events: events})
	var failed *engine.ResourceError
	if !errors.Is(err, engine.ErrResourceFailed) || !errors.As(err, &failed) {
		t.Fatalf("error %v (%T), want a ResourceError", err, err)
	}
	if failed.Name != "b" || failed.Operation != engine.Create || failed.Cause.Error() != "disk is full" {
		t.Errorf("ResourceError = %+v", failed)
	}
	if want := "stack dev: create test:index:File b: disk is full"; err.Error() != want {
		t.Errorf("message %q, want %q", err, want)
	}
	close(events)
	told := 0
	for e := range events {
		told += strings.Count(e.Message, "disk is full")
	}
	if told != 1 {
		t.Errorf("the provider's message is in %d events, want 1", told)
	}
	wantFiles(t, p, map[string]string{"a": ""})
	up(t, p, "dev", files(map[string]string{"a": "", "b": ""}), engine.RunOptions{})
}

func TestErrors(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		run    func(t *testing.T, p place) error
		want   error
		text   string
	}{
		"NoStack": {
			reason: "destroy of a stack that does not exist",
			run: func(t *testing.T, p place) error {
				_, err := p.Destroy(t.Context(), "dev", engine.RunOptions{})
				return err
			},
			want: engine.ErrStackNotFound, text: "stack dev: no such stack",
		},
		"Protected": {
			reason: "a protected resource is not deleted",
			run: func(t *testing.T, p place) error {
				up(t, p, "dev", func(ctx *pulumi.Context) error {
					_, err := enginetest.NewFile(ctx, "a", nil, pulumi.Protect(true))
					return err
				}, engine.RunOptions{})
				_, err := p.Destroy(t.Context(), "dev", engine.RunOptions{})
				return err
			},
			want: engine.ErrProtected,
		},
		"NotEmpty": {
			reason: "a stack with resources is not removed",
			run: func(t *testing.T, p place) error {
				up(t, p, "dev", files(map[string]string{"a": ""}), engine.RunOptions{})
				return p.Remove(t.Context(), "dev")
			},
			want: engine.ErrStackNotEmpty,
		},
		"Refused": {
			reason: "a provider refuses the inputs",
			run: func(t *testing.T, p place) error {
				_, err := p.Up(t.Context(), "dev", func(ctx *pulumi.Context) error {
					return ctx.RegisterResource(enginetest.Type, "a", pulumi.Map{}, &enginetest.File{}, pulumi.Version("1.0.0"))
				}, engine.RunOptions{})
				return err
			},
			want: engine.ErrResourceFailed, text: "name is required",
		},
		"Program": {
			reason: "the program's own error comes back as it is",
			run: func(t *testing.T, p place) error {
				_, err := p.Up(t.Context(), "dev", func(*pulumi.Context) error { return errBoom }, engine.RunOptions{})
				return err
			},
			want: errBoom, text: "boom",
		},
		"NoProvider": {
			reason: "a package that nobody serves",
			run: func(t *testing.T, p place) error {
				_, err := p.Up(t.Context(), "dev", func(ctx *pulumi.Context) error {
					return ctx.RegisterResource("nobody:index:Thing", "a", pulumi.Map{}, &enginetest.File{}, pulumi.Version("1.0.0"))
				}, engine.RunOptions{})
				return err
			},
			text: `no provider for package "nobody"`,
		},
		"BadName": {
			reason: "a stack name with a path in it",
			run: func(t *testing.T, p place) error {
				_, err := p.Up(t.Context(), "../../etc", files(nil), engine.RunOptions{})
				return err
			},
			text: "stack name",
		},
		"Cancelled": {
			reason: "a cancelled run says so",
			run: func(t *testing.T, p place) error {
				ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
				defer cancel()
				start := time.Now()
				_, err := p.Up(ctx, "dev", func(ctx *pulumi.Context) error {
					_, err := enginetest.NewFile(ctx, "a", pulumi.Map{"slow": pulumi.String("20s")})
					return err
				}, engine.RunOptions{})
				if d := time.Since(start); d > 5*time.Second {
					t.Errorf("cancelled after %v", d)
				}
				up(t, p, "dev", files(map[string]string{"a": ""}), engine.RunOptions{})
				return err
			},
			want: engine.ErrCancelled, text: "run cancelled",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := tc.run(t, newPlace(t))
			if err == nil || (tc.want != nil && !errors.Is(err, tc.want)) || !strings.Contains(err.Error(), tc.text) {
				t.Errorf("%s: error %q, want %v with text %q", tc.reason, err, tc.want, tc.text)
			}
			if err != nil && strings.Contains(err.Error(), "rpc error") {
				t.Errorf("%s: error shows the protocol: %v", tc.reason, err)
			}
		})
	}
}

var errBoom = errors.New("boom")

func TestSecrets(t *testing.T) {
	t.Parallel()
	const planted = "hunter2-planted"
	p := newPlace(t)
	program := func(ctx *pulumi.Context) error {
		f, err := enginetest.NewFile(ctx, "a", pulumi.Map{"content": pulumi.ToSecret(pulumi.String(planted))},
			pulumi.AdditionalSecretOutputs([]string{"content"}))
		if err != nil {
			return err
		}
		ctx.Export("password", f.Content)
		ctx.Export("plain", pulumi.String("x"))
		return nil
	}
	events := make(chan engine.Event, 1000)
	res := up(t, p, "dev", program, engine.RunOptions{Events: events})
	close(events)
	if got := res.Outputs["password"]; got.Value != planted || !got.Secret {
		t.Errorf("output: value %v, secret %v", got.Value, got.Secret)
	}
	if text := fmt.Sprintf("%v %+v %#v", res, res.Outputs, res.Outputs); strings.Contains(text, planted) {
		t.Error("a printed result shows the secret")
	}
	for e := range events {
		if strings.Contains(fmt.Sprintf("%+v", e), planted) {
			t.Errorf("an event shows the secret: %+v", e)
		}
	}
	err := filepath.WalkDir(p.state, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		if strings.Contains(string(raw), planted) {
			t.Errorf("%s shows the secret", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	again, err := p.Outputs(t.Context(), "dev")
	if err != nil || again["password"].Value != planted || again["plain"].Secret {
		t.Errorf("Outputs = %#v, %v", again, err)
	}
	if err := os.WriteFile(filepath.Join(p.state, "key"), []byte("another key"), 0o600); err != nil {
		t.Fatal(err)
	}
	q := newPlace(t, func(o *engine.Options) { o.StateURL = engine.FileURL(p.state) })
	if _, err := q.Outputs(t.Context(), "dev"); !errors.Is(err, engine.ErrDecrypt) {
		t.Errorf("with another key: %v, want ErrDecrypt", err)
	}
}

func TestSlowReaderOfEvents(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	start := time.Now()
	up(t, p, "dev", files(map[string]string{"a": "1"}), engine.RunOptions{Events: make(chan engine.Event)})
	if d := time.Since(start); d > 10*time.Second {
		t.Errorf("a reader that reads nothing held the run for %v", d)
	}
}
