package supervisor

import (
	"context"
	"errors"
	"fmt"
	"log"
	"sync"
	"time"

	"plattr.dev/plattr/localdev/process"
	"plattr.dev/plattr/localdev/services"
)

// Times of a unit.
const (
	readyTimeout = 150 * time.Second // recovery after a crash takes its time, and so do the tables of a first start
	probeTimeout = 2 * time.Second
	watchEvery   = 5 * time.Second
	settleTime   = 10 * time.Millisecond
	firstBackoff = 100 * time.Millisecond
	maxBackoff   = 15 * time.Second
	steady       = 10 * time.Second // a service that was ready for so long begins with the first back-off again
	maxAttempts  = 5                // of a service that never became ready
)

// State is what a service is doing.
type State string

// The states of a service.
const (
	Starting   State = "starting"
	Ready      State = "ready"
	Restarting State = "restarting" // it ended and is started again after a pause
	Failed     State = "failed"     // it ended again and again before it was ready; the next ensure tries anew
	Stopping   State = "stopping"
	Stopped    State = "stopped"
)

// unit is one service with its process. Its goroutine, run, is the only one that starts and stops the process.
type unit struct {
	sup   *Supervisor
	spec  services.Spec
	def   services.Definition
	place services.Place
	adopt *process.ID // a process of an earlier supervisor

	ctx  context.Context
	end  context.CancelCauseFunc
	done chan struct{}
	kick chan struct{}

	mu       sync.Mutex
	state    State
	failure  error
	id       process.ID
	since    time.Time // of the state
	restarts int
	changed  chan struct{} // closed at the next change
}

func (s *Supervisor) newUnit(spec services.Spec) *unit {
	ctx, end := context.WithCancelCause(context.Background())
	return &unit{
		sup: s, spec: spec, def: s.table[spec.Kind], ctx: ctx, end: end,
		place: services.Place{State: s.state, Dir: s.state.Join("services", spec.Name)},
		done:  make(chan struct{}), kick: make(chan struct{}, 1), changed: make(chan struct{}),
		state: Starting, since: time.Now(),
	}
}

func (u *unit) set(state State, failure error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if state == u.state && failure == nil && u.failure == nil {
		return
	}
	if failure != nil {
		log.Printf("%s is %s: %v", u.spec.Name, state, failure)
	} else {
		log.Printf("%s is %s", u.spec.Name, state)
	}
	u.state, u.failure, u.since = state, failure, time.Now()
	close(u.changed)
	u.changed = make(chan struct{})
}

// view is a unit at one moment.
type view struct {
	state   State
	failure error           // why it is so
	changed <-chan struct{} // closed at the next change
}

func (u *unit) look() view {
	u.mu.Lock()
	defer u.mu.Unlock()
	return view{u.state, u.failure, u.changed}
}

func (u *unit) ended() bool {
	select {
	case <-u.done:
		return true
	default:
		return u.ctx.Err() != nil
	}
}

// retry wakes a unit that waits, and lets one that has failed begin anew.
func (u *unit) retry() {
	if u.look().state == Failed {
		u.set(Starting, nil)
	}
	select {
	case u.kick <- struct{}{}:
	default:
	}
}

// run keeps the service alive until the unit ends.
func (u *unit) run() {
	defer close(u.done)
	failures, wasReady := 0, false
	for u.ctx.Err() == nil {
		u.drainKick()
		readyFor, err := u.once()
		if u.ctx.Err() != nil {
			break
		}
		wasReady = wasReady || readyFor > 0
		if readyFor > steady {
			failures = 0
		}
		failures++
		if !wasReady && (failures >= maxAttempts || isFinal(err)) {
			u.drainKick() // who asked for it meanwhile has its answer
			u.set(Failed, err)
			failures = 0
			u.wait(nil)
		} else {
			u.set(Restarting, err)
			u.wait(time.After(backoff(failures)))
		}
		u.mu.Lock()
		u.restarts++
		u.mu.Unlock()
		u.set(Starting, nil)
	}
	u.set(Stopped, nil)
}

func (u *unit) drainKick() {
	select {
	case <-u.kick:
	default:
	}
}

// wait sleeps until the pause is over (nil: for ever), the unit is asked for, or ends.
func (u *unit) wait(pause <-chan time.Time) {
	select {
	case <-pause:
	case <-u.kick:
	case <-u.ctx.Done():
	}
}

func backoff(failures int) time.Duration {
	d := firstBackoff << min(failures-1, 10)
	return min(d, maxBackoff)
}

// once runs the process until it ends, or the unit does. It tells for how long the service was ready.
func (u *unit) once() (readyFor time.Duration, err error) {
	p, err := u.begin()
	if err != nil {
		return 0, err
	}
	u.mu.Lock()
	u.id = p.id
	u.mu.Unlock()
	if err := u.untilReady(p); err != nil {
		if port := u.spec.Ports[u.def.Main]; !p.id.Alive() && process.Foreign(p.id.PID, port) {
			err = &portError{u.def.Title, port, err}
		}
		if u.ctx.Err() == nil || errors.Is(context.Cause(u.ctx), errStop) {
			u.stop(p)
		}
		return 0, err
	}
	u.set(Ready, nil)
	ready := time.Now()
	unwatch := u.watch(p)
	defer unwatch()
	select {
	case <-p.exited:
		return time.Since(ready), p.failure(u)
	case <-u.ctx.Done():
		if errors.Is(context.Cause(u.ctx), errStop) {
			u.set(Stopping, nil)
			u.stop(p)
		}
		return time.Since(ready), nil
	}
}

// watch lets the service follow what changes outside of it, until the returned function is called.
func (u *unit) watch(p *proc) (stop func()) {
	if u.def.Watch == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(u.ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		last := ""
		for {
			said := ""
			if err := u.watchOnce(ctx, p); err != nil && ctx.Err() == nil {
				said = err.Error()
			}
			if said != last && said != "" {
				log.Printf("watch %s: %s", u.spec.Name, said)
			}
			last = said
			select {
			case <-ctx.Done():
				return
			case <-time.After(watchEvery):
			}
		}
	}()
	return func() { cancel(); <-done }
}

func (u *unit) watchOnce(ctx context.Context, p *proc) error {
	ctx, cancel := context.WithTimeout(ctx, watchEvery)
	defer cancel()
	return u.def.Watch(ctx, u.place, u.spec, p.id)
}

// prepareError says that there was nothing to start. It does not go away by itself, as a port may that is still taken.
type prepareError struct {
	title string
	err   error
}

func (e *prepareError) Error() string { return fmt.Sprintf("prepare %s: %v", e.title, e.err) }
func (e *prepareError) Unwrap() error { return e.err }

// portError says that another process listens where the service should. It does not go away by itself either: the service
// must be given another port.
type portError struct {
	title string
	port  int
	err   error // how the service ended
}

func (e *portError) Error() string {
	return fmt.Sprintf("%s cannot listen on port %d: another process does", e.title, e.port)
}

func (e *portError) Unwrap() error { return e.err }

// isFinal tells the errors that another attempt does not mend.
func isFinal(err error) bool {
	var unprepared *prepareError
	var taken *portError
	return errors.As(err, &unprepared) || errors.As(err, &taken)
}

// begin adopts the process of an earlier supervisor, or starts one.
func (u *unit) begin() (*proc, error) {
	if u.adopt != nil {
		p := adopted(*u.adopt)
		u.adopt = nil
		return p, nil
	}
	cmd, err := u.def.Prepare(u.ctx, u.place, u.spec)
	if err != nil {
		return nil, &prepareError{u.def.Title, err}
	}
	return u.start(cmd)
}

// untilReady waits until the service does its work.
func (u *unit) untilReady(p *proc) error {
	begun := time.Now()
	deadline := begun.Add(readyTimeout)
	settled := u.def.Settle == nil
	pause := 5 * time.Millisecond
	for {
		var err error
		if !settled {
			err = u.settle()
			settled = err == nil
		}
		if settled {
			err = u.probe(u.ctx)
		}
		if port := u.spec.Ports[u.def.Main]; err == nil && port != 0 && !process.Listens(p.id.PID, port) {
			err = fmt.Errorf("another process listens on port %d", port) // this one ends when it gets there
		}
		if err == nil {
			return u.survives(p)
		}
		select {
		case <-p.exited:
			return p.failure(u)
		case <-u.ctx.Done():
			return context.Cause(u.ctx)
		case <-time.After(pause):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s was not ready after %s: %w", u.def.Title, readyTimeout, err)
		}
		pause = nextPause(pause, time.Since(begun))
	}
}

// nextPause between two looks at a service that starts: most are ready within half a second, and people wait for them.
func nextPause(last, since time.Duration) time.Duration {
	longest := 200 * time.Millisecond
	if since < time.Second {
		longest = 15 * time.Millisecond
	}
	return min(last*3/2, longest)
}

// survives makes sure that the answer was not another process's, which took the port a moment before this one.
func (u *unit) survives(p *proc) error {
	select {
	case <-p.exited:
		return p.failure(u)
	case <-time.After(settleTime):
		return nil
	}
}

func (u *unit) settle() error {
	ctx, cancel := context.WithTimeout(u.ctx, probeTimeout)
	defer cancel()
	return u.def.Settle(ctx, u.place, u.spec)
}

// probe uses the service once.
func (u *unit) probe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	return u.def.Ready(ctx, u.place, u.spec)
}

// await returns when the service does its work, has failed, or ctx ends.
func (u *unit) await(ctx context.Context) (ServiceStatus, error) {
	for {
		now := u.look()
		failure := now.failure
		var again <-chan time.Time
		switch now.state {
		case Ready:
			err := u.probe(ctx)
			if err == nil {
				return u.status(), nil
			}
			failure = fmt.Errorf("%s does not answer: %w", u.def.Title, err)
			again = time.After(50 * time.Millisecond)
		case Failed:
			return u.status(), failure
		case Stopping, Stopped:
			return u.status(), fmt.Errorf("%s was stopped in the meantime", u.def.Title)
		}
		select {
		case <-now.changed:
		case <-again:
		case <-ctx.Done():
			if failure == nil {
				failure = fmt.Errorf("%s is still %s", u.def.Title, now.state)
			}
			return u.status(), failure
		}
	}
}
