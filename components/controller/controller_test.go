package controller_test

import (
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"plattr.dev/plattr/components/controller"
	"plattr.dev/plattr/internal/testutil"
)

// TestGolden holds what the component declares, case by case.
func TestGolden(t *testing.T) {
	t.Parallel()
	testutil.GoldenArgs(t, "../../testdata/golden/controller", func(ctx *pulumi.Context, args *controller.Args) error {
		_, err := controller.New(ctx, "it", args)
		return err
	})
}
