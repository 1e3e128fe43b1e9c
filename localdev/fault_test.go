package localdev

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"plattr.dev/plattr/internal/testutil"
	"plattr.dev/plattr/localdev/ports"
	"plattr.dev/plattr/localdev/process"
)

// checkFault holds what every fault's error must be: one line, with what it is about, and a next step.
func checkFault(t *testing.T, err error, about, next string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	if strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), about) {
		t.Errorf("the error is %q, want one line about %q", err, about)
	}
	var hinted interface{ Hint() string }
	if !errors.As(err, &hinted) || !strings.Contains(hinted.Hint(), next) {
		t.Errorf("the error %v has not the next step %q", err, next)
		if hinted != nil {
			t.Logf("but %q", hinted.Hint())
		}
	}
}

func TestATakenPortIsReplacedAndStays(t *testing.T) {
	t.Parallel()
	n := newNative(t)
	book, err := ports.Load(n.state)
	if err != nil {
		t.Fatal(err)
	}
	taken := book[ports.Key(ports.PostgreSQL, "")]
	l, err := net.Listen("tcp", net.JoinHostPort(ports.Host, strconv.Itoa(taken)))
	if err != nil {
		t.Fatal(err)
	}
	first := ensure(t, n, Needs{PostgreSQL: true}).PostgreSQL.Port
	if first == taken {
		t.Fatalf("port %d is taken and used", taken)
	}
	if book, err = ports.Load(n.state); err != nil || book[ports.Key(ports.PostgreSQL, "")] != first {
		t.Errorf("port %d is not kept, but %d, %v", first, book[ports.Key(ports.PostgreSQL, "")], err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for range 5 { // one in place of a reserved one is anybody's while its server is stopped
		if err := n.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		again := ensure(t, n, Needs{PostgreSQL: true}).PostgreSQL.Port
		if again == first {
			return
		}
		t.Logf("the port changed from %d to %d", first, again)
		first = again
	}
	t.Error("the port changes at every start")
}

func TestFolderFaults(t *testing.T) {
	t.Parallel()
	file := filepath.Join(room(t), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct{ dir, about, next string }{
		"BelowAFile":  {filepath.Join(file, "state"), file, "PLATTR_STATE_DIR"},
		"InTheSystem": {"/proc/plattr", "/proc/plattr", "PLATTR_STATE_DIR"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := NewNative(t.Context(), env(tc.dir))
			checkFault(t, err, tc.about, tc.next)
		})
	}
}

// mount mounts a small file system in memory, which only root can.
func mount(t *testing.T, size string) string {
	t.Helper()
	dir := room(t)
	if os.Geteuid() != 0 {
		t.Skip("only root can make a small disk")
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size+",mode=0755"); err != nil {
		testutil.Require(t, false, "a small disk cannot be mounted: "+err.Error())
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}

func TestAFullDisk(t *testing.T) {
	t.Parallel()
	dir := mount(t, "12m") // less than a database cluster needs
	n := nativeAt(t, filepath.Join(dir, "state"))
	_, err := n.Ensure(t.Context(), Needs{PostgreSQL: true}, nil)
	checkFault(t, err, "PostgreSQL", "make room")
	if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT, "size=300m,mode=0755"); err != nil {
		t.Fatal(err)
	}
	ensure(t, n, Needs{PostgreSQL: true}) // no clean-up was needed
}

func TestAReadOnlyDisk(t *testing.T) {
	t.Parallel()
	dir := mount(t, "1m")
	if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	_, err := NewNative(t.Context(), env(filepath.Join(dir, "state")))
	checkFault(t, err, "read-only file system", "PLATTR_STATE_DIR")
}

func TestAProgramOfAnotherVersion(t *testing.T) {
	t.Parallel()
	n := newNative(t)
	bin := filepath.Join(room(t), "bin")
	if err := os.Mkdir(bin, 0o755); err != nil { // the services' user reads it
		t.Fatal(err)
	}
	for _, name := range []string{"postgres", "initdb"} {
		script := "#!/bin/sh\necho " + name + " '(PostgreSQL) 15.4'\n"
		if err := os.WriteFile(filepath.Join(bin, name), []byte(script), 0o755); err != nil { // a program
			t.Fatal(err)
		}
	}
	n.getenv = func(k string) string {
		if k == "PLATTR_POSTGRESQL_DIR" {
			return bin
		}
		return os.Getenv(k)
	}
	_, err := n.Ensure(t.Context(), Needs{PostgreSQL: true}, nil)
	if err == nil || !strings.Contains(err.Error(), "PLATTR_POSTGRESQL_DIR") || !strings.Contains(err.Error(), "15.4") {
		t.Errorf("Ensure() = %v, want the setting and the version named", err)
	}
}

// TestAReboot leaves everything as a machine that was switched off does: files of processes whose numbers others have.
func TestAReboot(t *testing.T) {
	t.Parallel()
	n := newNative(t)
	e := ensure(t, n, Needs{PostgreSQL: true, S3: true})
	exec(t, connect(t, database(t, e.PostgreSQL, "kept")), `create table kept (n int)`)
	s, err := n.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	pids := []int{s.PID} // the supervisor first, or it would start them again
	for _, st := range s.Services {
		pids = append(pids, st.PID)
	}
	for _, pid := range pids {
		id, err := process.Identify(pid)
		if err == nil {
			err = errors.Join(id.Signal(syscall.SIGKILL), id.Wait(t.Context()))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	old := process.ID{PID: os.Getpid(), Start: 1, Boot: "before"}
	for _, name := range []string{"supervisor.json", "services/postgresql/process.json", "services/s3/process.json"} {
		if err := n.state.WriteJSON(name, old); err != nil {
			t.Fatal(err)
		}
	}
	locks, err := filepath.Glob(filepath.Join(n.state.Run, ".s.PGSQL.*.lock"))
	if err != nil || len(locks) != 1 {
		t.Fatalf("lock files %v, %v", locks, err)
	}
	for _, file := range append(locks, n.state.Join("postgresql", "17", "postmaster.pid")) {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(raw), "\n")
		if err := os.WriteFile(file, fmt.Appendf(nil, "%d\n%s", os.Getpid(), rest), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	now := ensure(t, n, Needs{PostgreSQL: true, S3: true})
	exec(t, connect(t, in(now.PostgreSQL, "kept")), `insert into kept values (1)`)
}
