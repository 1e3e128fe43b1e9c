package folder_test

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"plattr.dev/plattr/internal/engine/folder"
)

// TestMakeWhileParentsGo makes folders while another goroutine removes the parents whenever they are empty.
func TestMakeWhileParentsGo(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	parent := filepath.Join(root, "a", "b")
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				_ = os.Remove(parent)
				_ = os.Remove(filepath.Dir(parent))
			}
		}
	})
	for range 2000 {
		child := filepath.Join(parent, "c")
		if err := folder.Make(child); err != nil {
			t.Fatal(err)
		}
		_ = os.Remove(child)
	}
	close(done)
	wg.Wait()
}

func TestMakeRefuses(t *testing.T) {
	t.Parallel()
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink("nowhere", link); err != nil {
		t.Fatal(err)
	}
	if err := folder.Make(filepath.Join(link, "a")); err == nil {
		t.Error("a folder below a link to nowhere was made")
	}
}
