// Command plattr gives an application its database, storage and what else it
// asks for, on the laptop and in a cluster.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"syscall"

	_ "dev.plattr/early" // before bubbletea asks the terminal
	"github.com/spf13/cobra"

	"plattr.dev/plattr/internal/cli"
	"plattr.dev/plattr/localdev/processes"
)

func main() {
	os.Exit(run(os.Args[1:])) //nolint:forbidigo // this is main
}

// run is the whole program up to its exit code.
func run(args []string) (code int) {
	s := cli.NewSession(cli.System())
	if asked, err := processes.Run(context.Background(), args); asked {
		rules().Report(s, err)
		return rules().ExitCode(err)
	}
	relaxCollector()
	ctx, stop := signalled(s)
	defer stop()
	defer func() {
		if r := recover(); r != nil {
			code = panicked(s, r)
		}
	}()
	err := execute(ctx, s, args)
	table := rules()
	table.Report(s, err)
	return table.ExitCode(err)
}

// commandGC lets the heap of a command grow to five times what is in use before it is collected: a command lives for
// less than a second and holds some 20 MB, and the collector would take a sixth of its time. One that lives longer, as a first
// deploy, is collected when it nears commandMemory, in bytes. GOGC and GOMEMLIMIT rule where they are set.
const (
	commandGC     = 400
	commandMemory = 80 << 20
)

func relaxCollector() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(commandGC)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(commandMemory)
	}
}

// execute runs the command line. --timeout is put on the context here, so that
// no command can forget it.
func execute(ctx context.Context, s *cli.Session, args []string) error {
	root := newRoot(s)
	if slices.Equal(args, []string{"--version"}) {
		args = []string{"version"} // what most people try first
	}
	root.SetArgs(args)
	release := func() {}
	defer func() { release() }()
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		if s.Timeout < 0 {
			return cli.Usagef("--timeout: %s is not a time to wait", s.Timeout)
		}
		if s.Timeout > 0 {
			limited, cancel := context.WithTimeout(cmd.Context(), s.Timeout)
			release = cancel
			cmd.SetContext(limited)
			ctx = limited
		}
		return nil
	}
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return nil
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return &timeoutError{after: s.Timeout, cause: err}
	case ctx.Err() != nil && !errors.Is(err, cli.ErrCancelled):
		// Whatever the parts said while they stopped: the user ended it.
		return fmt.Errorf("%w: %w", cli.ErrCancelled, err)
	default:
		return err //nolint:wrapcheck // it comes from the commands, through cobra
	}
}

// signalled returns a context that ends with the first Ctrl-C, SIGTERM or
// SIGHUP: the command then stops in order. The second one ends the program at
// once; the next run continues.
func signalled(s *cli.Session) (context.Context, func()) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	done := make(chan struct{})
	go func() {
		for count := 0; ; count++ {
			select {
			case <-done:
				return
			case <-signals:
			}
			if count > 0 {
				os.Exit(cli.ExitCancelled) //nolint:forbidigo // main's own handler: nothing is waited for
			}
			cancel()
			if s.Live {
				s.Note("stopping in order: Ctrl-C again ends at once")
			}
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(done)
		cancel()
	}
}

// panicked reports a bug in one line; the stack is shown only where
// somebody asked for it.
func panicked(s *cli.Session, r any) int {
	fmt.Fprintf(s.Err, "internal error: %v\n", r)
	if os.Getenv("PLATTR_DEBUG") != "" {
		fmt.Fprintf(s.Err, "%s", debug.Stack())
		return cli.ExitFailed
	}
	fmt.Fprintln(s.Err, "This is a bug in plattr. PLATTR_DEBUG=1 shows where; the next run continues.")
	return cli.ExitFailed
}
