package metrics_test

import (
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"plattr.dev/plattr/components/metrics"
	"plattr.dev/plattr/internal/testutil"
)

// TestGolden holds what the component declares, case by case.
func TestGolden(t *testing.T) {
	t.Parallel()
	testutil.GoldenArgs(t, "../../testdata/golden/metrics", func(ctx *pulumi.Context, args *metrics.Args) error {
		_, err := metrics.New(ctx, "it", args)
		return err
	})
}
