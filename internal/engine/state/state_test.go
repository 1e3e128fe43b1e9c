package state_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/pkg/v3/backend"
	"github.com/pulumi/pulumi/pkg/v3/resource/deploy"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"

	"plattr.dev/plattr/internal/engine/state"
	"plattr.dev/plattr/internal/engine/store"
	"plattr.dev/plattr/internal/engine/store/storetest"
)

// place is an opened store and its test's side of it.
type place struct {
	*state.Stacks
	storetest.Store
}

func open(t *testing.T, make func(testing.TB) storetest.Store) place {
	t.Helper()
	at := make(t)
	d, err := state.Open(at.URL, state.Options{S3: at.S3})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return place{Stacks: d, Store: at}
}

// each runs a test on every store.
func each(t *testing.T, test func(t *testing.T, d place)) {
	for name, make := range storetest.Stores() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t, make))
		})
	}
}

// locked takes a stack's lock until the test ends.
func (p place) locked(t *testing.T, ref state.Ref) *state.Locked {
	t.Helper()
	l, err := p.Lock(t.Context(), ref, "test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Release() })
	return l
}

func (p place) create(t *testing.T, ref state.Ref) *state.Locked {
	t.Helper()
	l := p.locked(t, ref)
	if err := l.Create(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	return l
}

func snapshot(at time.Time) *deploy.Snapshot {
	m := deploy.Manifest{Time: at.UTC(), Version: "1"}
	m.Magic = m.NewMagic()
	return deploy.NewSnapshot(m, nil, nil, nil, deploy.SnapshotMetadata{})
}

var dev = state.Ref{Project: "shop", Stack: "dev"}

//nolint:paralleltest // each does it
func TestCreateSaveLoad(t *testing.T) {
	each(t, func(t *testing.T, d place) {
		ctx := t.Context()
		if _, _, err := d.Load(ctx, dev, nil); !errors.Is(err, state.ErrNoStack) {
			t.Errorf("load before there is a stack: %v", err)
		}
		if ok, err := d.Exists(ctx, dev); ok || err != nil {
			t.Errorf("exists before there is a stack: %v, %v", ok, err)
		}
		l := d.create(t, dev)
		if snap, damaged, err := d.Load(ctx, dev, nil); snap != nil || damaged || err != nil {
			t.Errorf("a new stack: %v, %v, %v", snap, damaged, err)
		}
		before, err := d.Version(ctx, dev)
		if err != nil {
			t.Fatal(err)
		}
		at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
		if err := l.Save(ctx, snapshot(at)); err != nil {
			t.Fatal(err)
		}
		if after, err := d.Version(ctx, dev); err != nil || after == before {
			t.Errorf("version %q after %q, %v", after, before, err)
		}
		snap, damaged, err := d.Load(ctx, dev, nil)
		if err != nil || damaged || !snap.Manifest.Time.Equal(at) {
			t.Errorf("loaded %v, %v, %v", snap, damaged, err)
		}
		exported, err := d.Export(ctx, dev)
		if err != nil || exported.Version != 3 || !strings.Contains(string(exported.Deployment), "2026-01-02") {
			t.Errorf("exported %v, %v", exported, err)
		}
		if n, err := d.Count(ctx, dev); n != 0 || err != nil {
			t.Errorf("%d resources, %v", n, err)
		}
	})
}

//nolint:paralleltest // each does it
func TestListAndRename(t *testing.T) {
	each(t, func(t *testing.T, d place) {
		ctx := t.Context()
		for _, name := range []string{"b", "a", "other/x", "shop_2/y", "a.json.bak/z"} {
			ref, err := state.ParseRef("shop", name)
			if err != nil {
				t.Fatal(err)
			}
			l := d.create(t, ref)
			if err := l.Record(ctx, backend.UpdateInfo{Kind: apitype.UpdateUpdate}, true); err != nil {
				t.Fatal(err)
			}
		}
		got, err := d.List(ctx, "shop")
		if diff := cmp.Diff([]state.Ref{{Project: "shop", Stack: "a"}, {Project: "shop", Stack: "b"}}, got); diff != "" || err != nil {
			t.Errorf("List: %v (-want +got):\n%s", err, diff)
		}
		if all, err := d.List(ctx, ""); err != nil || len(all) != 5 {
			t.Errorf("List of all = %v, %v", all, err)
		}
		if none, err := d.List(ctx, "sh"); err != nil || len(none) != 0 {
			t.Errorf("List of another project = %v, %v", none, err)
		}
		c := state.Ref{Project: "shop", Stack: "c"}
		renamed := state.Ref{Project: "shop", Stack: "old"}
		old := d.create(t, renamed)
		if err := old.Record(ctx, backend.UpdateInfo{Kind: apitype.UpdateUpdate, Message: "x"}, true); err != nil {
			t.Fatal(err)
		}
		if err := old.Rename(ctx, got[1], nil); err == nil {
			t.Error("a rename over an existing stack succeeded")
		}
		at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
		if err := old.Rename(ctx, c, snapshot(at)); err != nil {
			t.Fatal(err)
		}
		if _, _, err := d.Load(ctx, renamed, nil); !errors.Is(err, state.ErrNoStack) {
			t.Errorf("the old name: %v, want ErrNoStack", err)
		}
		if snap, damaged, err := d.Load(ctx, c, nil); err != nil || damaged || !snap.Manifest.Time.Equal(at) {
			t.Errorf("the new name: %v, %v, %v", snap, damaged, err)
		}
		if runs, err := d.History(ctx, c, 0); err != nil || len(runs) != 1 || runs[0].Message != "x" {
			t.Errorf("the new name's history: %v, %v", runs, err)
		}
		if left, err := d.Raw.List(ctx, ".pulumi/history/shop/old"); err != nil || len(left) > 0 {
			t.Errorf("left of the old name: %v, %v", left, err)
		}
	})
}

//nolint:paralleltest // each does it
func TestHistoryIsBounded(t *testing.T) {
	each(t, func(t *testing.T, d place) {
		ctx := t.Context()
		l := d.create(t, dev)
		for i := range 120 {
			info := backend.UpdateInfo{Kind: apitype.UpdateUpdate, StartTime: int64(i), Result: backend.SucceededResult}
			if err := l.Record(ctx, info, i%40 == 0); err != nil {
				t.Fatal(err)
			}
		}
		runs, err := d.History(ctx, dev, 0)
		if err != nil || len(runs) != 100 || runs[0].StartTime != 119 || runs[99].StartTime != 20 {
			t.Errorf("%d runs, %v; want the last 100, newest first", len(runs), err)
		}
		if runs, err := d.History(ctx, dev, 3); err != nil || len(runs) != 3 {
			t.Errorf("limit 3: %d runs, %v", len(runs), err)
		}
		keys, err := d.Raw.List(ctx, ".pulumi/history/shop/dev/")
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range keys {
			if strings.HasSuffix(k, ".history.json") {
				if err := d.Raw.Apply(ctx, nil, store.Put(k, nil)); err != nil {
					t.Fatal(err)
				}
				break
			}
		}
		if runs, err := d.History(ctx, dev, 0); err != nil || len(runs) != 99 {
			t.Errorf("with a torn entry: %d runs, %v", len(runs), err)
		}
		if err := l.Remove(ctx); err != nil {
			t.Fatal(err)
		}
		if err := l.Release(); err != nil {
			t.Fatal(err)
		}
		left, err := d.Raw.List(ctx, ".pulumi/")
		if diff := cmp.Diff([]string{".pulumi/meta.yaml"}, left); diff != "" || err != nil {
			t.Errorf("after the removal: %v (-want +got):\n%s", err, diff)
		}
	})
}

//nolint:paralleltest // each does it
func TestDamaged(t *testing.T) {
	each(t, func(t *testing.T, d place) {
		ctx := t.Context()
		l := d.create(t, dev)
		at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
		if err := l.Save(ctx, snapshot(at)); err != nil {
			t.Fatal(err)
		}
		if err := l.Record(ctx, backend.UpdateInfo{Kind: apitype.UpdateUpdate}, true); err != nil {
			t.Fatal(err)
		}
		for name, torn := range map[string][]byte{"empty": nil, "truncated": []byte(`{"version":3,"check`), "zeros": make([]byte, 100)} {
			if err := d.Raw.Apply(ctx, nil, store.Put(".pulumi/stacks/shop/dev.json", torn)); err != nil {
				t.Fatal(err)
			}
			snap, damaged, err := d.Load(ctx, dev, nil)
			if err != nil || !damaged || !snap.Manifest.Time.Equal(at) {
				t.Errorf("%s: loaded %v, damaged: %v, %v", name, snap, damaged, err)
			}
		}
		keys, err := d.Raw.List(ctx, ".pulumi/")
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range keys {
			if strings.Contains(k, "/history/") || strings.Contains(k, "/backups/") || strings.HasSuffix(k, ".bak") {
				if err := d.Raw.Apply(ctx, nil, store.Delete(k)); err != nil {
					t.Fatal(err)
				}
			}
		}
		if _, _, err := d.Load(ctx, dev, nil); err == nil || !strings.Contains(err.Error(), "is damaged and has no copy") {
			t.Errorf("without a copy: %v", err)
		}
	})
}

func TestSweep(t *testing.T) {
	t.Parallel()
	d := open(t, storetest.NewFile)
	l := d.create(t, dev)
	dir := filepath.Join(d.Root(), ".pulumi/stacks/shop")
	for _, name := range []string{".dev.json.tmp123", ".dev.json.tmp1.json.tmp5", ".deva.json.tmp1"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Sweep(); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, e := range entries {
		left = append(left, e.Name())
	}
	if diff := cmp.Diff([]string{".dev.json.tmp1.json.tmp5", ".deva.json.tmp1", "dev.json"}, left); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func FuzzParseRef(f *testing.F) {
	for _, s := range []string{"dev", "shop/dev", "organization/shop/dev", "../x", "a/b/c/d", "", ".", "é", "x\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		ref, err := state.ParseRef("shop", name)
		if err != nil {
			return
		}
		again, err := state.ParseRef("x", ref.String())
		if err != nil || again != ref {
			t.Errorf("%q is %+v, but its full name is %+v, %v", name, ref, again, err)
		}
		for _, part := range []string{ref.Project, ref.Stack} {
			if part != filepath.Base(part) || part == ".." || strings.ContainsAny(part, "/\\*?[\x00") {
				t.Errorf("%q gives the path element %q", name, part)
			}
		}
	})
}
