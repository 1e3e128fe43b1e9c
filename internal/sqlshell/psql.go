package sqlshell

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"

	"plattr.dev/plattr/internal/sqlshell/libpq"
)

// ExitError is a psql that ended with a code of its own; its output has been shown.
type ExitError struct{ Code int }

// Error names the code.
func (e *ExitError) Error() string { return fmt.Sprintf("psql ended with exit code %d", e.Code) }

// ErrNoPsql says that psql is not on PATH.
var ErrNoPsql = errors.New("psql is not on PATH: `plattr db shell` works without it")

// Psql runs the psql of this machine on the database. The password goes by its environment alone. Ctrl-C is psql's.
func Psql(ctx context.Context, url string, args []string, in io.Reader, out, errOut io.Writer) error {
	program, err := exec.LookPath("psql")
	if err != nil {
		return ErrNoPsql
	}
	env, err := libpq.Environment(url)
	if err != nil {
		return fmt.Errorf("psql: %w", err)
	}
	cmd := exec.CommandContext(context.WithoutCancel(ctx), program, args...) //nolint:gosec // the user's own psql
	cmd.Stdin, cmd.Stdout, cmd.Stderr = in, out, errOut
	cmd.Env = append(os.Environ(), env...)
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() > 0 {
		return &ExitError{Code: exit.ExitCode()}
	}
	if err != nil {
		return fmt.Errorf("psql: %w", err)
	}
	return nil
}
