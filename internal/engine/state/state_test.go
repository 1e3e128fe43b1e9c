package state_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/pkg/v3/backend"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"

	"plattr.dev/plattr/internal/engine/state"
)

func open(t *testing.T) *state.Dir {
	t.Helper()
	d, err := state.Open("file://" + filepath.Join(t.TempDir(), "new"))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestOpen(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ reason, url, want string }{
		"Relative": {"a relative path depends on where we are", "file://here/x", "absolute path"},
		"Scheme":   {"other stores are not there yet", "s3://bucket", "want file://"},
		"Secret":   {"a password is not repeated", "postgres://u:hunter2@h/db", "want file://"},
		"Broken":   {"not a URL", "file://%zz", "state URL"},
		"File":     {"a file is in the way", "file:///dev/null/x", "state directory"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := state.Open(tc.url)
			if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%s: %v, want %q in it", tc.reason, err, tc.want)
			}
		})
	}
}

func TestListAndRename(t *testing.T) {
	t.Parallel()
	d := open(t)
	for _, name := range []string{"b", "a", "other/x"} {
		ref, err := state.ParseRef("shop", name)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Create(ref); err != nil {
			t.Fatal(err)
		}
	}
	got, err := d.List("shop")
	if diff := cmp.Diff([]state.Ref{{Project: "shop", Stack: "a"}, {Project: "shop", Stack: "b"}}, got); diff != "" || err != nil {
		t.Errorf("List: %v (-want +got):\n%s", err, diff)
	}
	if all, err := d.List(""); err != nil || len(all) != 3 {
		t.Errorf("List of all = %v, %v", all, err)
	}
	a, b, c := got[0], got[1], state.Ref{Project: "shop", Stack: "c"}
	if err := d.Rename(a, b); err == nil {
		t.Error("a rename over an existing stack succeeded")
	}
	if err := d.Rename(a, c); err != nil {
		t.Fatal(err)
	}
	if _, _, err := d.Load(t.Context(), a, nil); !errors.Is(err, state.ErrNoStack) {
		t.Errorf("the old name: %v, want ErrNoStack", err)
	}
	if snap, damaged, err := d.Load(t.Context(), c, nil); snap != nil || damaged || err != nil {
		t.Errorf("the new name: %v, %v, %v", snap, damaged, err)
	}
}

func TestHistoryIsBounded(t *testing.T) {
	t.Parallel()
	d, ref := open(t), state.Ref{Project: "shop", Stack: "dev"}
	if err := d.Create(ref); err != nil {
		t.Fatal(err)
	}
	for i := range 120 {
		info := backend.UpdateInfo{Kind: apitype.UpdateUpdate, StartTime: int64(i), Result: backend.SucceededResult}
		if err := d.Record(ref, info, false); err != nil {
			t.Fatal(err)
		}
	}
	runs, err := d.History(ref, 0)
	if err != nil || len(runs) != 100 || runs[0].StartTime != 119 || runs[99].StartTime != 20 {
		t.Errorf("%d runs, %v; want the last 100, newest first", len(runs), err)
	}
	if runs, err := d.History(ref, 3); err != nil || len(runs) != 3 {
		t.Errorf("limit 3: %d runs, %v", len(runs), err)
	}
	torn, _ := filepath.Glob(filepath.Join(d.Root(), ".pulumi/history/shop/dev/*.history.json"))
	if err := os.Remove(torn[0]); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(torn[0], nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if runs, err := d.History(ref, 0); err != nil || len(runs) != 99 {
		t.Errorf("with a torn entry: %d runs, %v", len(runs), err)
	}
}

func TestSweep(t *testing.T) {
	t.Parallel()
	d, ref := open(t), state.Ref{Project: "shop", Stack: "dev"}
	if err := d.Create(ref); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(d.Root(), ".pulumi/stacks/shop")
	for _, name := range []string{".dev.json.tmp123", ".dev.json.tmp1.json.tmp5", ".deva.json.tmp1"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Sweep(ref); err != nil {
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
