// Package supervisor runs the local services: one small process that starts them, restarts those that end, and stops
// them in order. It can be replaced: when it is killed the services go on, and the next one recognises and adopts them.
package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"plattr.dev/plattr/localdev/lockfile"
	"plattr.dev/plattr/localdev/process"
	"plattr.dev/plattr/localdev/services"
	"plattr.dev/plattr/localdev/state"
)

// Command is plattr's hidden command that runs Main.
const Command = "supervise"

// Protocol is the version of what is said over the socket. A client of another version replaces the supervisor, which
// leaves the services running.
const Protocol = 2

// Files in the state folder.
const (
	lockName   = "supervisor.lock"
	recordName = "supervisor.json"
	logName    = "supervisor"
	socketName = "supervisor.sock" // in the folder for sockets
)

// Reasons for the end of a unit.
var (
	errStop     = errors.New("stopped")
	errHandover = errors.New("handed over")
)

// Supervisor is the running process.
type Supervisor struct {
	state   state.Dir
	table   map[services.Kind]services.Definition
	self    *os.File // plattr's executable; nil where the system runs it by path
	started time.Time

	mu      sync.Mutex
	units   map[string]*unit
	changes map[string]*sync.Mutex // by service: ensure, remove and stop do not overtake each other
	closing bool

	quit chan error // errStop or errHandover
}

// Main runs a supervisor on the state folder args[0] until it is told to stop, by its socket or by SIGTERM. If another
// one serves the folder already it ends at once, without an error.
func Main(ctx context.Context, args []string) error {
	if len(args) != 1 {
		return errors.New("supervise: want one argument, the state folder")
	}
	return serve(ctx, args[0], services.Table())
}

func serve(ctx context.Context, path string, table map[services.Kind]services.Definition) error {
	d, err := state.Existing(path)
	if err != nil {
		return err
	}
	release, err := lockfile.Try(d.Join(lockName))
	if errors.Is(err, lockfile.ErrHeld) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("supervise %s: %w", d.Path, err)
	}
	defer release()
	if err := logHere(d); err != nil {
		return fmt.Errorf("supervise %s: %w", d.Path, err)
	}
	debug.SetGCPercent(20) // a small process matters more than a fast one
	syscall.Umask(0o077)   // the services' own files are for their user alone
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	signal.Ignore(syscall.SIGHUP)

	s := &Supervisor{
		state: d, table: table, started: time.Now(), units: map[string]*unit{},
		changes: map[string]*sync.Mutex{}, quit: make(chan error, 1),
	}
	if s.self, err = openSelf(); err != nil {
		return fmt.Errorf("supervise %s: %w", d.Path, err)
	}
	return s.run(ctx)
}

// logHere sends what this process says, its last words in a panic included, to its log. The supervisor opens it itself:
// it is in a folder of the services' user, in which root must open nothing for writing. What a library writes to the
// standard error goes there too: that is a pipe to who started the supervisor, and a write to a broken pipe kills.
func logHere(d state.Dir) error {
	out, _, err := openLog(d, logName)
	if err != nil {
		return err
	}
	log.SetOutput(out)
	for _, stream := range []*os.File{os.Stdout, os.Stderr} {
		if err := unix.Dup2(int(out.Fd()), int(stream.Fd())); err != nil {
			return fmt.Errorf("write to the log: %w", err)
		}
	}
	if err := debug.SetCrashOutput(out, debug.CrashOptions{}); err != nil {
		return fmt.Errorf("open the log: %w", err)
	}
	return nil
}

func (s *Supervisor) run(ctx context.Context) error {
	id, err := process.Identify(os.Getpid())
	if err != nil {
		return err
	}
	if err := s.state.WriteJSON(recordName, id); err != nil {
		return err
	}
	if err := s.adoptAll(); err != nil {
		return err
	}
	l, err := listen(filepath.Join(s.state.Run, socketName))
	if err != nil {
		return err
	}
	server := &http.Server{Handler: s.handler(), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(l) }()
	tick := time.NewTicker(rotateEvery)
	defer tick.Stop()
	log.Printf("supervisor %d serves %s", os.Getpid(), s.state.Path)
	var why error
	for why == nil {
		select {
		case <-ctx.Done():
			why = errStop
		case why = <-s.quit:
		case <-tick.C:
			s.rotateLogs()
		}
	}
	if errors.Is(why, errStop) {
		s.stopAll(context.WithoutCancel(ctx))
	}
	s.end(errHandover) // no unit is left after stopAll
	log.Printf("supervisor %d ends: %v", os.Getpid(), why)
	return s.close(ctx, server)
}

// close answers the requests that are under way and goes.
func (s *Supervisor) close(ctx context.Context, server *http.Server) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	_ = server.Shutdown(ctx)
	if err := os.Remove(s.state.Join(recordName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("end the supervisor: %w", err)
	}
	return nil
}

// record is what is kept of a service, so that the next supervisor goes on where this one was.
type record struct {
	Spec services.Spec `json:"spec"`
	Want want          `json:"want"`
}

type want string

const (
	wantRun    want = "run"
	wantStop   want = "stop"
	wantRemove want = "remove"
)

func serviceFile(name, file string) string { return filepath.Join("services", name, file) }

func (s *Supervisor) write(name string, r record) error {
	if err := s.state.MkdirAll(s.state.Join("services", name)); err != nil {
		return fmt.Errorf("keep service %s: %w", name, err)
	}
	return s.state.WriteJSON(serviceFile(name, "service.json"), r)
}

// adoptAll takes over the services of an earlier supervisor: those that run are watched, those that should run but
// died with it are started, those that it was stopping are stopped. After a restart of the machine nothing is started
// that nobody asked for.
func (s *Supervisor) adoptAll() error {
	entries, err := os.ReadDir(s.state.Join("services"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("find the services: %w", err)
	}
	for _, e := range entries {
		var r record
		var id process.ID
		err := errors.Join(s.state.ReadJSON(serviceFile(e.Name(), "service.json"), &r),
			s.state.ReadJSON(serviceFile(e.Name(), "process.json"), &id))
		if err != nil {
			log.Printf("service %s is left alone: %v", e.Name(), err)
			continue
		}
		if r.Spec.Name != e.Name() || s.check(r.Spec) != nil {
			continue // half removed, or from another version of plattr
		}
		if !id.Alive() && (r.Want != wantRun || !id.SameBoot()) {
			s.finish(r)
			continue
		}
		u := s.newUnit(r.Spec)
		if id.Alive() {
			u.adopt, u.id = &id, id // whoever asks at once must not take its ports for a stranger's
			log.Printf("adopt %s, process %d", r.Spec.Name, id.PID)
		}
		s.units[r.Spec.Name] = u
		go u.run()
		if r.Want != wantRun {
			go func() {
				u.end(errStop)
				<-u.done
				s.finish(r)
			}()
		}
	}
	return nil
}

func (s *Supervisor) check(spec services.Spec) error {
	if _, ok := s.table[spec.Kind]; !ok {
		return fmt.Errorf("service %q: there is no kind %q", spec.Name, spec.Kind)
	}
	return services.CheckName(spec.Name)
}

// finish deletes what a stopped or removed service leaves.
func (s *Supervisor) finish(r record) {
	s.mu.Lock()
	if u := s.units[r.Spec.Name]; u != nil && u.ended() {
		delete(s.units, r.Spec.Name)
	}
	s.mu.Unlock()
	path := s.state.Join(serviceFile(r.Spec.Name, "process.json"))
	if r.Want == wantRemove {
		path = s.state.Join("services", r.Spec.Name)
		for _, p := range logFiles(s.state, r.Spec.Name) {
			_ = os.Remove(p)
		}
	}
	if err := os.RemoveAll(path); err != nil {
		log.Printf("clean up after %s: %v", r.Spec.Name, err)
	}
}

// change keeps two changes of one service apart.
func (s *Supervisor) change(name string) (done func()) {
	s.mu.Lock()
	m := s.changes[name]
	if m == nil {
		m = &sync.Mutex{}
		s.changes[name] = m
	}
	s.mu.Unlock()
	m.Lock()
	return m.Unlock
}

func (s *Supervisor) unit(name string) *unit {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.units[name]
}

// ensure makes the service run as spec says, and waits no longer than wait until it does its work.
func (s *Supervisor) ensure(ctx context.Context, spec services.Spec, wait time.Duration) (ServiceStatus, error) {
	if err := s.check(spec); err != nil {
		return ServiceStatus{}, err
	}
	u, err := s.arrange(spec)
	if err != nil {
		return ServiceStatus{}, err
	}
	if wait <= 0 {
		return u.status(), nil
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	return u.await(ctx)
}

// arrange returns the unit that runs spec.
func (s *Supervisor) arrange(spec services.Spec) (*unit, error) {
	defer s.change(spec.Name)()
	u := s.unit(spec.Name)
	if u != nil && !u.ended() && u.spec.Equal(spec) {
		u.retry()
		return u, nil
	}
	if err := s.write(spec.Name, record{spec, wantRun}); err != nil {
		return nil, err
	}
	if u != nil {
		u.end(errStop)
		<-u.done
	}
	u = s.newUnit(spec)
	s.mu.Lock()
	closing := s.closing
	if !closing {
		s.units[spec.Name] = u
	}
	s.mu.Unlock()
	if closing {
		return nil, errors.New("the supervisor is stopping: run the command again")
	}
	go u.run()
	return u, nil
}

// stop ends one service. With wantRemove nothing of it stays but its data.
func (s *Supervisor) stop(name string, w want) error {
	defer s.change(name)()
	var r record
	if err := s.state.ReadJSON(serviceFile(name, "service.json"), &r); err != nil {
		return err
	}
	if r.Spec.Name == "" {
		return nil
	}
	r.Want = w
	if err := s.write(name, r); err != nil {
		return err
	}
	if u := s.unit(name); u != nil {
		u.end(errStop)
		<-u.done
	}
	s.finish(r)
	return nil
}

// stopAll stops every service, those first that need others.
func (s *Supervisor) stopAll(ctx context.Context) {
	s.mu.Lock()
	s.closing = true
	byOrder := map[int][]*unit{}
	var orders []int
	for _, u := range s.units {
		if len(byOrder[u.def.Order]) == 0 {
			orders = append(orders, u.def.Order)
		}
		byOrder[u.def.Order] = append(byOrder[u.def.Order], u)
	}
	s.mu.Unlock()
	slices.Sort(orders)
	for _, o := range orders {
		var wg sync.WaitGroup
		for _, u := range byOrder[o] {
			wg.Go(func() {
				u.end(errStop)
				select {
				case <-u.done:
				case <-ctx.Done():
				}
			})
		}
		wg.Wait()
	}
}

// end lets every unit go.
func (s *Supervisor) end(why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closing = true
	for _, u := range s.units {
		u.end(why)
	}
}
