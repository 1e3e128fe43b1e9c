package server_test

import (
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"plattr.dev/plattr/components/server"
	"plattr.dev/plattr/internal/testutil"
)

// TestGolden holds what the component declares, case by case.
func TestGolden(t *testing.T) {
	t.Parallel()
	testutil.GoldenArgs(t, "../../testdata/golden/server", func(ctx *pulumi.Context, args *server.Args) error {
		_, err := server.New(ctx, "it", args)
		return err
	})
}
