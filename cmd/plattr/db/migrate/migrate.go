// Package migrate is the `db migrate` command.
package migrate

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"plattr.dev/plattr/cmd/plattr/internal/local"
	"plattr.dev/plattr/internal/cli"
	"plattr.dev/plattr/internal/migrate"
	"plattr.dev/plattr/localdev"
)

type options struct {
	*cli.Session
	open   local.Opener
	status bool
}

// New returns the `db migrate` command.
func New(s *cli.Session, open local.Opener) *cobra.Command {
	o := &options{Session: s, open: open}
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Run the migrations that have not run",
		Long: "Run the migrations that have not run.\n\n" +
			"SQL files and goose run in this process; knex, Prisma and Rails through the project's own tool, whose exit code is\n" +
			"passed on. One run at a time works on a schema. --status compares files and database and changes neither.",
		Example: "  plattr db migrate\n  plattr db migrate --status",
		Args:    cli.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context()) },
	}
	cmd.Flags().BoolVar(&o.status, "status", false, "show what ran and what has not, and run nothing")
	return cmd
}

func (o *options) run(ctx context.Context) error {
	app, err := o.open(ctx, "plattr db migrate")
	if err != nil {
		return err
	}
	if o.status {
		return o.show(ctx, app)
	}
	var result migrate.Result
	err = app.Run(ctx, o.Session, "Migrations", func(ctx context.Context, db *localdev.Database, out localdev.Output) (string, error) {
		runner, err := db.Migrations(out)
		if err != nil {
			return "", err
		}
		result, err = runner.Up(ctx)
		return detail(result), err
	})
	for _, a := range result.Applied {
		if err != nil {
			o.Infof("  applied before the error: %s", a.Name)
		}
	}
	for _, w := range result.Warnings {
		o.Infof("%s", o.ErrPaint().Yellow("! "+w))
	}
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	if result.Applied == nil {
		result.Applied = []migrate.Applied{}
	}
	return o.Print(result, func(w io.Writer) {
		fmt.Fprintf(w, "%s, %d were there before%s\n",
			cli.Count(len(result.Applied), "migration")+" applied", result.Already, head(result.Head))
	})
}

// detail names what was applied.
func detail(r migrate.Result) string {
	if len(r.Applied) == 0 {
		return "nothing to do"
	}
	names := make([]string, len(r.Applied))
	for i, a := range r.Applied {
		names[i] = strings.TrimSuffix(a.Name, ".sql")
	}
	return strings.Join(names, ", ")
}

func head(name string) string {
	if name == "" {
		return ""
	}
	return "; head " + name
}

func (o *options) show(ctx context.Context, app *local.App) error {
	db, err := app.OpenDatabase(ctx, o.Session)
	if err != nil {
		return err
	}
	runner, err := db.Migrations(localdev.Output{Stdout: o.Err, Stderr: o.Err})
	if err != nil {
		return err
	}
	status, err := runner.Status(ctx)
	if err != nil {
		return fmt.Errorf("compare the migrations: %w", err)
	}
	if status.Migrations == nil {
		status.Migrations = []migrate.State{}
	}
	return o.Print(status, func(w io.Writer) {
		if len(status.Migrations) == 0 {
			fmt.Fprintln(w, "no migrations")
			return
		}
		rows := [][]string{}
		for _, m := range status.Migrations {
			at := ""
			if m.AppliedAt != nil {
				at = m.AppliedAt.Local().Format("2006-01-02 15:04:05")
			}
			if m.State == migrate.StateHalfDone {
				at = fmt.Sprintf("%d of %d statements", m.Done, m.Statements)
			}
			rows = append(rows, []string{m.Name, m.State, at})
		}
		cli.Table(w, rows)
	})
}
