package e2e

import (
	"os/exec"
	"strings"
	"testing"

	"plattr.dev/plattr/internal/testutil"
)

// TestTerminalIsNotAsked holds that no library asks the terminal for its colours: a pseudo-terminal that never answers
// would hold up every command for seconds.
func TestTerminalIsNotAsked(t *testing.T) {
	t.Parallel()
	script, err := exec.LookPath("script") // util-linux: runs a command on a pseudo-terminal
	testutil.Require(t, err == nil, "there is no script command to make a pseudo-terminal with")
	program := build(t, t.TempDir())
	cmd := exec.CommandContext(t.Context(), script, "-qec", program+" version", "/dev/null")
	cmd.Env = append(cmd.Environ(), "TERM=xterm-256color", "CI=")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if strings.Contains(string(out), "\x1b]") || strings.Contains(string(out), "\x1b[6n") {
		t.Errorf("the terminal is asked: %q", out)
	}
}
