package storage_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/rogpeppe/go-internal/txtar"

	"plattr.dev/plattr/components/storage"
	"plattr.dev/plattr/internal/testutil"
)

var update = flag.Bool("update", false, "rewrite the expectations in testdata/golden")

// TestGolden declares the args.json of every case and compares the graph, or the error.
func TestGolden(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../testdata/golden/storage/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden cases: %v", err)
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
	ar, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if len(ar.Files) == 0 || ar.Files[0].Name != "args.json" {
		t.Fatalf("%s: the first file is not args.json", file)
	}
	t.Log(strings.TrimSpace(string(ar.Comment)))
	var args storage.Args
	dec := json.NewDecoder(strings.NewReader(string(ar.Files[0].Data)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&args); err != nil {
		t.Fatalf("%s: args.json: %v", file, err)
	}
	var refused error
	graph, err := testutil.Graph(t, func(ctx *pulumi.Context) error {
		_, refused = storage.New(ctx, "shop", &args)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	got := txtar.File{Name: "want.graph", Data: []byte(graph)}
	if refused != nil {
		got = txtar.File{Name: "want.error", Data: []byte(refused.Error() + "\n")}
	}
	if *update {
		ar.Files = []txtar.File{ar.Files[0], got}
		if err := os.WriteFile(file, txtar.Format(ar), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff([]txtar.File{got}, ar.Files[1:]); diff != "" {
		t.Errorf("run `go test ./components/storage -update` if this is meant (-got +want):\n%s", diff)
	}
}

func TestTooManyBuckets(t *testing.T) {
	t.Parallel()
	args := storage.Args{User: "plattr-local-shop"}
	for i := range 20 {
		name := fmt.Sprintf("bucket-%d", i)
		args.Buckets = append(args.Buckets, storage.Bucket{Name: name, BucketName: "plattr-local-shop-with-a-long-name-" + name})
	}
	_, err := testutil.Graph(t, func(ctx *pulumi.Context) error {
		_, err := storage.New(ctx, "shop", &args)
		return err
	})
	if err == nil || !strings.Contains(err.Error(), "use fewer buckets or shorter names") {
		t.Errorf("error %v: a policy over IAM's limit must be refused before anything is made", err)
	}
}
