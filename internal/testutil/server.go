package testutil

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"plattr.dev/plattr/localdev/javaserver"
	"plattr.dev/plattr/localdev/programs"
)

// process is a server of this test binary in a folder of its own. It ends with the test binary, even a killed one, and
// takes its folder along.
type process struct {
	title string
	dir   string
	how   javaserver.Process
	ready func(ctx context.Context) error
	// asTester is for a program in the cache of the user who tests, which another user cannot reach.
	asTester bool

	mu   sync.Mutex
	stop func(how string)
}

// guard runs a program until its standard input ends or says how: that is when the test binary ends. The first argument
// is the folder.
const guard = `dir=$1; shift; "$@" </dev/null & pid=$!; read -r how; ` +
	`if [ "$how" = kill ]; then kill -KILL $pid; else kill -TERM $pid; fi; wait $pid; [ -n "$how" ] || rm -rf "$dir"`

// newDir makes the folder of a server, which belongs to the user that servers run as.
func newDir(name string) (string, error) {
	dir, err := os.MkdirTemp("", "plattr-"+name+"-")
	if err != nil {
		return "", err
	}
	if os.Geteuid() == 0 {
		return dir, os.Chown(dir, nobody, nobody)
	}
	return dir, nil
}

// give hands everything below a folder to the user that servers run as.
func give(dir string) error {
	return filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		return errors.Join(err, os.Lchown(path, nobody, nobody))
	})
}

// Start starts a server that is not running and returns when it is ready. The data of an earlier run are still there.
func (p *process) Start(ctx context.Context) error {
	nobodys := os.Geteuid() == 0 && !p.asTester
	if nobodys {
		if err := give(p.dir); err != nil {
			return err
		}
	}
	log, err := os.OpenFile(p.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	cmd := exec.Command("sh", append([]string{"-c", guard, "sh", p.dir, p.how.Path}, p.how.Args...)...)
	cmd.Stdout, cmd.Stderr, cmd.Dir = log, log, p.how.Dir
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C.UTF-8", "TZ=UTC", "HOME=" + p.dir}, p.how.Env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C reaches the tests first
	if nobodys {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", p.title, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var once sync.Once
	p.stop = func(how string) {
		once.Do(func() {
			_, _ = io.WriteString(in, how+"\n")
			_ = cmd.Wait()
		})
	}
	return p.await(ctx)
}

func (p *process) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		err := p.ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			raw, _ := os.ReadFile(p.log())
			return fmt.Errorf("%s did not start: %w\n%s", p.title, err, raw)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Kill ends the server as a crash would; Stop ends it in order. Both keep its data.
func (p *process) Kill() { p.end("kill") }

// Stop ends the server in order and keeps its data.
func (p *process) Stop() { p.end("stop") }

func (p *process) end(how string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stop != nil {
		p.stop(how)
	}
}

func (p *process) log() string { return filepath.Join(p.dir, "server.log") }

// Log is everything that the server has said.
func (p *process) Log(t testing.TB) string {
	t.Helper()
	raw, err := os.ReadFile(p.log())
	if err != nil {
		t.Fatalf("read the log of %s: %v", p.title, err)
	}
	return string(raw)
}

// remove ends the server at the end of a test of its own.
func (p *process) remove() {
	p.Kill()
	_ = os.RemoveAll(p.dir)
}

// must turns the error of a start into the end of the test: a program that cannot be had skips it, see [Require].
func must[T any](t testing.TB, title string, start func() (T, error)) T {
	t.Helper()
	Require(t, !testing.Short(), "a real "+title+" is not for short tests")
	s, err := start()
	var missing *programs.NotFoundError
	if errors.As(err, &missing) {
		Require(t, false, err.Error())
	}
	if err != nil {
		t.Fatalf("start %s: %v", title, err)
	}
	return s
}

// javaProgram finds a Java server and the Java that runs it.
func javaProgram(ctx context.Context, name string, heapMB int) (programs.Program, javaserver.Java, error) {
	java, err := programs.Find(ctx, "java")
	if err != nil {
		return programs.Program{}, javaserver.Java{}, err
	}
	server, err := programs.Find(ctx, name)
	if err != nil {
		return programs.Program{}, javaserver.Java{}, err
	}
	uid, gid := os.Geteuid(), os.Getegid()
	if uid == 0 {
		uid, gid = nobody, nobody
	}
	archives, err := programs.ArchiveDir(os.Getenv, uid, gid)
	if err != nil {
		return programs.Program{}, javaserver.Java{}, err
	}
	return server, javaserver.Java{
		Program: java.Bin, HeapMB: heapMB, Archive: filepath.Join(archives, programs.ArchiveName(server, java)),
	}, nil
}

// dial says whether something listens at an address.
func dial(address string) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		var d net.Dialer
		c, err := d.DialContext(ctx, "tcp", address)
		if err == nil {
			_ = c.Close()
		}
		return err
	}
}
