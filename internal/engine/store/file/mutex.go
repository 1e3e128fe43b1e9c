package file

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"plattr.dev/plattr/internal/engine/folder"
)

// errBusy says that another process, or another run of this one, holds the mutex.
var errBusy = errors.New("busy")

// mutex is a file that is locked by the operating system: the lock ends with the process, however that ends.
type mutex struct {
	file *os.File
}

// acquire locks the file, or returns [errBusy]. The file is deleted on release; so whoever opened it before that and
// locked it after holds a lock on nothing, and must begin anew.
func acquire(path string) (*mutex, error) {
	for {
		if err := folder.Make(filepath.Dir(path)); err != nil {
			return nil, err
		}
		f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
		if errors.Is(err, os.ErrNotExist) {
			continue // the folder was removed just now, with the last stack
		}
		if err != nil {
			return nil, err
		}
		if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
			_ = f.Close()
			if errors.Is(err, syscall.EWOULDBLOCK) {
				return nil, errBusy
			}
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		if same(f, path) {
			return &mutex{file: f}, nil
		}
		_ = f.Close()
	}
}

func same(f *os.File, path string) bool {
	mine, err := f.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(path)
	return err == nil && os.SameFile(mine, there)
}

// release deletes the file while it is locked, and unlocks it.
func (m *mutex) release() {
	_ = os.Remove(m.file.Name())
	_ = os.Remove(filepath.Dir(m.file.Name())) // goes with its last lock
	_ = m.file.Close()
}
