// Package reset is the `db reset` command.
package reset

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"plattr.dev/plattr/cmd/plattr/internal/local"
	"plattr.dev/plattr/internal/cli"
	"plattr.dev/plattr/localdev"
	"plattr.dev/plattr/localdev/scratch"
)

// New returns the `db reset` command.
func New(s *cli.Session, open local.Opener) *cobra.Command {
	var env cli.ResetEnvironment
	cmd := &cobra.Command{
		Use:   "reset",
		Short: "Make the database again from migrations and seeds",
		Long: "Make the database again from migrations and seeds.\n\n" +
			"All rows are lost. A migrated and seeded template is kept and cloned, so that a reset takes a moment; it is made anew\n" +
			"only when a migration or a seed changed. It asks first; scripts pass --yes.",
		Example: "  plattr db reset --yes",
		Args:    cli.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), s, open, env) },
	}
	env.AddFlag(cmd)
	return cmd
}

func run(ctx context.Context, s *cli.Session, open local.Opener, env cli.ResetEnvironment) error {
	app, name, err := local.OpenForReset(ctx, s, env, open, "plattr db reset", "all rows of %s")
	if err != nil {
		return err
	}
	var result scratch.Result
	err = app.Run(ctx, s, "Reset", func(ctx context.Context, db *localdev.Database, out localdev.Output) (string, error) {
		var err error
		result, err = db.Reset(ctx, out)
		return how(result), err
	})
	if err != nil {
		return fmt.Errorf("reset: %w", err)
	}
	return s.Print(result, func(w io.Writer) {
		took := time.Duration(result.Milliseconds) * time.Millisecond
		fmt.Fprintf(w, "%s is as migrations and seeds say: %s, %s\n", name, how(result), cli.Duration(took))
	})
}

func how(r scratch.Result) string {
	if r.Rebuilt {
		return "its template was made anew"
	}
	return "its template was up to date"
}
