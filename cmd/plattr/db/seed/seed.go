// Package seed is the `db seed` command.
package seed

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"plattr.dev/plattr/cmd/plattr/internal/local"
	"plattr.dev/plattr/internal/cli"
	"plattr.dev/plattr/internal/migrate"
	"plattr.dev/plattr/localdev"
)

// New returns the `db seed` command.
func New(s *cli.Session, open local.Opener) *cobra.Command {
	return &cobra.Command{
		Use:   "seed",
		Short: "Run the seeds",
		Long: "Run the seeds.\n\n" +
			"They are the SQL files of database.seed (./seeds), in the order of their names, each in a transaction of its own.\n" +
			"They run whenever they are asked for: write them so that a second run does no harm (ON CONFLICT DO NOTHING).",
		Example: "  plattr db seed",
		Args:    cli.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), s, open) },
	}
}

func run(ctx context.Context, s *cli.Session, open local.Opener) error {
	app, err := open(ctx, "plattr db seed")
	if err != nil {
		return err
	}
	var result migrate.SeedResult
	err = app.Run(ctx, s, "Seeds", func(ctx context.Context, db *localdev.Database, out localdev.Output) (string, error) {
		var err error
		result, err = db.Seed(ctx, out)
		return cli.Count(len(result.Files), "file"), err
	})
	if err != nil {
		return fmt.Errorf("seed: %w", err)
	}
	return s.Print(result, func(w io.Writer) {
		if len(result.Files) == 0 {
			fmt.Fprintf(w, "no seeds in %s\n", app.Config.Database.Seed)
			return
		}
		fmt.Fprintf(w, "%s, %s\n", cli.Count(len(result.Files), "seed file"), cli.Count(int(result.Rows), "row"))
	})
}
