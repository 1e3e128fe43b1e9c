package local

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"plattr.dev/plattr/internal/cli"
	"plattr.dev/plattr/internal/migrate"
	"plattr.dev/plattr/localdev"
	"plattr.dev/plattr/localdev/scratch"
)

// keyJob is the root of work on the database.
const keyJob = "job"

// Job is work on the application's database that takes time. It returns what
// came out, for the line that says that it is done.
type Job func(ctx context.Context, db *localdev.Database, out localdev.Output) (detail string, err error)

// Run opens the database, starting its server where it does not run, and does
// the job in a view. A tool of the project writes to the terminal itself, so
// that its view ends before.
func (a *App) Run(ctx context.Context, s *cli.Session, label string, job Job) error {
	db, err := a.OpenDatabase(ctx, s)
	if err != nil {
		return err
	}
	return RunJob(ctx, s, label, db.Engine(), func(ctx context.Context, out localdev.Output) (string, error) {
		return job(ctx, db, out)
	})
}

// RunJob does work on a database in a view. What a tool of the project says, which some engines run, goes to the terminal.
func RunJob(
	ctx context.Context, s *cli.Session, label string, engine migrate.Engine,
	work func(ctx context.Context, out localdev.Output) (detail string, err error),
) error {
	var detail string
	var err error
	if runsTool(engine) {
		detail, err = work(ctx, toolOutput(s))
		if err != nil {
			return err
		}
		view := s.NewView()
		defer view.Close()
		view.Start(keyJob, "", label)
		view.Done(keyJob, detail, 0)
		return nil
	}
	view := s.NewView()
	defer view.Close()
	view.Start(keyJob, "", label)
	notes := &noteWriter{view: view}
	detail, err = work(ctx, localdev.Output{
		Stdout: notes, Stderr: notes, Progress: func(text string) { view.Update(keyJob, text) },
	})
	if err != nil {
		view.Fail(keyJob, err)
		return err
	}
	view.Done(keyJob, detail, -1)
	return nil
}

// OpenDatabase opens the application's database and shows the services that
// have to be started for it.
func (a *App) OpenDatabase(ctx context.Context, s *cli.Session) (db *localdev.Database, err error) {
	err = a.WithServices(s, func(w *Watch) error {
		db, err = a.Database(ctx, w.Reports())
		return err
	})
	return db, err
}

// WithServices shows the services that have to be started for some work.
func (a *App) WithServices(s *cli.Session, work func(w *Watch) error) error {
	view := s.NewView()
	defer view.Close()
	watch := NewWatch(view, "")
	err := work(watch)
	watch.closeServices(err)
	return err
}

// closeServices ends the root of the services, where no resources follow.
func (w *Watch) closeServices(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.view.Fail(keyServices, err)
		return
	}
	w.view.Done(keyServices, "", -1)
}

func runsTool(e migrate.Engine) bool {
	return e == migrate.Knex || e == migrate.Prisma || e == migrate.Rails
}

// toolOutput shows what a tool prints as it comes. Under -o json it all goes
// to Err: Out holds one document.
func toolOutput(s *cli.Session) localdev.Output {
	out := localdev.Output{Stdout: s.Out, Stderr: s.Err, Progress: func(text string) { s.Infof("  %s", text) }}
	if s.Format != cli.Text {
		out.Stdout = s.Err
	}
	return out
}

// noteWriter turns what is written into notes of a view, line by line.
type noteWriter struct {
	view *cli.View
	half []byte
}

var _ io.Writer = (*noteWriter)(nil)

// Write never fails: what a server remarks does not end a migration.
func (w *noteWriter) Write(p []byte) (int, error) {
	w.half = append(w.half, p...)
	for {
		line, rest, ok := bytes.Cut(w.half, []byte("\n"))
		if !ok {
			return len(p), nil
		}
		w.half = rest
		w.view.Note(string(line))
	}
}

// Ran lists the migrations that the database has, in order, as dumps name them.
func Ran(ctx context.Context, db *localdev.Database, out localdev.Output) ([]scratch.Migration, error) {
	runner, err := db.Migrations(localdev.Output{Stdout: out.Stderr, Stderr: out.Stderr})
	if err != nil {
		return nil, err
	}
	status, err := runner.Status(ctx)
	if err != nil {
		return nil, fmt.Errorf("look at the migrations: %w", err)
	}
	ran := []scratch.Migration{}
	for _, m := range status.Migrations {
		if m.State == migrate.StatePending {
			continue
		}
		if m.State == migrate.StateHalfDone {
			return nil, fmt.Errorf("migration %s is half done: run plattr db migrate first", m.Name)
		}
		ran = append(ran, scratch.Migration{Name: m.Name, Checksum: m.Checksum})
	}
	return ran, nil
}
