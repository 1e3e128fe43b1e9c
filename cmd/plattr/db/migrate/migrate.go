// Package migrate is the `db migrate` command.
package migrate

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"plattr.dev/plattr/cmd/plattr/internal/local"
	"plattr.dev/plattr/cmd/plattr/internal/remote"
	"plattr.dev/plattr/internal/cli"
	"plattr.dev/plattr/internal/config/names"
	"plattr.dev/plattr/internal/deploy"
	"plattr.dev/plattr/internal/migrate"
	"plattr.dev/plattr/localdev"
)

type options struct {
	*cli.Session
	open   local.Opener
	there  remote.Opener
	env    string
	status bool
}

// database is where the migrations run.
type database struct {
	engine migrate.Engine
	// runner runs them; what tools and the server say goes to the output.
	runner func(localdev.Output) (migrate.Runner, error)
	close  func() error
}

// New returns the `db migrate` command.
func New(s *cli.Session, open local.Opener, there remote.Opener) *cobra.Command {
	o := &options{Session: s, open: open, there: there}
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Run the migrations that have not run",
		Long: "Run the migrations that have not run.\n\n" +
			"SQL files and goose run in this process; knex, Prisma and Rails through the project's own tool, whose exit code is\n" +
			"passed on. One run at a time works on a schema. --status compares files and database and changes neither.\n" +
			"With --env they run from here on an environment's database, as its role; a deploy runs those in its image by itself.",
		Example: "  plattr db migrate\n  plattr db migrate --status\n  plattr db migrate --env staging --status",
		Args:    cli.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context()) },
	}
	remote.AddFlag(cmd, &o.env, "`environment` of plattr.platform.yaml (default: this machine)")
	cmd.Flags().BoolVar(&o.status, "status", false, "show what ran and what has not, and run nothing")
	return cmd
}

func (o *options) run(ctx context.Context) error {
	db, err := o.database(ctx)
	if err != nil {
		return err
	}
	defer db.close() //nolint:errcheck // the way to it is not needed any more
	if o.status {
		return o.show(ctx, db)
	}
	var result migrate.Result
	err = local.RunJob(ctx, o.Session, "Migrations", db.engine, func(ctx context.Context, out localdev.Output) (string, error) {
		runner, err := db.runner(out)
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
	applied := make([]string, len(r.Applied))
	for i, a := range r.Applied {
		applied[i] = strings.TrimSuffix(a.Name, ".sql")
	}
	return strings.Join(applied, ", ")
}

func head(name string) string {
	if name == "" {
		return ""
	}
	return "; head " + name
}

// database opens the one on this machine, or an environment's.
func (o *options) database(ctx context.Context) (database, error) {
	const command = "plattr db migrate"
	if o.env != "" && o.env != names.Local {
		return o.remote(ctx, command)
	}
	app, err := o.open(ctx, command)
	if err != nil {
		return database{}, err
	}
	db, err := app.OpenDatabase(ctx, o.Session)
	if err != nil && !o.status {
		err = fmt.Errorf("migrate: %w", err)
	}
	if err != nil {
		return database{}, err
	}
	return database{engine: db.Engine(), runner: db.Migrations, close: func() error { return nil }}, nil
}

// remote opens an environment's database as the application's role.
func (o *options) remote(ctx context.Context, command string) (database, error) {
	e, err := o.there(ctx, o.env, command)
	if err != nil {
		return database{}, err
	}
	spec := e.App.Spec.Database
	if !e.App.Spec.DatabaseEnabled() || spec.Migrations.Engine == "" {
		return database{}, fmt.Errorf("%s: there are no migrations: plattr.yaml has no database, or the project none", e.Label())
	}
	if !o.status {
		if err := e.Confirm(ctx, o.Session, "migrate the database of "+e.App.Name); err != nil {
			return database{}, err
		}
	}
	url, closeURL, err := o.there.Database(ctx, o.env, command)
	if err != nil {
		return database{}, err
	}
	n := deploy.NamesOf(e.App, e.Bare.Target)
	engine := migrate.Engine(spec.Migrations.Engine)
	return database{engine: engine, close: closeURL, runner: func(out localdev.Output) (migrate.Runner, error) {
		return migrate.New(engine, migrate.Options{
			URL: url, Schema: n.Schema, MigrationsSchema: n.MigrationsSchema, Root: e.Dir, Path: spec.Migrations.Path,
			Stdout: out.Stdout, Stderr: out.Stderr, Progress: out.Progress,
		})
	}}, nil
}

func (o *options) show(ctx context.Context, db database) error {
	runner, err := db.runner(localdev.Output{Stdout: o.Err, Stderr: o.Err})
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
