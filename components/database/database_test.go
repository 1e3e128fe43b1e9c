package database_test

import (
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/rogpeppe/go-internal/txtar"
	"go.yaml.in/yaml/v3"

	"plattr.dev/plattr/components/database"
	"plattr.dev/plattr/internal/testutil"
)

// TestGolden holds what the component declares, case by case, against testdata/golden/database.
func TestGolden(t *testing.T) {
	t.Parallel()
	testutil.Golden(t, "../../testdata/golden/database", func(t *testing.T, input *txtar.Archive) (string, error) {
		t.Helper()
		var args database.Args
		if err := yaml.Unmarshal(input.Files[0].Data, &args); err != nil {
			t.Fatal(err)
		}
		return testutil.Graph(t, func(ctx *pulumi.Context) error {
			_, err := database.New(ctx, "shop", &args)
			return err
		})
	})
}
