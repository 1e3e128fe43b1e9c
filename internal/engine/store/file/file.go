// Package file is the store of stacks in a directory, as Pulumi's own file backend has it. Files are replaced, never
// changed in place, and can be read by their owner only.
package file

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"plattr.dev/plattr/internal/engine/lock"
	"plattr.dev/plattr/internal/engine/store"
)

// Store is a directory. It is safe for concurrent use, also by other processes.
type Store struct {
	root string
}

// Open opens the directory of a file:// URL. It is made, mode 0700, with the first object.
func Open(u *url.URL) (*Store, error) {
	if (u.Host != "" && u.Host != "localhost") || !filepath.IsAbs(u.Path) {
		return nil, fmt.Errorf("state URL %s: want file:// and an absolute path", u.Redacted())
	}
	return &Store{root: filepath.Clean(u.Path)}, nil
}

// Root returns the directory's path.
func (s *Store) Root() string { return s.root }

// URL returns the directory as a file:// URL.
func (s *Store) URL() string { return (&url.URL{Scheme: "file", Path: s.root}).String() }

// Path returns the file of a key.
func (s *Store) Path(key string) string { return filepath.Join(s.root, filepath.FromSlash(key)) }

// Read returns the content of a file.
func (s *Store) Read(_ context.Context, key string) ([]byte, error) {
	raw, err := os.ReadFile(s.Path(key))
	return raw, absent(err)
}

// Stat describes a file. A file that is replaced is another one, in whatever order clocks and sizes are.
func (s *Store) Stat(_ context.Context, key string) (store.Object, error) {
	info, err := os.Stat(s.Path(key))
	if err != nil {
		return store.Object{}, absent(err)
	}
	version := fmt.Sprintf("%d %d %d", inode(info), info.Size(), info.ModTime().UnixNano())
	return store.Object{Version: version, Modified: info.ModTime(), Age: store.NoClock}, nil
}

func absent(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %w", store.ErrAbsent, err)
	}
	return err
}

// List returns the files whose key begins with prefix.
func (s *Store) List(_ context.Context, prefix string) ([]string, error) {
	dir := filepath.Dir(s.Path(prefix + "x"))
	var keys []string
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // nothing there, or removed just now
		}
		if err != nil || e.IsDir() {
			return err
		}
		rel, err := filepath.Rel(s.root, path)
		if key := filepath.ToSlash(rel); err == nil && strings.HasPrefix(key, prefix) {
			keys = append(keys, key)
		}
		return err
	})
	return keys, err
}

// Apply makes the changes in their order. The lock is not asked: on this host the operating system holds it, until the
// process ends.
func (s *Store) Apply(_ context.Context, _ *lock.Lock, changes ...store.Change) error {
	emptied := map[string]bool{}
	for _, c := range changes {
		path := s.Path(c.Key)
		var err error
		switch {
		case c.Delete:
			emptied[filepath.Dir(path)] = true
			err = remove(path)
		case c.From != "":
			if err = keep(s.Path(c.From), path); errors.Is(err, fs.ErrNotExist) {
				err = nil
			}
		default:
			err = write(path, c.Data)
		}
		if err != nil {
			return err
		}
	}
	for dir := range emptied {
		s.prune(dir)
	}
	return nil
}

// prune removes a folder and its parents, as long as they are empty; what others put there in the meantime keeps them.
func (s *Store) prune(dir string) {
	for strings.HasPrefix(filepath.Dir(dir), s.root+string(filepath.Separator)) && os.Remove(dir) == nil {
		dir = filepath.Dir(dir)
	}
}

// Sync brings a file to the disk.
func (s *Store) Sync(key string) error {
	f, err := os.Open(s.Path(key))
	if err != nil {
		return absent(err)
	}
	return errors.Join(f.Sync(), f.Close())
}

// Sweep deletes what writes of killed processes left beside a file. The caller holds the stack's lock.
func (s *Store) Sweep(key string) error {
	path := s.Path(key)
	prefix := tempPrefix(path)
	files, err := filepath.Glob(filepath.Join(filepath.Dir(path), prefix+"*"))
	if err != nil {
		return err
	}
	for _, f := range files {
		// Digits alone follow: else it is the temporary file of a stack whose name begins like ours.
		if strings.Trim(strings.TrimPrefix(filepath.Base(f), prefix), "0123456789") != "" {
			continue
		}
		if err := remove(f); err != nil {
			return err
		}
	}
	return nil
}
