package workload_test

import (
	"fmt"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"plattr.dev/plattr/components/workload"
	"plattr.dev/plattr/internal/testutil"
)

// TestGolden holds what the component declares, case by case.
func TestGolden(t *testing.T) {
	t.Parallel()
	testutil.GoldenArgs(t, "../../testdata/golden/workload", func(ctx *pulumi.Context, args *workload.Args) error {
		for i := range args.Settings {
			args.Settings[i].Name = pulumi.String(fmt.Sprintf("%s-%d", args.App.Name, i))
		}
		args.SettingsHash = pulumi.String("0123")
		if args.Rest != nil {
			args.Rest.Secret = pulumi.String(args.App.Name + "-rest")
			args.Migrated = pulumi.String("shop-migrate-1")
		}
		_, err := workload.New(ctx, "shop", args)
		return err
	})
}
