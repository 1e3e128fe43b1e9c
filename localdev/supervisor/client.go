package supervisor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"plattr.dev/plattr/internal/lostconn"
	"plattr.dev/plattr/localdev/process"
	"plattr.dev/plattr/localdev/services"
	"plattr.dev/plattr/localdev/state"
)

// Bounds of the start of the supervisor itself, and of the first answer of one that runs.
const (
	startTimeout = 10 * time.Second
	helloTimeout = 5 * time.Second
	maxWait      = 5 * time.Minute // for a service
)

// Client talks to the supervisor of a state folder.
type Client struct {
	state state.Dir
	http  *http.Client
}

// ErrNotRunning says that no supervisor serves the state folder.
var ErrNotRunning = errors.New("the local services are not running")

// ServiceError is what the supervisor says about a service that does not run.
type ServiceError struct {
	Message string
	Next    string
	Log     []string // the last lines of the service's log
	LogFile string
}

func (e *ServiceError) Error() string { return e.Message }

// Hint is the next step.
func (e *ServiceError) Hint() string { return e.Next }

// Evidence is the last lines of the service's log.
func (e *ServiceError) Evidence() []string { return e.Log }

// NewClient returns a client of the supervisor of d, running or not.
func NewClient(d state.Dir) *Client {
	socket := filepath.Join(d.Run, socketName)
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var dialer net.Dialer
		return dialer.DialContext(ctx, "unix", socket)
	}
	return &Client{state: d, http: &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}}
}

// Status asks the supervisor, which first uses each service named in probe. It returns ErrNotRunning if there is none.
func (c *Client) Status(ctx context.Context, memory bool, probe ...string) (Status, error) {
	q := url.Values{"probe": probe}
	if memory {
		q.Set("memory", "1")
	}
	var s Status
	err := c.call(ctx, http.MethodGet, "/status?"+q.Encode(), nil, &s)
	return s, err
}

// Ensure makes the service run as spec says and waits until it does its work. The error is a *ServiceError if it can't.
func (c *Client) Ensure(ctx context.Context, spec services.Spec) (ServiceStatus, error) {
	// The supervisor gives up a little earlier than ctx does, so that it can say what it was waiting for.
	wait := maxWait
	if deadline, ok := ctx.Deadline(); ok {
		wait = min(wait, time.Until(deadline)*9/10)
	}
	var s ServiceStatus
	err := c.call(ctx, http.MethodPost, "/ensure?wait="+wait.String(), spec, &s)
	return s, err
}

// Arrange is Ensure without the wait: from now on the supervisor sees to it that the service runs as spec says.
func (c *Client) Arrange(ctx context.Context, spec services.Spec) error {
	return c.call(ctx, http.MethodPost, "/ensure", spec, &ServiceStatus{})
}

// Remove stops services and deletes everything of them but their data.
func (c *Client) Remove(ctx context.Context, names ...string) error {
	return c.call(ctx, http.MethodPost, "/remove", names, &struct{}{})
}

// Stop stops every service in order, then the supervisor, and returns when all have ended.
func (c *Client) Stop(ctx context.Context) error {
	id, err := c.recorded()
	if err != nil {
		return err
	}
	if err := c.call(ctx, http.MethodPost, "/stop", struct{}{}, &struct{}{}); err != nil {
		return err
	}
	return c.gone(ctx, id)
}

func (c *Client) gone(ctx context.Context, id process.ID) error {
	if id.PID == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := id.Wait(ctx); err != nil {
		return fmt.Errorf("wait for the end of the supervisor, process %d: %w", id.PID, err)
	}
	return nil
}

func (c *Client) recorded() (process.ID, error) {
	var id process.ID
	err := c.state.ReadJSON(recordName, &id)
	return id, err
}

// Start returns when a supervisor answers, starting one if there is none, and replacing one that speaks another version.
func (c *Client) Start(ctx context.Context) (Status, error) {
	s, err := c.hello(ctx)
	switch {
	case err == nil && s.Protocol == Protocol:
		return s, nil
	case errors.Is(err, context.DeadlineExceeded):
		return Status{}, c.silent(err)
	case err == nil:
		if err := c.handover(ctx); err != nil {
			return Status{}, err
		}
	case !errors.Is(err, ErrNotRunning):
		return Status{}, err
	}
	return c.spawnUntilAnswered(ctx)
}

func (c *Client) hello(ctx context.Context) (Status, error) {
	ctx, cancel := context.WithTimeout(ctx, helloTimeout)
	defer cancel()
	return c.Status(ctx, false)
}

func (c *Client) handover(ctx context.Context) error {
	id, err := c.recorded()
	if err != nil {
		return err
	}
	if err := c.call(ctx, http.MethodPost, "/handover", struct{}{}, &struct{}{}); err != nil {
		return fmt.Errorf("replace the supervisor: %w", err)
	}
	return c.gone(ctx, id)
}

// spawnUntilAnswered starts a supervisor and waits for its first answer. One that ends without an error found another
// at work, which is about to serve or about to end: then it looks again.
func (c *Client) spawnUntilAnswered(ctx context.Context) (Status, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	ended, err := c.spawn()
	if err != nil {
		return Status{}, fmt.Errorf("start the supervisor: %w", err)
	}
	for {
		s, err := c.Status(ctx, false)
		if err == nil {
			return s, nil
		}
		select {
		case exit := <-ended:
			if exit != nil {
				return Status{}, exit
			}
			time.Sleep(20 * time.Millisecond)
			if ended, err = c.spawn(); err != nil {
				return Status{}, fmt.Errorf("start the supervisor: %w", err)
			}
		case <-ctx.Done():
			return Status{}, c.silent(err)
		case <-time.After(3 * time.Millisecond):
		}
	}
}

func (c *Client) silent(err error) error {
	id, readErr := c.recorded()
	if readErr != nil || !id.Alive() {
		return fmt.Errorf("the supervisor of the local services does not answer: %w", err)
	}
	return &ServiceError{
		Message: fmt.Sprintf("the supervisor of the local services, process %d, does not answer", id.PID),
		Next:    fmt.Sprintf("kill -9 %d and run the command again: the services go on", id.PID),
		LogFile: logFile(c.state, logName),
	}
}

// spawn starts this very executable as supervisor, detached from the terminal and as the user of the services. What it
// writes before it has its log is the end of the error.
func (c *Client) spawn() (ended <-chan error, err error) {
	self, err := openSelf()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(selfPath(self), Command, c.state.Path)
	cmd.Args[0] = "plattr"
	if self != nil {
		defer self.Close()
		cmd.ExtraFiles = []*os.File{self}
	}
	cmd.Dir = "/"
	cmd.Env = supervisorEnv(os.Environ())
	var out bytes.Buffer
	cmd.Stderr = &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if u := c.state.Service; u != nil {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: u.UID, Gid: u.GID}
	}
	err = cmd.Start()
	if u := c.state.Service; u != nil && errors.Is(err, os.ErrPermission) {
		return nil, &ServiceError{
			Message: fmt.Sprintf("user %s, who runs the services, may not run plattr's executable", u.Name),
			Next:    "chmod o+rx the executable of plattr, or run plattr as an ordinary user",
		}
	}
	if err != nil {
		return nil, fmt.Errorf("run plattr itself: %w", err)
	}
	done := make(chan error, 1)
	go func() {
		err := cmd.Wait()
		if err != nil {
			err = c.endedError(err, out.String())
		}
		done <- err
	}()
	return done, nil
}

func (c *Client) endedError(exit error, output string) error {
	lines := lastLines(logFile(c.state, logName), -1)
	if output = strings.TrimSpace(output); output != "" {
		lines = append(lines, strings.Split(output, "\n")...)
	}
	next := hintFor(strings.Join(lines, "\n"))
	if next == "" {
		next = "read the log: " + logFile(c.state, logName)
	}
	return &ServiceError{
		Message: fmt.Sprintf("the supervisor of the local services ended: %v", exit),
		Next:    next, Log: lines[max(0, len(lines)-tailLines):], LogFile: logFile(c.state, logName),
	}
}

// supervisorEnv passes on what does no harm to a process that outlives the shell.
func supervisorEnv(env []string) []string {
	out := []string{"PATH=/usr/local/bin:/usr/bin:/bin"}
	for _, kv := range env {
		if strings.HasPrefix(kv, "TZ=") || strings.HasPrefix(kv, "GOCOVERDIR=") {
			out = append(out, kv)
		}
	}
	return out
}

func (c *Client) call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		raw, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("ask the supervisor: %w", err)
		}
		body = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://supervisor"+path, body)
	if err != nil {
		return fmt.Errorf("ask the supervisor: %w", err)
	}
	resp, err := c.http.Do(req)
	if isGone(err) {
		return ErrNotRunning
	}
	if err != nil {
		return fmt.Errorf("ask the supervisor: %w", err)
	}
	defer resp.Body.Close()
	dec := json.NewDecoder(resp.Body)
	if resp.StatusCode != http.StatusOK {
		var f failure
		if err := dec.Decode(&f); err != nil {
			return fmt.Errorf("ask the supervisor: it answers %s", resp.Status)
		}
		return &ServiceError{Message: f.Message, Next: f.Hint, Log: f.Log, LogFile: f.LogFile}
	}
	if err := dec.Decode(out); err != nil {
		return fmt.Errorf("ask the supervisor: %w", err)
	}
	return nil
}

// isGone tells the errors of a socket that nobody serves, or nobody any more: a supervisor was killed meanwhile.
func isGone(err error) bool {
	return lostconn.Is(err) || errors.Is(err, syscall.ENOENT) || errors.Is(err, syscall.ECONNREFUSED)
}
