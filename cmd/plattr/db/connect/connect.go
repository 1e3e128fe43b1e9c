// Package connect is the `db connect` command.
package connect

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"plattr.dev/plattr/cmd/plattr/internal/local"
	"plattr.dev/plattr/internal/cli"
	"plattr.dev/plattr/internal/config/names"
	"plattr.dev/plattr/internal/sqlshell"
)

// Remote finds the database of the application in an environment that is not local: a URL that works from here until it is
// closed.
type Remote func(ctx context.Context, env, command string) (url string, closeURL func() error, err error)

// command is this one, for others who find the application locked.
const command = "plattr db connect"

type options struct {
	*cli.Session
	open   local.Opener
	remote Remote
	env    string
}

// New returns the `db connect` command.
func New(s *cli.Session, open local.Opener, remote Remote) *cobra.Command {
	o := &options{Session: s, open: open, remote: remote}
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
	cmd.Flags().StringVar(&o.env, "env", names.Local, "`environment` whose database it is")
	_ = cmd.RegisterFlagCompletionFunc("env", cobra.FixedCompletions(names.Environments(), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (o *options) run(ctx context.Context, args []string) error {
	url, closeURL, err := o.database(ctx)
	if err != nil {
		return err
	}
	err = sqlshell.Psql(ctx, url, args, o.In, o.Out, o.Err)
	if closeErr := closeURL(); err == nil && closeErr != nil {
		return fmt.Errorf("end the way to the database: %w", closeErr)
	}
	return err
}

func (o *options) database(ctx context.Context) (url string, closeURL func() error, err error) {
	if o.env != names.Local {
		return o.remote(ctx, o.env, command)
	}
	app, err := o.open(ctx, command)
	if err != nil {
		return "", nil, err
	}
	db, err := app.OpenDatabase(ctx, o.Session)
	if err != nil {
		return "", nil, err
	}
	return db.DatabaseURL, func() error { return nil }, nil
}
