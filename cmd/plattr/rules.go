package main

import (
	"errors"
	"fmt"
	"time"

	"plattr.dev/plattr/internal/cli"
	"plattr.dev/plattr/internal/config"
	"plattr.dev/plattr/internal/engine"
)

// timeoutError says that --timeout ended the command.
type timeoutError struct {
	after time.Duration
	cause error
}

// Error names the time and what was going on.
func (e *timeoutError) Error() string {
	return fmt.Sprintf("gave up after %s (--timeout): %v", cli.Duration(e.after), e.cause)
}

// rules is the table from the errors of all packages to exit codes and next
// steps. Packages declare sentinels; only this table knows commands.
func rules() cli.Rules {
	return cli.Rules{
		timedOut,
		invalidFile,
		cli.When(cli.ErrNoFile, cli.Verdict{Next: "plattr init"}),
		cli.When(engine.ErrLocked, cli.Verdict{Code: cli.ExitLocked}),
	}
}

// timedOut comes first: what a cancelled part says is not why it ended.
func timedOut(err error) (cli.Verdict, bool) {
	var e *timeoutError
	return cli.Verdict{}, errors.As(err, &e)
}

// invalidFile shows every problem of a file, each on its line.
func invalidFile(err error) (cli.Verdict, bool) {
	var e *config.Error
	return cli.Verdict{Whole: true}, errors.As(err, &e)
}
