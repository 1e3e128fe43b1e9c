package redis_test

import (
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"plattr.dev/plattr/components/redis"
	"plattr.dev/plattr/internal/testutil"
)

// TestGolden holds what the component declares, case by case.
func TestGolden(t *testing.T) {
	t.Parallel()
	testutil.GoldenArgs(t, "../../testdata/golden/redis", func(ctx *pulumi.Context, args *redis.Args) error {
		_, err := redis.New(ctx, "shop", args)
		return err
	})
}
