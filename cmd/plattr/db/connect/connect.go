// Package connect is the `db connect` command.
package connect

import (
	"context"

	"github.com/spf13/cobra"

	"plattr.dev/plattr/cmd/plattr/internal/local"
	"plattr.dev/plattr/cmd/plattr/internal/remote"
	"plattr.dev/plattr/internal/cli"
	"plattr.dev/plattr/internal/config/names"
	"plattr.dev/plattr/internal/sqlshell"
)

// command is this one, for others who find the application locked.
const command = "plattr db connect"

type options struct {
	*cli.Session
	open  local.Opener
	there remote.Opener
	env   string
}

// New returns the `db connect` command.
func New(s *cli.Session, open local.Opener, there remote.Opener) *cobra.Command {
	o := &options{Session: s, open: open, there: there}
	cmd := &cobra.Command{
		Use:   "connect [-- PSQL ARGUMENTS...]",
		Short: "Open psql on the database",
		Long: "Open psql on the database.\n\n" +
			"It connects as the application's role; the password goes through the environment, never through the arguments.\n" +
			"What follows -- goes to psql, and psql's exit code is passed on. `plattr db shell` works without psql.\n" +
			"A database that is a service of the cluster is reached through the API server (kubectl's port-forward).",
		Example: "  plattr db connect\n  plattr db connect --env staging\n  plattr db connect -- --csv -c 'select 1'",
		Args:    cli.Args(0, -1, "arguments of psql after --"),
		RunE:    func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), args) },
	}
	remote.AddLocalFlag(cmd, &o.env, "`environment` whose database it is")
	return cmd
}

func (o *options) run(ctx context.Context, args []string) error {
	psql := func(url string) error { return sqlshell.Psql(ctx, url, args, o.In, o.Out, o.Err) }
	if o.env != names.Local {
		return o.there.WithDatabase(ctx, o.env, command, psql)
	}
	app, err := o.open(ctx, command)
	if err != nil {
		return err
	}
	db, err := app.OpenDatabase(ctx, o.Session)
	if err != nil {
		return err
	}
	return psql(db.DatabaseURL)
}
