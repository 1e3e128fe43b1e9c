package testrunner

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func shell(script string) Runner {
	return Runner{Name: NPM, Title: "sh", Command: []string{"sh", "-c", script, "sh"}}
}

func TestRun(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		script      string
		args        []string
		out, errOut string
		code        int
	}{
		"Output": {script: `printf 'a\033[31mb'; printf c >&2`, out: "a\x1b[31mb", errOut: "c"},
		"Args":   {script: `printf '%s|' "$@"`, args: []string{"a b", "$x", "'"}, out: "a b|$x|'|"},
		"Input":  {script: `cat`, out: "typed"},
		"Env":    {script: `printf "$OWN"`, out: "mine"},
		"Fails":  {script: `exit 7`, code: 7},
		"Killed": {script: `kill -9 $$`, code: 137},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out, errOut bytes.Buffer
			err := shell(tc.script).Run(t.Context(), t.TempDir(), Env(map[string]string{"OWN": "mine"}), tc.args,
				strings.NewReader("typed"), &out, &errOut)
			var exit *ExitError
			if errors.As(err, &exit) != (tc.code != 0) || exit != nil && exit.Code != tc.code {
				t.Errorf("error %v, want code %d", err, tc.code)
			}
			if out.String() != tc.out || errOut.String() != tc.errOut {
				t.Errorf("output %q and %q, want %q and %q", &out, &errOut, tc.out, tc.errOut)
			}
		})
	}
}

func TestRunNotInstalled(t *testing.T) {
	t.Parallel()
	err := Runner{Title: "Vitest", Command: []string{"npx", "vitest"}}.Run(t.Context(), t.TempDir(), nil, nil, nil, nil, nil)
	var missing *NotInstalledError
	if !errors.As(err, &missing) || missing.Hint() != "npm install" {
		t.Errorf("without node_modules: %v", err)
	}
	err = Runner{Title: "RSpec", Command: []string{"plattr-no-such-program"}}.Run(t.Context(), t.TempDir(), nil, nil, nil, nil, nil)
	if err == nil || !strings.Contains(err.Error(), "not installed") {
		t.Errorf("without the program: %v", err)
	}
}

// TestRunCancelled: the runner may clean up after Ctrl-C, and one that does not end is ended.
func TestRunCancelled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	err := shell(`trap 'echo clean > done; exit 0' TERM; while :; do sleep 0.05; done`).Run(ctx, dir, os.Environ(), nil, nil, nil, nil)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "done")); err != nil {
		t.Error("it could not clean up")
	}
}

func TestEnv(t *testing.T) {
	t.Setenv("PLATTR_TEST_REPLACED", "theirs")
	got := Env(map[string]string{"PLATTR_TEST_REPLACED": "mine"})
	if slices.Contains(got, "PLATTR_TEST_REPLACED=theirs") || !slices.Contains(got, "PLATTR_TEST_REPLACED=mine") {
		t.Error("a variable of the shell wins over the application's")
	}
}
