package testutil

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"plattr.dev/plattr/localdev/lockfile"
)

// Tool returns the path of a program that tests run against, built by internal/tools/build.sh from internal/tools/NAME: a
// module of its own whose go.mod names one tool. It is built once and kept in the user's cache directory. A machine that
// cannot build it skips the test; see [Require].
func Tool(t testing.TB, name string) string {
	t.Helper()
	OnWorkTree(t)
	path, err := buildTool(context.WithoutCancel(t.Context()), name) // clean-ups need tools, too
	Require(t, err == nil, fmt.Sprintf("tool %s cannot be built: %v", name, err))
	return path
}

// buildTool builds a tool. Of several test binaries that need it at once, one builds and the others wait.
func buildTool(ctx context.Context, name string) (string, error) {
	dir, err := toolsDir()
	if err != nil {
		return "", err
	}
	release, err := lockfile.Lock(ctx, filepath.Join(dir, name+".lock"))
	if err != nil {
		return "", err
	}
	defer release()
	_, file, _, _ := runtime.Caller(0)
	cmd := exec.CommandContext(ctx, "sh", filepath.Join(filepath.Dir(file), "..", "tools", "build.sh"), name)
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, complaints.String())
	}
	return strings.TrimSpace(string(out)), nil
}

func cacheDir() (string, error) {
	if dir := os.Getenv("XDG_CACHE_HOME"); filepath.IsAbs(dir) {
		return dir, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", errors.Join(errors.New("no cache directory"), err)
	}
	return filepath.Join(home, ".cache"), nil
}
