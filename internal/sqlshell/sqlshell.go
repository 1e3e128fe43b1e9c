// Package sqlshell is `plattr db shell`: SQL against a database without psql, one statement on the command line, a
// script from a pipe, or a session on a terminal.
package sqlshell

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"golang.org/x/term"

	"plattr.dev/plattr/internal/migrate/sqltext"
	"plattr.dev/plattr/internal/sqlshell/libpq"
)

// The formats of results.
const (
	Table = "table"
	JSON  = "json" // an array of objects, one line per statement that returns rows
	CSV   = "csv"  // with a line of names; NULL is empty
)

// Options says what to run and where.
type Options struct {
	// URL is the database as the role sees it that statements run as.
	URL string
	// Command is run instead of what In has, if it is not empty.
	Command string
	// In is a script, or a terminal. Results go to Out; notices, counts and errors to Err.
	In       io.Reader
	Out, Err io.Writer
	// Format is one of the formats above; empty means Table.
	Format string
	// History is a file for what was typed, made with mode 0600; empty keeps none. Lines that name a password are
	// never kept.
	History string
}

// QueryError is a statement that failed.
type QueryError struct {
	// Line is where the statement begins in the script, from 1; 0 on a terminal.
	Line      int
	Statement string
	Err       error
}

// Error returns the server's message and shows the place in the statement.
func (e *QueryError) Error() string {
	text := explain(e.Statement, e.Err)
	if e.Line > 1 {
		return fmt.Sprintf("line %d: %s", e.Line, text)
	}
	return text
}

// Unwrap returns the server's error.
func (e *QueryError) Unwrap() error { return e.Err }

// Run runs the command, the script, or a session. A script ends at its first error, which is returned; a session shows
// errors and goes on. In a session Ctrl-C cancels the statement that runs, and the context is not looked at.
func Run(ctx context.Context, o Options) error {
	if !slices.Contains([]string{"", Table, JSON, CSV}, o.Format) {
		return fmt.Errorf("format %q: want table, json or csv", o.Format)
	}
	s := &shell{Options: o}
	if err := s.connect(ctx); err != nil {
		return err
	}
	defer func() { libpq.Close(s.conn) }() // a session may have connected anew
	if o.Command != "" {
		return s.script(ctx, o.Command)
	}
	if file, ok := o.In.(*os.File); ok && term.IsTerminal(int(file.Fd())) { //nolint:gosec // a file descriptor is small
		return s.session(context.WithoutCancel(ctx), file)
	}
	text, err := io.ReadAll(o.In)
	if err != nil {
		return fmt.Errorf("read the script: %w", err)
	}
	return s.script(ctx, string(text))
}

type shell struct {
	Options
	conn     *pgx.Conn
	expanded bool // \x
}

func (s *shell) connect(ctx context.Context) error {
	config, err := libpq.Config(s.URL, "plattr db shell")
	if err != nil {
		return err
	}
	config.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) {
		_, _ = fmt.Fprintf(s.Err, "%s: %s\n", n.Severity, n.Message)
	}
	s.conn, err = libpq.Connect(ctx, config)
	return err
}

// script runs statements until the first error.
func (s *shell) script(ctx context.Context, text string) error {
	statements, err := sqltext.Split(text)
	if err != nil {
		return fmt.Errorf("read the statements: %w", err)
	}
	for _, statement := range statements {
		if err := s.statement(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// statement runs one statement and prints what it returns.
func (s *shell) statement(ctx context.Context, statement sqltext.Statement) error {
	err := s.execute(ctx, statement)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("statement: %w", ctx.Err())
	}
	return &QueryError{Line: statement.Line, Statement: statement.Text, Err: err}
}

func (s *shell) execute(ctx context.Context, statement sqltext.Statement) error {
	conn := s.conn.PgConn()
	switch words := sqltext.Words(statement.Text); {
	case statement.Copy != nil:
		tag, err := conn.CopyFrom(ctx, bytes.NewReader(statement.Copy), statement.Text)
		s.tag(err, tag)
		return err //nolint:wrapcheck // the caller adds statement and place
	case len(words) > 0 && words[0] == "COPY" && slices.Contains(words, "STDOUT"):
		tag, err := conn.CopyTo(ctx, s.Out, statement.Text)
		s.tag(err, tag)
		return err //nolint:wrapcheck // the caller adds statement and place
	}
	reader := conn.Exec(ctx, statement.Text)
	for reader.NextResult() {
		result := reader.ResultReader()
		rows := newRows(result.FieldDescriptions())
		for result.NextRow() {
			rows.add(result.Values())
		}
		tag, err := result.Close()
		if err != nil {
			break // Close of the outer reader returns it too
		}
		if len(rows.names) == 0 && !tag.Select() {
			s.tag(nil, tag)
			continue
		}
		if err := s.print(rows); err != nil {
			return errors.Join(err, reader.Close())
		}
	}
	return reader.Close() //nolint:wrapcheck // the caller adds statement and place
}

// tag says what a statement without rows did.
func (s *shell) tag(err error, tag pgconn.CommandTag) {
	if err == nil && tag.String() != "" {
		_, _ = fmt.Fprintln(s.Err, tag.String())
	}
}

func (s *shell) print(rows *rows) error {
	switch {
	case s.Format == JSON:
		return rows.json(s.Out)
	case s.Format == CSV:
		return rows.csv(s.Out)
	case s.expanded:
		return rows.expanded(s.Out)
	}
	return rows.table(s.Out)
}
