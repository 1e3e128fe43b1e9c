package testutil

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// Tool returns the path of a program that tests run against, built from internal/tools/NAME: a module of its own whose
// go.mod names one tool. It is built once and kept in the user's cache directory under the hash of the module's go.sum.
// A machine that cannot build it skips the test; see [Require].
func Tool(t testing.TB, name string) string {
	t.Helper()
	path, err := buildTool(t.Context(), name)
	Require(t, err == nil, fmt.Sprintf("tool %s cannot be built: %v", name, err))
	return path
}

// toolLine is the line of go.mod that names the tool's package.
var toolLine = regexp.MustCompile(`(?m)^tool\s+(\S+)\s*$`)

func buildTool(ctx context.Context, name string) (string, error) {
	_, file, _, _ := runtime.Caller(0)
	module := filepath.Join(filepath.Dir(file), "..", "tools", name)
	gomod, err := os.ReadFile(filepath.Join(module, "go.mod"))
	if err != nil {
		return "", err
	}
	pkg := toolLine.FindSubmatch(gomod)
	if pkg == nil {
		return "", fmt.Errorf("%s/go.mod has no tool line", module)
	}
	sum, err := os.ReadFile(filepath.Join(module, "go.sum"))
	if err != nil {
		return "", err
	}
	cache, err := cacheDir()
	if err != nil {
		return "", err
	}
	hash := sha256.Sum256(sum)
	// In a folder bin, because that is where auto.PulumiCommandOptions.Root wants it.
	path := filepath.Join(cache, "plattr", "tools", name+"-"+hex.EncodeToString(hash[:8]), "bin", name)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	return path, build(ctx, module, string(pkg[1]), path)
}

// build builds a package to path. Of several test binaries that need it at once, one builds and the others wait.
func build(ctx context.Context, module, pkg, path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	lock, err := os.Create(path + ".lock")
	if err != nil {
		return err
	}
	defer func() { _ = lock.Close() }()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return err
	}
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-o", path+".tmp", pkg)
	cmd.Dir, cmd.Env = module, append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build %s: %w: %s", pkg, err, out)
	}
	return os.Rename(path+".tmp", path)
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
