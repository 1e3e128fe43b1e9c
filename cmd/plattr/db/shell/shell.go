// Package shell is the `db shell` command.
package shell

import (
	"context"

	"github.com/spf13/cobra"

	"plattr.dev/plattr/cmd/plattr/internal/local"
	"plattr.dev/plattr/cmd/plattr/internal/remote"
	"plattr.dev/plattr/internal/cli"
	"plattr.dev/plattr/internal/config/names"
	"plattr.dev/plattr/internal/sqlshell"
)

// name is this command, for others who find the application locked.
const name = "plattr db shell"

type options struct {
	*cli.Session
	open    local.Opener
	there   remote.Opener
	env     string
	command string
	csv     bool
}

// New returns the `db shell` command.
func New(s *cli.Session, open local.Opener, there remote.Opener) *cobra.Command {
	o := &options{Session: s, open: open, there: there}
	cmd := &cobra.Command{
		Use:   "shell",
		Short: "Run SQL on the database, without psql",
		Long: "Run SQL on the database, without psql.\n\n" +
			"It runs as the application's role: a statement (-c), a script from a pipe, or a session on a terminal, where \\? helps\n" +
			"and Ctrl-C ends the statement that runs. -o json prints an array of objects for each statement that returns rows.\n" +
			"A database that is a service of the cluster is reached through the API server (kubectl's port-forward).",
		Example: "  plattr db shell\n  plattr db shell --env staging\n  plattr db shell -c 'select 1'\n  plattr db shell < report.sql",
		Args:    cli.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context()) },
	}
	cmd.Flags().StringVarP(&o.command, "command", "c", "", "`SQL` to run")
	cmd.Flags().BoolVar(&o.csv, "csv", false, "print rows as CSV")
	remote.AddLocalFlag(cmd, &o.env, "`environment` whose database it is")
	return cmd
}

func (o *options) run(ctx context.Context) error {
	format := sqlshell.Table
	switch {
	case o.csv:
		format = sqlshell.CSV
	case o.Format == cli.JSON:
		format = sqlshell.JSON
	case o.Format == cli.YAML:
		return cli.Usagef("-o yaml: rows are printed as text or json, or with --csv")
	}
	run := sqlshell.Options{Command: o.command, In: o.In, Out: o.Out, Err: o.Err, Format: format}
	if o.env != names.Local {
		return o.runRemote(ctx, run)
	}
	app, err := o.open(ctx, name)
	if err != nil {
		return err
	}
	db, err := app.OpenDatabase(ctx, o.Session)
	if err != nil {
		return err
	}
	run.URL, run.History = db.DatabaseURL, app.Runtime().State().Join("sql-history")
	return sqlshell.Run(ctx, run)
}

// runRemote keeps no history: statements on the data of others stay out of this machine's files.
func (o *options) runRemote(ctx context.Context, run sqlshell.Options) error {
	return o.there.WithDatabase(ctx, o.env, name, func(url string) error {
		run.URL = url
		return sqlshell.Run(ctx, run)
	})
}
