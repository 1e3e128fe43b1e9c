package database_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/rogpeppe/go-internal/txtar"
	"go.yaml.in/yaml/v3"

	"plattr.dev/plattr/components/database"
	"plattr.dev/plattr/internal/testutil"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestGolden holds what the component declares, case by case, against testdata/golden/database.
func TestGolden(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../testdata/golden/database/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			golden(t, file)
		})
	}
}

func golden(t *testing.T, file string) {
	t.Helper()
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var args database.Args
	var want *txtar.File
	for i, f := range archive.Files {
		switch f.Name {
		case "args.yaml":
			if err := yaml.Unmarshal(f.Data, &args); err != nil {
				t.Fatal(err)
			}
		case "want.graph", "want.error":
			want = &archive.Files[i]
		}
	}
	got, err := testutil.Graph(t, func(ctx *pulumi.Context) error {
		_, err := database.New(ctx, "shop", &args)
		return err
	})
	name := "want.graph"
	if err != nil {
		name, got = "want.error", strings.TrimSpace(err.Error())+"\n"
	}
	if *update {
		if want == nil {
			archive.Files = append(archive.Files, txtar.File{})
			want = &archive.Files[len(archive.Files)-1]
		}
		want.Name, want.Data = name, []byte(got)
		if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil { //nolint:gosec // not secret
			t.Fatal(err)
		}
		return
	}
	if want == nil || want.Name != name {
		t.Fatalf("no %s in %s; got:\n%s", name, file, got)
	}
	if d := cmp.Diff(string(want.Data), got); d != "" {
		t.Errorf("run the test with -update if this is right (-want +got):\n%s", d)
	}
}
