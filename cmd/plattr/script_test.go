package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// scripts holds the transcripts of whole runs of the program.
const scripts = "../../testdata/script"

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"plattr": main})
}

// TestScripts runs every script of the folder; each is one sentence of what
// the command line does.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 scripts,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       os.Getenv("UPDATE_SCRIPTS") != "",
		Setup: func(env *testscript.Env) error {
			env.Setenv("TERM", "dumb")
			env.Setenv("HOME", filepath.Join(env.WorkDir, ".home"))
			return readOnly(env)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"status": exitCode},
	})
}

// readOnly sets READONLY to a directory that nobody can write to. Root writes
// everywhere but in /proc.
func readOnly(env *testscript.Env) error {
	if os.Geteuid() == 0 {
		env.Setenv("READONLY", "/proc")
		return nil
	}
	dir := filepath.Join(env.WorkDir, "read-only")
	env.Setenv("READONLY", dir)
	return os.Mkdir(dir, 0o555)
}

// exitCode runs a program and checks its exit code: status 2 plattr nonsense.
func exitCode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status CODE PROGRAM ARGS...")
	}
	err := ts.Exec(args[1], args[2:]...)
	got := "0"
	if exit, ok := err.(*exec.ExitError); ok { //nolint:errorlint // testscript returns it as it is
		got = strconv.Itoa(exit.ExitCode())
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if got != args[0] {
		ts.Fatalf("exit code %s, want %s", got, args[0])
	}
}
