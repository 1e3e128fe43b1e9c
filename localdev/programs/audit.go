package programs

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"plattr.dev/plattr/localdev/lockfile"
)

// Left is something in the cache that no run uses any more.
type Left struct {
	Path, Reason string

	lock string
}

// Remove deletes it, unless a run uses it in this moment.
func (l Left) Remove() error {
	release, err := lockfile.Try(l.lock)
	if errors.Is(err, lockfile.ErrHeld) {
		return fmt.Errorf("remove %s: a run of plattr uses it", l.Path)
	}
	if err != nil {
		return err
	}
	defer release()
	return os.RemoveAll(l.Path)
}

// Audit looks through the cache for what killed downloads left and for trees that are not whole. The error says that the
// cache is not safe, or cannot be read.
func Audit(getenv func(string) string) ([]Left, error) {
	dir, err := CacheDir(getenv)
	if err != nil {
		return nil, err
	}
	for _, d := range []string{dir, filepath.Join(dir, "programs")} {
		if err := onlyMine(d); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	entries, err := os.ReadDir(filepath.Join(dir, "programs"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("look through the cache: %w", err)
	}
	var left []Left
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		path := filepath.Join(dir, "programs", e.Name())
		name, incoming := strings.CutSuffix(path, ".new")
		l := Left{Path: path, lock: name + ".lock"}
		switch {
		case incoming:
			l.Reason = "is what a download left that did not end; the next one goes on with it"
		case !whole(path):
			l.Reason = "is not what was unpacked there; the next run makes it anew"
		default:
			continue
		}
		if free(l.lock) {
			left = append(left, l)
		}
	}
	return left, nil
}

// whole tells whether a tree is as its manifest says.
func whole(tree string) bool {
	raw, err := os.ReadFile(filepath.Join(tree, manifestName))
	var m manifest
	return err == nil && json.Unmarshal(raw, &m) == nil && m.verify(tree) == nil
}

func free(lock string) bool {
	release, err := lockfile.Try(lock)
	if err != nil {
		return false
	}
	release()
	return true
}
