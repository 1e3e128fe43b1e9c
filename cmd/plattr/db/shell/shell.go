// Package shell is the `db shell` command.
package shell

import (
	"context"

	"github.com/spf13/cobra"

	"plattr.dev/plattr/cmd/plattr/internal/local"
	"plattr.dev/plattr/internal/cli"
	"plattr.dev/plattr/internal/sqlshell"
)

type options struct {
	*cli.Session
	open    local.Opener
	command string
	csv     bool
}

// New returns the `db shell` command.
func New(s *cli.Session, open local.Opener) *cobra.Command {
	o := &options{Session: s, open: open}
	cmd := &cobra.Command{
		Use:   "shell",
		Short: "Run SQL on the database, without psql",
		Long: "Run SQL on the database, without psql.\n\n" +
			"It runs as the application's role: a statement (-c), a script from a pipe, or a session on a terminal, where \\? helps\n" +
			"and Ctrl-C ends the statement that runs. -o json prints an array of objects for each statement that returns rows.",
		Example: "  plattr db shell\n  plattr db shell -c 'select 1'\n  plattr db shell < report.sql",
		Args:    cli.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context()) },
	}
	cmd.Flags().StringVarP(&o.command, "command", "c", "", "`SQL` to run")
	cmd.Flags().BoolVar(&o.csv, "csv", false, "print rows as CSV")
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
	app, err := o.open(ctx, "plattr db shell")
	if err != nil {
		return err
	}
	db, err := app.OpenDatabase(ctx, o.Session)
	if err != nil {
		return err
	}
	return sqlshell.Run(ctx, sqlshell.Options{
		URL: db.DatabaseURL, Command: o.command, In: o.In, Out: o.Out, Err: o.Err, Format: format,
		History: app.Runtime().State().Join("sql-history"),
	})
}
