package linked

import "sync"

// journal writes a stack's state behind the engine, so that a slow store does not slow every step: in order, one write at
// a time and, when states come faster than they can be written, only the newest. What must be on record before the
// engine goes on is waited for with [journal.wait]; [journal.close] waits for the last one.
type journal struct {
	write func(raw []byte) error

	mu      sync.Mutex
	changed *sync.Cond
	next    []byte // to be written, nil: nothing
	added   int    // states that came
	written int    // of these, those that a write covers, be it one that failed
	err     error  // of the last write; a later one makes good for it
	closed  bool
	done    chan struct{}
}

func newJournal(write func(raw []byte) error) *journal {
	j := &journal{write: write, done: make(chan struct{})}
	j.changed = sync.NewCond(&j.mu)
	go j.run()
	return j
}

func (j *journal) run() {
	defer close(j.done)
	j.mu.Lock()
	defer j.mu.Unlock()
	for {
		for j.next == nil && !j.closed {
			j.changed.Wait()
		}
		if j.next == nil {
			return
		}
		raw, covers := j.next, j.added
		j.next = nil
		j.mu.Unlock()
		err := j.write(raw)
		j.mu.Lock()
		j.written, j.err = covers, err
		j.changed.Broadcast()
	}
}

// add puts a state on the way. It returns the error of an earlier write, which this one may make good for.
func (j *journal) add(raw []byte) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.next = raw
	j.added++
	j.changed.Broadcast()
	return j.err
}

// wait returns when everything that was added before is written.
func (j *journal) wait() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	for all := j.added; j.written < all; {
		j.changed.Wait()
	}
	return j.err
}

// close writes what is on the way and returns the error of the last write. Nothing may be added after it.
func (j *journal) close() error {
	j.mu.Lock()
	j.closed = true
	j.changed.Broadcast()
	j.mu.Unlock()
	<-j.done
	return j.err
}
