package auth_test

import (
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"plattr.dev/plattr/components/auth"
	"plattr.dev/plattr/internal/testutil"
)

// TestGolden holds what the component declares, case by case.
func TestGolden(t *testing.T) {
	t.Parallel()
	testutil.GoldenArgs(t, "../../testdata/golden/auth", func(ctx *pulumi.Context, args *auth.Args) error {
		_, err := auth.New(ctx, "shop", args)
		return err
	})
}
