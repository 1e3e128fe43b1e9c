// Package connect is the `db connect` command.
package connect

import (
	"context"

	"github.com/spf13/cobra"

	"plattr.dev/plattr/cmd/plattr/internal/local"
	"plattr.dev/plattr/internal/cli"
	"plattr.dev/plattr/internal/sqlshell"
)

// New returns the `db connect` command.
func New(s *cli.Session, open local.Opener) *cobra.Command {
	return &cobra.Command{
		Use:   "connect [-- PSQL ARGUMENTS...]",
		Short: "Open psql on the database",
		Long: "Open psql on the database.\n\n" +
			"It connects as the application's role; the password goes through the environment, never through the arguments.\n" +
			"What follows -- goes to psql, and psql's exit code is passed on. `plattr db shell` works without psql.",
		Example: "  plattr db connect\n  plattr db connect -- --csv -c 'select 1'",
		Args:    cli.Args(0, -1, "arguments of psql after --"),
		RunE:    func(cmd *cobra.Command, args []string) error { return run(cmd.Context(), s, open, args) },
	}
}

func run(ctx context.Context, s *cli.Session, open local.Opener, args []string) error {
	app, err := open(ctx, "plattr db connect")
	if err != nil {
		return err
	}
	db, err := app.OpenDatabase(ctx, s)
	if err != nil {
		return err
	}
	return sqlshell.Psql(ctx, db.DatabaseURL, args, s.In, s.Out, s.Err)
}
