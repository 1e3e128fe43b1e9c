// Package testrunner finds out how a project runs its tests, and runs them: with the project's own tool, its output
// unchanged, its exit code kept.
package testrunner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Name is what a runner is called on the command line.
type Name string

// The runners.
const (
	Vitest   Name = "vitest"
	Jest     Name = "jest"
	NPM      Name = "npm"
	RSpec    Name = "rspec"
	Minitest Name = "minitest"
	Go       Name = "go"
)

// Names returns all runners.
func Names() []Name { return []Name{Vitest, Jest, NPM, RSpec, Minitest, Go} }

// Runner is a project's way to run its tests.
type Runner struct {
	Name Name
	// Title is what people call it.
	Title string
	// Command runs all tests once; arguments of the user come behind it.
	Command []string
	// Why says by what it was recognised.
	Why string
}

// NotFoundError says that no runner was recognised, and what was looked for.
type NotFoundError struct {
	Dir string
	// Wanted is the runner that was asked for; empty: any.
	Wanted Name
}

func (e *NotFoundError) Error() string {
	if e.Wanted != "" {
		return fmt.Sprintf("nothing in %s shows how to run %s", e.Dir, e.Wanted)
	}
	return "found no tests in " + e.Dir
}

// Hint says what would be recognised.
func (e *NotFoundError) Hint() string {
	return "plattr test looks for vitest or jest in package.json, its test script, RSpec or Minitest beside a Gemfile, and go.mod"
}

// ExitError is a runner that ended with a code of its own; its output has been shown.
type ExitError struct {
	Tool string
	Code int
}

func (e *ExitError) Error() string { return fmt.Sprintf("%s ended with exit code %d", e.Tool, e.Code) }

// Run runs the tests in dir with the environment env, and returns when they have ended. When ctx ends, which Ctrl-C makes
// it do, the runner has got the signal too and may clean up.
func (r Runner) Run(ctx context.Context, dir string, env, args []string, in io.Reader, out, errOut io.Writer) error {
	argv := append(slices.Clone(r.Command), args...)
	if _, err := os.Stat(filepath.Join(dir, "node_modules")); argv[0] == "npx" && errors.Is(err, fs.ErrNotExist) {
		return &NotInstalledError{r.Title}
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir, cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = dir, env, in, out, errOut
	if err := cmd.Start(); err != nil {
		if errors.Is(err, exec.ErrNotFound) {
			return fmt.Errorf("run %s: %s is not installed", r.Title, argv[0])
		}
		return fmt.Errorf("run %s: %w", r.Title, err)
	}
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() { end(cmd.Process, ended) })
	defer stop()
	err := cmd.Wait()
	close(ended)
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &exit):
		return &ExitError{Tool: argv[0], Code: code(exit)}
	case err != nil:
		return fmt.Errorf("run %s: %w", r.Title, err)
	}
	return nil
}

// The steps of the end of a runner whose run is over.
const (
	byItself = 3 * time.Second // Ctrl-C has reached it too: it cleans up
	byTERM   = 10 * time.Second
)

// end ends a runner, step by step more firmly.
func end(p *os.Process, ended <-chan struct{}) {
	for _, step := range []struct {
		wait time.Duration
		then os.Signal
	}{{byItself, syscall.SIGTERM}, {byTERM, os.Kill}} {
		select {
		case <-ended:
			return
		case <-time.After(step.wait):
			_ = p.Signal(step.then) // it may have ended meanwhile
		}
	}
}

// NotInstalledError says that the project's packages are not there.
type NotInstalledError struct{ Tool string }

func (e *NotInstalledError) Error() string {
	return fmt.Sprintf("run %s: the project's packages are not installed (there is no node_modules)", e.Tool)
}

// Hint is the next step.
func (e *NotInstalledError) Hint() string { return "npm install" }

// code is the exit code, or as shells have it 128 and the signal that ended the process.
func code(e *exec.ExitError) int {
	if status, ok := e.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return e.ExitCode()
}

// Env is the environment of this process with variables of the application over it.
func Env(own map[string]string) []string {
	env := slices.DeleteFunc(os.Environ(), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		_, replaced := own[name]
		return replaced
	})
	for name, value := range own {
		env = append(env, name+"="+value)
	}
	return env
}
