package migrate

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"plattr.dev/plattr/internal/migrate/sqltext"
)

// ErrLocked is wrapped by every LockedError.
var ErrLocked = errors.New("another run works on these migrations")

// LockedError says who holds the migration lock.
type LockedError struct {
	Schema string
	// Holder is the application name that the holder gave itself, and its server process.
	Holder string
	Since  time.Time
}

// Error names the holder and since when it is there.
func (e *LockedError) Error() string {
	return fmt.Sprintf("migrations of %s are locked: %s, since %s", e.Schema, e.Holder, e.Since.Format(time.TimeOnly))
}

// Unwrap returns ErrLocked.
func (e *LockedError) Unwrap() error { return ErrLocked }

// ExitError is a migration tool that ended with a code of its own; its output has been shown.
type ExitError struct {
	Tool string
	Code int
}

// Error names tool and code.
func (e *ExitError) Error() string { return fmt.Sprintf("%s ended with exit code %d", e.Tool, e.Code) }

// HistoryError is a directory of migrations that does not continue what ran.
type HistoryError struct {
	// Problems has one line for each file: what is wrong and what to do.
	Problems []string
}

// Error returns the problems, one per line.
func (e *HistoryError) Error() string { return strings.Join(e.Problems, "\n") }

// FileError is a file that cannot be run as it is.
type FileError struct {
	File         string
	Line, Column int
	Message      string
}

// Error returns file, place and what is wrong.
func (e *FileError) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Message)
}

// StatementError is a statement that the server refused.
type StatementError struct {
	File string
	// Statement counts from 1; 0 is the file as a whole. Of is how many statements the file has.
	Statement, Of int
	Line, Column  int
	// RolledBack is true if nothing of the file remains, false if the next run continues at this statement.
	RolledBack bool
	// ShowDetail includes what of the server's message may hold values of rows.
	ShowDetail bool
	Err        error
}

// Error returns the place, the server's message, and what became of the file.
func (e *StatementError) Error() string {
	var b strings.Builder
	if e.Statement == 0 {
		fmt.Fprintf(&b, "%s: ", e.File)
	} else {
		fmt.Fprintf(&b, "%s:%d:%d: statement %d of %d: ", e.File, e.Line, e.Column, e.Statement, e.Of)
	}
	b.WriteString(e.reason())
	switch {
	case e.Statement == 0 && code(e.Err) == "":
		b.WriteString("\nwhether the file was applied is not known: the next run looks")
	case e.RolledBack:
		b.WriteString("\nthe file was rolled back: nothing of it remains")
	default:
		fmt.Fprintf(&b, "\nthe %d statements before it stay: the next run continues with this one", e.Statement-1)
	}
	return b.String()
}

// Unwrap returns the server's error.
func (e *StatementError) Unwrap() error { return e.Err }

func (e *StatementError) reason() string {
	var server *pgconn.PgError
	if !errors.As(e.Err, &server) {
		return e.Err.Error()
	}
	message := server.Message
	if !e.ShowDetail && strings.HasPrefix(server.Code, dataException) {
		message, _, _ = strings.Cut(message, `: "`) // what follows is the value
	}
	text := fmt.Sprintf("%s (%s)", message, server.Code)
	if server.Detail != "" && e.ShowDetail {
		text += "\n  " + server.Detail
	}
	if server.Where != "" && e.ShowDetail {
		text += "\n  " + strings.ReplaceAll(server.Where, "\n", "\n  ")
	}
	if server.Hint != "" {
		text += "\n  " + server.Hint
	}
	if server.Code == unsafeEnumValue {
		text += "\n  put `" + directivePrefix + noTransaction + "` at the top of the file, or the use into a file of its own"
	}
	return text
}

// code returns the SQLSTATE of an error of the server, else "".
func code(err error) string {
	var server *pgconn.PgError
	if errors.As(err, &server) {
		return server.Code
	}
	return ""
}

// noTable reports that a table, or its schema, does not exist.
func noTable(err error) bool { return code(err) == "42P01" || code(err) == "3F000" }

// dataException begins the server's codes for values that it cannot take.
const dataException = "22"

// unsafeEnumValue is the server's code for the use of an enum value in the transaction that added it.
const unsafeEnumValue = "55P04"

// statementError places a server's error in a file.
func statementError(f file, index int, err error) *StatementError {
	s := f.statements[index]
	line, column := s.Line, s.Column
	var server *pgconn.PgError
	if errors.As(err, &server) && server.Position > 0 {
		line, column = sqltext.Position(f.script, s.At(int(server.Position)))
	}
	return &StatementError{
		File: f.shown, Statement: index + 1, Of: len(f.statements), Line: line, Column: column,
		ShowDetail: true, Err: err,
	}
}

// shownPath is a file as the user would write it: relative to plattr.yaml.
func shownPath(root, path string) string {
	relative, err := filepath.Rel(root, path)
	if err != nil || strings.HasPrefix(relative, "..") {
		return path
	}
	return filepath.ToSlash(relative)
}
