package testutil

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// OnWorkTree makes the result of a test depend on the sources of the whole work tree. `go test` repeats an old result while
// neither the test's program nor a file that it opened has changed; what a test builds or runs by another command, as plattr
// itself, images of clusters and their scripts, is invisible to it. Of a folder that is opened, it notes the names, sizes and
// times of the files.
func OnWorkTree(t testing.TB) {
	t.Helper()
	_, file, _, _ := runtime.Caller(0)
	top := filepath.Join(filepath.Dir(file), "..", "..")
	for _, path := range []string{"cmd", "components", "internal", "localdev", "operator", "stacks", "testdata"} {
		err := filepath.WalkDir(filepath.Join(top, path), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || !entry.IsDir() {
				return err
			}
			folder, err := os.Open(path) //nolint:gosec // our own work tree
			if err != nil {
				return err
			}
			return folder.Close()
		})
		if err != nil {
			t.Fatalf("look at the work tree: %v", err)
		}
	}
}
