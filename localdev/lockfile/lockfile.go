// Package lockfile takes advisory locks on files (flock), which the kernel frees when the holder dies.
package lockfile

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// poll is how often a waiting Lock asks again; flock itself cannot be cancelled.
const poll = 25 * time.Millisecond

// ErrHeld says that another process holds the lock.
var ErrHeld = errors.New("held by another process")

// Lock waits for the exclusive lock on path, which is created with mode 0600 if it is missing and stays where it is
// afterwards, and returns the function that frees it. It ends early when ctx does.
func Lock(ctx context.Context, path string) (release func(), err error) {
	for {
		release, err = Try(path)
		if !errors.Is(err, ErrHeld) {
			return release, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for the lock %s: %w", path, ctx.Err())
		case <-time.After(poll):
		}
	}
}

// Try takes the exclusive lock on path or returns ErrHeld at once.
func Try(path string) (release func(), err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == nil {
		return func() { _ = f.Close() }, nil // closing the last descriptor frees the lock
	}
	_ = f.Close()
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, ErrHeld
	}
	return nil, fmt.Errorf("lock %s: %w", path, err)
}
