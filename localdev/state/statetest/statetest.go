// Package statetest gives tests a place for a state folder.
package statetest

import (
	"os"
	"path/filepath"
	"testing"
)

// Room returns a folder of the test's own that every user may enter, which those of t.TempDir are not: when root tests,
// the services run as another user.
func Room(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for p := dir; p != filepath.Clean(os.TempDir()) && p != filepath.Dir(p); p = filepath.Dir(p) {
		if err := os.Chmod(p, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// Env is an environment for a machine with its state in dir, whose services run as nobody when root tests.
func Env(dir string) func(string) string {
	return func(k string) string {
		switch k {
		case "PLATTR_STATE_DIR":
			return dir
		case "PLATTR_SERVICE_USER":
			return "nobody"
		default:
			return os.Getenv(k)
		}
	}
}
