// Package lock makes one run at a time work on a stack, between processes and hosts, together with the stock CLI.
//
// A lock is a JSON record in the folder where the stock CLI looks for one. It holds Pulumi's fields, so that the CLI can
// say who holds it, and ours: owner, node, process start and heartbeat. How taking one is made atomic is the store's
// affair; what is here is the same in all: who is alive, the heartbeat, and the end of a lock that was lost. A lock whose
// process is gone is free at once on its own host; on another host when its heartbeat is a minute old.
package lock

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	// StaleAge is the age at which the heartbeat of another host's lock means that its process is gone.
	StaleAge = 60 * time.Second
	// Beat is how often a held lock's heartbeat is renewed.
	Beat = 15 * time.Second
	// patience is how long a heartbeat may fail before the holder has to stop: what it is writing at that moment
	// must have ended before another takes the lock over.
	patience = 45 * time.Second
	// farewell bounds the giving back of a lock; the next who comes takes over what was not given back.
	farewell = 10 * time.Second
)

// ErrLost is returned to whoever held a lock that is somebody else's by now, or may be.
var ErrLost = errors.New("the lock on the stack was lost")

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
		return "locked by another process"
	}
	return fmt.Sprintf("locked by %s (%s, PID %d) since %s", h.Owner, h.Host, h.PID, h.Since.Format(time.RFC3339))
}

// Grip is how a store holds a lock. Its methods are called one at a time.
type Grip interface {
	// Watch returns when ctx ends, or before with [ErrLost].
	Watch(ctx context.Context) error
	// Renew writes the heartbeat. It returns [ErrLost] when the lock is somebody else's.
	Renew(ctx context.Context, r Record) error
	// Release gives the lock back, unless it is somebody else's.
	Release(ctx context.Context) error
	// Expires says that the lock is free for others when no heartbeat was written for a minute.
	Expires() bool
}

// Lock is a held lock.
type Lock struct {
	// Key is where the record lies.
	Key string

	grip Grip
	stop context.CancelFunc
	done chan struct{}
	lost chan struct{}

	mu     sync.Mutex
	err    error
	beaten time.Time
}

// Hold keeps a lock that was taken before now alive until [Lock.Release].
func Hold(key string, r Record, taken time.Time, g Grip) *Lock {
	ctx, stop := context.WithCancel(context.Background())
	l := &Lock{Key: key, grip: g, stop: stop, done: make(chan struct{}), lost: make(chan struct{}), beaten: taken}
	go l.keepAlive(ctx, r)
	return l
}

// Lost is closed when the lock is lost: who works under it has to stop.
func (l *Lock) Lost() <-chan struct{} { return l.lost }

// Err returns nil as long as the lock is held, else why it is not, which is an [ErrLost].
func (l *Lock) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil && l.overdue() {
		l.err = fmt.Errorf("%w: its heartbeat could not be renewed for %s", ErrLost, patience)
		close(l.lost)
	}
	return l.err
}

// overdue looks at both clocks: the monotonic one stands still while the machine sleeps, the other can be set.
func (l *Lock) overdue() bool {
	return l.grip.Expires() && max(time.Since(l.beaten), time.Now().Round(0).Sub(l.beaten.Round(0))) > patience
}

// Guard returns a context that ends when the lock is lost, for one write.
func (l *Lock) Guard(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := make(chan struct{})
	go func() {
		select {
		case <-l.lost:
			cancel(l.Err())
		case <-stop:
		}
	}()
	return ctx, sync.OnceFunc(func() { close(stop); cancel(nil) })
}

func (l *Lock) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		l.err = err
		close(l.lost)
	}
}

// keepAlive renews the heartbeat. What fails is tried again soon, until it is too late.
func (l *Lock) keepAlive(ctx context.Context, r Record) {
	defer close(l.done)
	pause := Beat
	for {
		watch, cancel := context.WithTimeout(ctx, pause)
		err := l.grip.Watch(watch)
		cancel()
		if ctx.Err() != nil {
			return
		}
		now := time.Now()
		if err == nil && l.Err() == nil {
			err = l.renew(ctx, r, now)
		}
		if ctx.Err() != nil {
			return
		}
		if errors.Is(err, ErrLost) {
			l.fail(err)
		}
		if l.Err() != nil {
			return
		}
		pause = Beat
		if err != nil {
			pause = Beat / 5
		}
	}
}

func (l *Lock) renew(ctx context.Context, r Record, now time.Time) error {
	r.Heartbeat = now.UTC()
	if err := l.grip.Renew(ctx, r); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.beaten = now
	return nil
}

// Release gives the lock back. It may be called once.
func (l *Lock) Release() error {
	l.stop()
	<-l.done
	ctx, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	if err := l.grip.Release(ctx); err != nil {
		return fmt.Errorf("release lock: %w", err)
	}
	return nil
}
