package storage_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"plattr.dev/plattr/components/storage"
	"plattr.dev/plattr/internal/testutil"
)

// TestGolden declares the args.json of every case and compares the graph, or the error.
func TestGolden(t *testing.T) {
	t.Parallel()
	testutil.GoldenArgs(t, "../../testdata/golden/storage", func(ctx *pulumi.Context, args *storage.Args) error {
		_, err := storage.New(ctx, "shop", args)
		return err
	})
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
