package file

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"plattr.dev/plattr/internal/engine/folder"
	"plattr.dev/plattr/internal/engine/lock"
	"plattr.dev/plattr/internal/engine/store"
)

// patience is how long [Store.Lock] looks again for a lock that is being released in this moment.
const patience = 200 * time.Millisecond

// Lock takes the lock in a folder, or returns a [lock.HeldError]. On one host taking it is atomic, because an operating
// system lock on a file elsewhere is held for as long as the process lives. That file may not lie in the folder, where
// the stock CLI takes every file for a lock.
func (s *Store) Lock(ctx context.Context, dir, owner string) (*lock.Lock, error) {
	m, err := s.acquire(ctx, dir)
	if err != nil {
		return nil, err
	}
	l, err := s.take(ctx, m, dir, owner)
	if err != nil {
		m.release()
		return nil, err
	}
	return l, nil
}

func (s *Store) acquire(ctx context.Context, dir string) (*mutex, error) {
	file := s.mutexFile(dir)
	m, err := acquire(file)
	for deadline := time.Now().Add(patience); errors.Is(err, errBusy); m, err = acquire(file) {
		seen, err := store.Locks(ctx, s, dir)
		if err != nil {
			return nil, err
		}
		for _, held := range seen {
			if !held.Torn {
				return nil, &lock.HeldError{Holder: held.Record.Holder()}
			}
		}
		if time.Now().After(deadline) {
			return nil, &lock.HeldError{}
		}
		time.Sleep(patience / 10)
	}
	if err != nil {
		return nil, fmt.Errorf("take lock: %w", err)
	}
	return m, nil
}

// mutexFile is the file of the operating system's lock for the locks in .pulumi/locks/organization/PROJECT/STACK.
func (s *Store) mutexFile(dir string) string {
	project, stack := path.Base(path.Dir(dir)), path.Base(dir)
	root, _, _ := strings.Cut(dir, "/locks/")
	return filepath.Join(s.Path(root), "plattr", project, stack+".lock")
}

// take writes the lock file. The mutex is held: no other process of this host does the same now; the stock CLI and
// other hosts do not know the mutex, so the folder is looked at before and after.
func (s *Store) take(ctx context.Context, m *mutex, dir, owner string) (*lock.Lock, error) {
	if err := s.clean(ctx, dir, ""); err != nil {
		return nil, err
	}
	mine := lock.Self(owner)
	key := dir + "/" + mine.ID + ".json"
	if err := writeLock(s.Path(key), mine); err != nil {
		return nil, fmt.Errorf("take lock: %w", err)
	}
	if err := s.clean(ctx, dir, key); err != nil {
		_ = os.Remove(s.Path(key))
		return nil, err
	}
	g := &grip{store: s, dir: dir, key: key, mutex: m, beaten: mine.Heartbeat}
	return lock.Hold(key, mine, mine.Heartbeat, g), nil
}

// clean removes what dead processes left in dir and returns a [lock.HeldError] for the first live lock other than except.
func (s *Store) clean(ctx context.Context, dir, except string) error {
	seen, err := store.Locks(ctx, s, dir)
	if err != nil {
		return fmt.Errorf("list locks: %w", err)
	}
	for _, l := range seen {
		if l.Key == except {
			continue
		}
		if l.Alive {
			return &lock.HeldError{Holder: l.Record.Holder()}
		}
		if err := remove(s.Path(l.Key)); err != nil {
			return fmt.Errorf("remove stale lock: %w", err)
		}
	}
	return nil
}

// grip is a held lock file.
type grip struct {
	store    *Store
	dir, key string
	mutex    *mutex
	beaten   time.Time
}

func (g *grip) Watch(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// Renew writes the heartbeat. After a pause of a minute, on a machine that slept, another host may have taken over.
func (g *grip) Renew(ctx context.Context, r lock.Record) error {
	if r.Heartbeat.Round(0).Sub(g.beaten.Round(0)) >= lock.StaleAge {
		seen, err := store.Locks(ctx, g.store, g.dir)
		if err != nil {
			return err
		}
		for _, l := range seen {
			if l.Key != g.key && l.Alive {
				return fmt.Errorf("%w: %s", lock.ErrLost, (&lock.HeldError{Holder: l.Record.Holder()}).Error())
			}
		}
	}
	if err := writeLock(g.store.Path(g.key), r); err != nil {
		return err
	}
	g.beaten = r.Heartbeat
	return nil
}

// Expires is false: on this host nobody can take the lock before the process ends, and whether another host did is seen
// by [grip.Renew].
func (g *grip) Expires() bool { return false }

// Release removes the lock; one that is absent was removed by `pulumi cancel`.
func (g *grip) Release(context.Context) error {
	err := remove(g.store.Path(g.key))
	removeEmpty(g.store.Path(g.dir))
	g.mutex.release()
	return err
}

// removeEmpty removes the folder of a stack's locks and the project's, when no other lock is in them.
func removeEmpty(dir string) {
	if os.Remove(dir) == nil {
		_ = os.Remove(filepath.Dir(dir))
	}
}

func writeLock(file string, r lock.Record) error {
	raw, err := r.Encode()
	if err != nil {
		return err
	}
	tmp := file + ".tmp" // not *.json: nobody reads it
	for {
		err := os.WriteFile(tmp, raw, 0o600)
		if err == nil {
			return os.Rename(tmp, file)
		}
		if !errors.Is(err, os.ErrNotExist) {
			return err
		}
		// The folder is absent, or was removed just now by the release of another lock.
		if err := folder.Make(filepath.Dir(file)); err != nil {
			return err
		}
	}
}
