package supervisor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"plattr.dev/plattr/localdev/ports"
	"plattr.dev/plattr/localdev/process"
	"plattr.dev/plattr/localdev/services"
)

// Status is what the supervisor tells.
type Status struct {
	PID      int             `json:"pid"`
	Protocol int             `json:"protocol"`
	Since    time.Time       `json:"since"`
	Services []ServiceStatus `json:"services"` // by name
}

// ServiceStatus is one service.
type ServiceStatus struct {
	Name     string            `json:"name"`
	Title    string            `json:"title"`
	Kind     services.Kind     `json:"kind"`
	App      string            `json:"app,omitempty"`
	Version  string            `json:"version"`
	State    State             `json:"state"`
	Address  string            `json:"address"`
	Ports    map[ports.Use]int `json:"ports"`
	PID      int               `json:"pid,omitempty"`
	Since    time.Time         `json:"since"` // of the state
	Restarts int               `json:"restarts"`
	Memory   int64             `json:"memory,omitempty"` // bytes, where the system tells
	LogFile  string            `json:"logFile"`
	Error    string            `json:"error,omitempty"`
	Spec     services.Spec     `json:"spec"`
}

// failure is an error on its way to the client.
type failure struct {
	Message string   `json:"message"`
	Hint    string   `json:"hint,omitempty"`
	Log     []string `json:"log,omitempty"`
	LogFile string   `json:"logFile,omitempty"`
}

func (s *Supervisor) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, r *http.Request) {
		answer(w, s.status(r.Context(), r.URL.Query()["probe"], r.URL.Query().Has("memory")), nil)
	})
	mux.HandleFunc("POST /ensure", func(w http.ResponseWriter, r *http.Request) {
		var spec services.Spec
		if !decode(w, r, &spec) {
			return
		}
		wait, _ := time.ParseDuration(r.URL.Query().Get("wait")) // none: do not wait
		status, err := s.ensure(r.Context(), spec, wait)
		answer(w, status, err)
	})
	mux.HandleFunc("POST /remove", func(w http.ResponseWriter, r *http.Request) {
		var names []string
		if !decode(w, r, &names) {
			return
		}
		var errs []error
		for _, name := range names {
			if err := services.CheckName(name); err != nil {
				errs = append(errs, err)
				continue
			}
			errs = append(errs, s.stop(name, wantRemove))
		}
		answer(w, struct{}{}, errors.Join(errs...))
	})
	mux.HandleFunc("POST /stop", func(w http.ResponseWriter, r *http.Request) {
		answer(w, struct{}{}, s.shutdown(r.Context()))
	})
	mux.HandleFunc("POST /handover", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, struct{}{}, nil)
		s.leave(errHandover)
	})
	return mux
}

// shutdown stops every service in order, and then the supervisor.
func (s *Supervisor) shutdown(ctx context.Context) error {
	s.mu.Lock()
	var names []string
	for name := range s.units {
		names = append(names, name)
	}
	s.mu.Unlock()
	var errs []error
	for _, name := range names { // first on record: a supervisor that is killed now must not start them again
		var r record
		err := s.state.ReadJSON(serviceFile(name, "service.json"), &r)
		if r.Want = wantStop; err == nil {
			err = s.write(name, r)
		}
		errs = append(errs, err)
	}
	s.stopAll(ctx)
	for _, name := range names {
		errs = append(errs, s.stop(name, wantStop))
	}
	s.leave(errStop)
	return errors.Join(errs...)
}

func (s *Supervisor) leave(why error) {
	select {
	case s.quit <- why:
	default:
	}
}

func decode(w http.ResponseWriter, r *http.Request, v any) bool {
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(v); err != nil {
		answer(w, nil, fmt.Errorf("read the request: %w", err))
		return false
	}
	return true
}

func answer(w http.ResponseWriter, v any, err error) {
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		f := failure{Message: err.Error()}
		var hint interface{ Hint() string }
		if errors.As(err, &hint) {
			f.Hint = hint.Hint()
		} else {
			f.Hint = hintFor(f.Message)
		}
		var ended *EndedError
		if errors.As(err, &ended) {
			f.Log, f.LogFile = ended.Log, ended.File
		}
		w.WriteHeader(http.StatusInternalServerError)
		v = f
	}
	_ = json.NewEncoder(w).Encode(v) // a client that has gone needs no answer
}

func (s *Supervisor) status(ctx context.Context, probe []string, memory bool) Status {
	out := Status{PID: os.Getpid(), Protocol: Protocol, Since: s.started}
	s.mu.Lock()
	units := make([]*unit, 0, len(s.units))
	for _, u := range s.units {
		units = append(units, u)
	}
	s.mu.Unlock()
	out.Services = make([]ServiceStatus, len(units))
	var wg sync.WaitGroup
	for i, u := range units {
		wg.Go(func() {
			st := u.status()
			if st.State == Ready && slices.Contains(probe, st.Name) {
				if err := u.probe(ctx); err != nil {
					st.State, st.Error = Starting, err.Error()
				}
			}
			if memory && st.PID != 0 {
				st.Memory = process.Memory(st.PID)
			}
			out.Services[i] = st
		})
	}
	wg.Wait()
	slices.SortFunc(out.Services, func(a, b ServiceStatus) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func (u *unit) status() ServiceStatus {
	u.mu.Lock()
	defer u.mu.Unlock()
	st := ServiceStatus{
		Name: u.spec.Name, Title: u.def.Title, Kind: u.spec.Kind, App: u.spec.App, Version: u.spec.Version,
		State: u.state, Address: u.spec.Address(u.def.Main), Ports: u.spec.Ports, Since: u.since, Restarts: u.restarts,
		LogFile: logFile(u.sup.state, u.spec.Name), Spec: u.spec,
	}
	if u.id.Alive() {
		st.PID = u.id.PID
	}
	if u.failure != nil {
		st.Error = u.failure.Error()
	}
	return st
}

// listen opens the control socket, in the place of one that a killed supervisor left. The caller holds the lock, so
// nobody serves it; the folder is 0700, so nobody else can reach it.
func listen(path string) (net.Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("open the control socket: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("open the control socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		_ = l.Close()
		return nil, fmt.Errorf("open the control socket: %w", err)
	}
	return l, nil
}
