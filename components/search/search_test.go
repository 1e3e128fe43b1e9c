package search_test

import (
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"plattr.dev/plattr/components/search"
	"plattr.dev/plattr/internal/testutil"
)

// TestGolden holds what the component declares, case by case.
func TestGolden(t *testing.T) {
	t.Parallel()
	testutil.GoldenArgs(t, "../../testdata/golden/search", func(ctx *pulumi.Context, args *search.Args) error {
		_, err := search.New(ctx, "shop", args)
		return err
	})
}
