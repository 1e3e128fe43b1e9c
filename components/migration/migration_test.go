package migration_test

import (
	"fmt"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"plattr.dev/plattr/components/migration"
	"plattr.dev/plattr/internal/testutil"
)

// TestGolden holds what the component declares, case by case.
func TestGolden(t *testing.T) {
	t.Parallel()
	testutil.GoldenArgs(t, "../../testdata/golden/migration", func(ctx *pulumi.Context, args *migration.Args) error {
		for i := range args.Settings {
			args.Settings[i].Name = pulumi.String(fmt.Sprintf("%s-%d", args.App.Name, i))
		}
		_, err := migration.New(ctx, "shop", args)
		return err
	})
}
