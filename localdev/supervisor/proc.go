package supervisor

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"plattr.dev/plattr/localdev/process"
	"plattr.dev/plattr/localdev/services"
	"plattr.dev/plattr/localdev/state"
)

// proc is a running process, started by this supervisor or adopted.
type proc struct {
	id     process.ID
	exited chan struct{}
	err    error // how it ended, once exited is closed; nil for one that was adopted
	offset int64 // where its part of the log begins
}

// gate holds a new process back until it is on record. A supervisor that is killed in between closes the pipe, and the
// shell ends: no service ever runs that the next supervisor does not know of.
const gate = `read -r go && exec "$@" </dev/null`

// selfFD is the number under which a child finds plattr's own executable.
const selfFD = 3

// start starts a command in a session of its own, with its output in the service's log.
func (u *unit) start(cmd services.Command) (*proc, error) {
	out, offset, err := openLog(u.sup.state, u.spec.Name)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", u.def.Title, err)
	}
	defer out.Close()
	hold, release, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", u.def.Title, err)
	}
	defer release.Close()
	defer hold.Close()
	path := cmd.Path
	c := exec.Command("/bin/sh", "-c", gate, "sh") // the command is an argument, not part of the script
	if path == "" {
		path = selfPath(u.sup.self)
		if u.sup.self != nil {
			c.ExtraFiles = []*os.File{u.sup.self}
		}
	}
	c.Args = append(append(c.Args, path), cmd.Args...)
	c.Env, c.Dir = cmd.Env, cmd.Dir
	c.Stdin, c.Stdout, c.Stderr = hold, out, out
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := c.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", u.def.Title, err)
	}
	p := &proc{exited: make(chan struct{}), offset: offset}
	go func() {
		p.err = c.Wait()
		close(p.exited)
	}()
	p.id, err = process.Identify(c.Process.Pid)
	if err == nil {
		err = u.sup.state.WriteJSON(serviceFile(u.spec.Name, "process.json"), p.id)
	}
	if err == nil {
		_, err = release.WriteString("\n")
	}
	if err != nil {
		_ = release.Close()
		<-p.exited
		return nil, fmt.Errorf("start %s: %w", u.def.Title, err)
	}
	return p, nil
}

// adopted watches a process that is not a child.
func adopted(id process.ID) *proc {
	p := &proc{id: id, exited: make(chan struct{}), offset: -1}
	go func() {
		_ = id.Wait(context.Background())
		close(p.exited)
	}()
	return p
}

// stop ends the process, step by step more firmly.
func (u *unit) stop(p *proc) {
	kill := services.StopStep{Signal: syscall.SIGKILL, Wait: 10 * time.Second}
	for _, step := range append(append([]services.StopStep{}, u.def.Stop...), kill) {
		if err := p.id.Signal(step.Signal); err != nil && !errors.Is(err, process.ErrGone) {
			log.Printf("stop %s: %v", u.spec.Name, err)
		}
		select {
		case <-p.exited:
			return
		case <-time.After(step.Wait):
		}
	}
	log.Printf("%s, process %d, does not end", u.spec.Name, p.id.PID)
}

// EndedError says how a service ended, with the last lines of its log.
type EndedError struct {
	Title string
	How   string
	Log   []string
	File  string
}

func (e *EndedError) Error() string { return fmt.Sprintf("%s %s", e.Title, e.How) }

func (p *proc) failure(u *unit) error {
	how := "ended"
	var exit *exec.ExitError
	switch {
	case errors.As(p.err, &exit):
		how = "ended: " + exit.Error()
	case p.err != nil:
		how = "ended: " + p.err.Error()
	}
	file := logFile(u.sup.state, u.spec.Name)
	return &EndedError{Title: u.def.Title, How: how, Log: lastLines(file, p.offset), File: file}
}

// openSelf opens plattr's executable. On Linux it is run through this descriptor: then it need not be in a folder that
// the services' user may enter, and may be replaced while the supervisor runs.
func openSelf() (*os.File, error) {
	if runtime.GOOS != "linux" {
		return nil, nil
	}
	f, err := os.Open("/proc/self/exe")
	if err != nil {
		return nil, fmt.Errorf("open plattr's own executable: %w", err)
	}
	return f, nil
}

func selfPath(self *os.File) string {
	if self != nil {
		return fmt.Sprintf("/proc/self/fd/%d", selfFD)
	}
	path, err := os.Executable()
	if err != nil {
		return os.Args[0]
	}
	return path
}

// Logs.
const (
	maxLog      = 8 << 20 // bytes, then the log is moved to .1
	rotateEvery = 5 * time.Second
	tailLines   = 10
	tailBytes   = 16 << 10
)

func logFile(d state.Dir, name string) string { return d.Join("logs", name+".log") }

// LogFile returns the path of a service's log. The part before the last rotation is in the same name with .1 behind.
func LogFile(d state.Dir, name string) string { return logFile(d, name) }

func logFiles(d state.Dir, name string) []string {
	f := logFile(d, name)
	return []string{f, f + ".1"}
}

func openLog(d state.Dir, name string) (f *os.File, size int64, err error) {
	path := logFile(d, name)
	if err := d.MkdirAll(filepath.Dir(path)); err != nil {
		return nil, 0, err
	}
	f, err = os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err != nil {
		_ = f.Close()
		return nil, 0, err
	}
	return f, info.Size(), nil
}

// rotateLogs copies logs that have become too long and empties them: the services hold them open for appending.
func (s *Supervisor) rotateLogs() {
	s.mu.Lock()
	names := []string{logName}
	for name := range s.units {
		names = append(names, name)
	}
	s.mu.Unlock()
	for _, name := range names {
		if err := rotate(logFile(s.state, name), maxLog); err != nil {
			log.Printf("rotate the log of %s: %v", name, err)
		}
	}
}

func rotate(path string, limit int64) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || info.Size() <= limit {
		return err
	}
	old, err := os.OpenFile(path+".1", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(old, f)
	return errors.Join(err, old.Close(), f.Truncate(0))
}

// lastLines returns the end of a log, from offset on (if it is not negative).
func lastLines(path string, offset int64) []string {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil
	}
	from := max(offset, info.Size()-tailBytes, 0)
	if from > info.Size() { // rotated in between
		from = 0
	}
	if _, err := f.Seek(from, io.SeekStart); err != nil {
		return nil
	}
	var lines []string
	scanner := bufio.NewScanner(f)
	scanner.Buffer(nil, tailBytes)
	for scanner.Scan() {
		lines = append(lines, scanner.Text())
	}
	return lines[max(0, len(lines)-tailLines):]
}
