package testutil

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/rogpeppe/go-internal/txtar"
)

//nolint:gochecknoglobals // a flag of the test binary
var update = flag.Bool("update", false, "rewrite what golden tests expect")

// Update says that the test was started with -update: it rewrites what it expects.
func Update() bool { return *update }

// Golden runs a case for each txtar file in a directory: a comment that says what holds, the input, and at the end
// want.graph or, where run returns an error, want.error.
func Golden(t *testing.T, dir string, run func(t *testing.T, input *txtar.Archive) (graph string, err error)) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.txtar"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden cases in %s: %v", dir, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			golden(t, file, run)
		})
	}
}

// GoldenArgs is Golden for a component: the first file of a case, args.json, holds its arguments.
func GoldenArgs[Args any](t *testing.T, dir string, declare func(ctx *pulumi.Context, args *Args) error) {
	t.Helper()
	Golden(t, dir, func(t *testing.T, input *txtar.Archive) (string, error) {
		t.Helper()
		var args Args
		dec := json.NewDecoder(bytes.NewReader(input.Files[0].Data))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&args); err != nil {
			t.Fatalf("args.json: %v", err)
		}
		var refused error
		graph, err := Graph(t, func(ctx *pulumi.Context) error {
			refused = declare(ctx, &args)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return graph, refused
	})
}

func golden(t *testing.T, file string, run func(*testing.T, *txtar.Archive) (string, error)) {
	t.Helper()
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var want []txtar.File
	if last := len(archive.Files) - 1; last >= 0 && strings.HasPrefix(archive.Files[last].Name, "want.") {
		want, archive.Files = archive.Files[last:], archive.Files[:last]
	}
	graph, err := run(t, archive)
	got := txtar.File{Name: "want.graph", Data: []byte(graph)}
	if err != nil {
		got = txtar.File{Name: "want.error", Data: []byte(strings.TrimSpace(err.Error()) + "\n")}
	}
	if Update() {
		archive.Files = append(archive.Files[:len(archive.Files):len(archive.Files)], got)
		if err := os.WriteFile(file, txtar.Format(archive), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, []txtar.File{got}); diff != "" {
		t.Errorf("%srun the test with -update if this is meant (-want +got):\n%s", archive.Comment, diff)
	}
}
