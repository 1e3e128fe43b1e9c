// Package lock makes one run at a time work on a stack, between processes and hosts, together with the stock CLI.
//
// A lock is a JSON file in the folder where the stock CLI looks for one. It holds Pulumi's fields, so that the CLI can
// say who holds it, and ours: owner, node, process start and heartbeat. On one host taking a lock is atomic, because an
// operating system lock on a file beside it is held for as long as the process lives; so a lock whose process is gone
// is free at once. The lock of another host is gone when its heartbeat is older than a minute.
package lock

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"plattr.dev/plattr/internal/engine/folder"
)

const (
	// staleAge is the age at which the heartbeat of another host's lock means that its process is gone.
	staleAge = 60 * time.Second
	// beat is how often a held lock's heartbeat is renewed.
	beat = 15 * time.Second
	// patience is how long [Take] looks again for a lock that is being released in this moment.
	patience = 200 * time.Millisecond
)

// Holder says who holds a lock.
type Holder struct {
	Owner string
	Host  string
	PID   int
	Since time.Time
}

// HeldError is returned when somebody else holds the lock.
type HeldError struct{ Holder Holder }

func (e *HeldError) Error() string {
	h := e.Holder
	if h.PID == 0 {
		return "locked by another process of this host"
	}
	return fmt.Sprintf("locked by %s (%s, PID %d) since %s", h.Owner, h.Host, h.PID, h.Since.Format(time.RFC3339))
}

// content is a lock file. The first four fields are Pulumi's.
type content struct {
	PID       int       `json:"pid"`
	Username  string    `json:"username"`
	Hostname  string    `json:"hostname"`
	Timestamp time.Time `json:"timestamp"`

	Owner     string    `json:"owner,omitempty"`
	Node      string    `json:"node,omitempty"`
	Start     string    `json:"start,omitempty"`
	Heartbeat time.Time `json:"heartbeat,omitzero"`
}

func (c content) holder() Holder {
	owner := c.Owner
	if owner == "" {
		owner = "pulumi (" + c.Username + ")"
	}
	return Holder{Owner: owner, Host: c.Hostname, PID: c.PID, Since: c.Timestamp}
}

// Lock is a held lock.
type Lock struct {
	file  string
	mutex *mutex
	stop  context.CancelFunc
	done  chan struct{}
}

// Take takes the lock in dir, or returns a [HeldError]. Mutex is the file for the operating system's lock; it may not
// lie in dir, where the stock CLI takes every file for a lock. Owner is shown to whoever finds the lock held.
func Take(dir, mutex, owner string) (*Lock, error) {
	m, err := acquire(mutex)
	for deadline := time.Now().Add(patience); errors.Is(err, errBusy); m, err = acquire(mutex) {
		if c, ok := first(dir); ok {
			return nil, &HeldError{Holder: c.holder()}
		}
		if time.Now().After(deadline) {
			return nil, &HeldError{}
		}
		time.Sleep(patience / 10)
	}
	if err != nil {
		return nil, fmt.Errorf("take lock: %w", err)
	}
	l, err := m.take(dir, owner)
	if err != nil {
		m.release()
		return nil, err
	}
	return l, nil
}

// take writes the lock file. The mutex is held: no other process of this host does the same now; the stock CLI and
// other hosts do not know the mutex, so the folder is looked at before and after.
func (m *mutex) take(dir, owner string) (*Lock, error) {
	if err := clean(dir, ""); err != nil {
		return nil, err
	}
	mine := self(owner)
	file := filepath.Join(dir, rand.Text()+".json")
	if err := mine.write(file); err != nil {
		return nil, fmt.Errorf("take lock: %w", err)
	}
	if err := clean(dir, file); err != nil {
		_ = os.Remove(file)
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	l := &Lock{file: file, mutex: m, stop: stop, done: make(chan struct{})}
	go l.keepAlive(ctx, mine)
	return l, nil
}

// Check removes the locks of dead processes and returns a [HeldError] when a live one is left.
func Check(dir string) error { return clean(dir, "") }

// Stale tells whether dir holds a lock of a process that is gone, and none of one that lives.
func Stale(dir string) (bool, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return false, fmt.Errorf("list locks: %w", err)
	}
	for _, f := range files {
		if c, err := read(f); err == nil && c.alive(time.Now()) {
			return false, nil
		}
	}
	return len(files) > 0, nil
}

// Break removes every lock in dir, also of the living: `pulumi cancel`. A run of this host keeps the others of this host
// out all the same, until it ends.
func Break(dir string) error {
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return fmt.Errorf("list locks: %w", err)
	}
	for _, f := range files {
		if err := os.Remove(f); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove lock: %w", err)
		}
	}
	return nil
}

// keepAlive renews the heartbeat. A write that fails is tried again at the next beat: three may fail before another
// host takes the lock over.
func (l *Lock) keepAlive(ctx context.Context, mine content) {
	defer close(l.done)
	tick := time.NewTicker(beat)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			mine.Heartbeat = now.UTC()
			_ = mine.write(l.file)
		}
	}
}

// Release gives the lock back. It may be called once.
func (l *Lock) Release() error {
	l.stop()
	<-l.done
	err := os.Remove(l.file)
	removeEmpty(filepath.Dir(l.file))
	l.mutex.release()
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // absent: `pulumi cancel` was here
		return fmt.Errorf("release lock: %w", err)
	}
	return nil
}

// removeEmpty removes the folder of a stack's locks and the project's, when no other lock is in them.
func removeEmpty(dir string) {
	if os.Remove(dir) == nil {
		_ = os.Remove(filepath.Dir(dir))
	}
}

// clean removes what dead processes left in dir and returns a [HeldError] for the first live lock other than except.
func clean(dir, except string) error {
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return fmt.Errorf("list locks: %w", err)
	}
	for _, f := range files {
		if f == except {
			continue
		}
		c, err := read(f)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		// A lock that cannot be parsed has no holder: both we and the stock CLI write locks in one piece.
		if err == nil && c.alive(time.Now()) {
			return &HeldError{Holder: c.holder()}
		}
		if err := os.Remove(f); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove stale lock: %w", err)
		}
	}
	return nil
}

// first returns any lock in dir.
func first(dir string) (content, bool) {
	files, _ := filepath.Glob(filepath.Join(dir, "*.json"))
	for _, f := range files {
		if c, err := read(f); err == nil {
			return c, true
		}
	}
	return content{}, false
}

func read(file string) (content, error) {
	var c content
	raw, err := os.ReadFile(file)
	if err != nil {
		return c, err
	}
	if err := json.Unmarshal(raw, &c); err != nil {
		return c, fmt.Errorf("read lock %s: %w", file, err)
	}
	if c.PID <= 0 || c.Hostname == "" {
		return c, errors.New("lock without a holder")
	}
	return c, nil
}

func (c content) write(file string) error {
	raw, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("encode lock: %w", err)
	}
	tmp := file + ".tmp" // not *.json: nobody reads it
	for {
		err := os.WriteFile(tmp, raw, 0o600)
		if err == nil {
			return os.Rename(tmp, file)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		// The folder is absent, or was removed just now by the release of another lock.
		if err := folder.Make(filepath.Dir(file)); err != nil {
			return err
		}
	}
}
