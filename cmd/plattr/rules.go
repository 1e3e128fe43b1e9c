package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"plattr.dev/plattr/cmd/plattr/internal/local"
	"plattr.dev/plattr/internal/cli"
	"plattr.dev/plattr/internal/config"
	"plattr.dev/plattr/internal/deploy"
	"plattr.dev/plattr/internal/engine"
	"plattr.dev/plattr/internal/image"
	"plattr.dev/plattr/internal/migrate"
	"plattr.dev/plattr/internal/sqlshell"
	"plattr.dev/plattr/internal/testrunner"
	"plattr.dev/plattr/localdev"
)

// timeoutError says that --timeout ended the command.
type timeoutError struct {
	after time.Duration
	cause error
}

// Error names the time and what was going on.
func (e *timeoutError) Error() string {
	return fmt.Sprintf("gave up after %s (--timeout): %v", e.after, e.cause)
}

// rules is the table from the errors of all packages to exit codes and next
// steps. Packages declare sentinels; only this table knows commands.
func rules() cli.Rules {
	return cli.Rules{
		timedOut,
		invalidFile,
		cli.When(cli.ErrNoFile, cli.Verdict{Next: "plattr init"}),
		cli.When(localdev.ErrNotUp, cli.Verdict{Next: "plattr dev"}),
		cli.When(sqlshell.ErrNoPsql, cli.Verdict{Next: "plattr db shell"}),
		locked,
		cli.When(engine.ErrLocked, cli.Verdict{Code: cli.ExitLocked}),
		cli.When(migrate.ErrLocked, cli.Verdict{Code: cli.ExitLocked}),
		child,
		notReleased,
		resources,
		denied,
	}
}

// locked says who works on the application, and since when.
func locked(err error) (cli.Verdict, bool) {
	var e *engine.LockedError
	if !errors.As(err, &e) || e.PID == 0 {
		return cli.Verdict{}, false
	}
	environment, app, _ := strings.Cut(e.Stack, "-")
	return cli.Verdict{Code: cli.ExitLocked, Message: fmt.Sprintf("%s, %s is locked: %s, process %d on %s, since %s (%s ago)",
		app, environment, e.Owner, e.PID, e.Host, e.Since.Local().Format(time.TimeOnly), cli.Duration(time.Since(e.Since)))}, true
}

// child passes on the exit code of a tool, whose own output has been shown.
func child(err error) (cli.Verdict, bool) {
	var tool *migrate.ExitError
	var psql *sqlshell.ExitError
	var tests *testrunner.ExitError
	switch {
	case errors.As(err, &tests):
		return cli.Verdict{Code: tests.Code, Child: tests.Tool}, true
	case errors.As(err, &tool):
		return cli.Verdict{Code: tool.Code, Child: tool.Tool}, true
	case errors.As(err, &psql):
		return cli.Verdict{Code: psql.Code, Child: "psql"}, true
	default:
		return cli.Verdict{}, false
	}
}

// notReleased says what serves in the place of a release that did not come to.
func notReleased(err error) (cli.Verdict, bool) {
	var e *deploy.ReleaseError
	if !errors.As(err, &e) {
		return cli.Verdict{}, false
	}
	lines := local.Explain(err)
	if len(lines) == 0 {
		lines = []string{err.Error()}
	}
	switch {
	case e.SetBack != nil:
		lines = append(lines, fmt.Sprintf("The release before (%s) could not be put back: %v", image.Short(e.Serving.Image), e.SetBack))
	case e.Serving.ID != "" && e.Serving.ID != e.Failed.ID:
		lines = append(lines, fmt.Sprintf("The release before (%s) goes on serving.", image.Short(e.Serving.Image)))
	}
	v := cli.Verdict{Message: strings.Join(lines, "\n")}
	var failed *engine.ResourceError
	if errors.As(err, &failed) && (strings.HasSuffix(failed.Type, ":Deployment") || strings.HasSuffix(failed.Type, ":Job")) &&
		strings.Contains(failed.Cause.Error(), " does not work") { // it was made: there are pods that may have said something
		v.Next = "plattr logs --env " + e.Environment
	}
	return v, true
}

// resources names what could not be made in the user's words; what the engine
// calls it is for --verbose.
func resources(err error) (cli.Verdict, bool) {
	lines := local.Explain(err)
	return cli.Verdict{Message: strings.Join(lines, "\n")}, len(lines) > 0
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

// denied is for paths of the user's own; those of plattr have a hint.
func denied(err error) (cli.Verdict, bool) {
	var hinted interface{ Hint() string }
	if !errors.Is(err, fs.ErrPermission) || errors.As(err, &hinted) {
		return cli.Verdict{}, false
	}
	return cli.Verdict{Next: "check that you may write there"}, true
}
