package file

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"plattr.dev/plattr/internal/engine/folder"
)

// write replaces a file: a reader sees the old content or the new, also after a kill at any moment. After a loss of
// power it may be torn, unless [Store.Sync] was called.
func write(path string, data []byte) (err error) {
	tmp, err := createTemp(path)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(tmp.Name())
		}
	}()
	_, err = tmp.Write(data)
	if err := errors.Join(err, tmp.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return os.Rename(tmp.Name(), path)
}

// createTemp makes the temporary file beside path (mode 0600), and the folders to it when they are absent.
func createTemp(path string) (*os.File, error) {
	dir, pattern := filepath.Dir(path), tempPrefix(path)+"*"
	for {
		tmp, err := os.CreateTemp(dir, pattern)
		if !errors.Is(err, fs.ErrNotExist) {
			return tmp, err
		}
		// Absent, or removed just now together with another stack that was the project's last.
		if err := folder.Make(dir); err != nil {
			return nil, err
		}
	}
}

func tempPrefix(path string) string { return "." + filepath.Base(path) + ".tmp" }

// keep gives the content of a file a second name. No copy is needed, because files are replaced, never changed.
func keep(file, name string) error {
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := folder.Make(filepath.Dir(name)); err != nil {
		return err
	}
	if err := os.Link(file, name); err == nil {
		return nil
	}
	data, err := os.ReadFile(file) // a file system without hard links
	if err != nil {
		return err
	}
	return write(name, data)
}

// remove deletes a file, if it is there.
func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
