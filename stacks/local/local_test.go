package local_test

import (
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"plattr.dev/plattr/internal/testutil"
	"plattr.dev/plattr/stacks/local"
)

// TestGolden holds what the program declares, case by case.
func TestGolden(t *testing.T) {
	t.Parallel()
	testutil.GoldenArgs(t, "../../testdata/golden/local", func(ctx *pulumi.Context, c *local.Config) error {
		return local.Program(*c)(ctx)
	})
}
