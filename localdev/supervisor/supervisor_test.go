package supervisor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"plattr.dev/plattr/localdev/process"
	"plattr.dev/plattr/localdev/services"
)

func TestEnsureStartsOnce(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	var wg sync.WaitGroup
	for range 8 { // eight commands at once on a machine where nothing runs
		wg.Go(func() { m.ensure(t, m.spec(fake, "one", "")) })
	}
	wg.Wait()
	if n := m.starts(t, "one"); n != 1 {
		t.Errorf("the service was started %d times", n)
	}
	s := m.ensure(t, m.spec(fake, "one", ""))
	if s.State != Ready || s.PID == 0 || s.Restarts != 0 {
		t.Errorf("status %+v", s)
	}
	if os.Geteuid() == 0 {
		var st syscall.Stat_t
		if err := syscall.Stat("/proc/"+strconv.Itoa(s.PID), &st); err == nil && st.Uid == 0 {
			t.Error("a service runs as root")
		}
	}
}

func TestEnsureReplacesAChangedService(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	first := m.ensure(t, m.spec(fake, "one", ""))
	other := m.spec(fake, "one", "")
	other.Settings["more"] = "x"
	second := m.ensure(t, other)
	if first.PID == second.PID || m.starts(t, "one") != 2 {
		t.Errorf("processes %d and %d after %d starts", first.PID, second.PID, m.starts(t, "one"))
	}
	if err := syscall.Kill(first.PID, 0); err == nil {
		t.Error("the old process still runs")
	}
}

func TestAServiceThatDiesIsStartedAgain(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	first := m.ensure(t, m.spec(fake, "one", ""))
	if err := syscall.Kill(first.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a new process", func() bool { return m.starts(t, "one") == 2 })
	if s := m.ensure(t, m.spec(fake, "one", "")); s.Restarts != 1 || s.PID == first.PID {
		t.Errorf("status %+v", s)
	}
}

func TestAServiceThatCannotStart(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	if _, err := m.client.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err := m.client.Ensure(t.Context(), m.spec(fake, "bad", "crash"))
	var failed *ServiceError
	if !errors.As(err, &failed) || !strings.Contains(strings.Join(failed.Log, "\n"), "no such thing as bad") {
		t.Fatalf("Ensure() = %v with log %q, want the log's last lines", err, failed.Evidence())
	}
	if n := m.starts(t, "bad"); n != maxAttempts {
		t.Errorf("%d attempts, want %d", n, maxAttempts)
	}
	if _, err := m.client.Ensure(t.Context(), m.spec(fake, "bad", "crash")); err == nil || m.starts(t, "bad") != 2*maxAttempts {
		t.Errorf("a second Ensure: %v after %d attempts", err, m.starts(t, "bad"))
	}
	if s := m.ensure(t, m.spec(fake, "bad", "")); s.State != Ready {
		t.Errorf("after the cause is mended: %+v", s)
	}
}

func TestAServiceThatIsNeverReady(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	if _, err := m.client.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err := m.client.Ensure(ctx, m.spec(fake, "slow", "mute"))
	var failed *ServiceError
	if !errors.As(err, &failed) || !strings.Contains(err.Error(), "still starting") {
		t.Errorf("Ensure() = %v, want what it waited for", err)
	}
}

// TestWordsOfLibraries: what is written to the standard error lands in the log. A write to the pipe of a starter that is
// gone would kill the supervisor.
func TestWordsOfLibraries(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("there is no /proc to look at")
	}
	m := newMachine(t)
	s, err := m.client.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range []int{1, 2} {
		if to, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", s.PID, fd)); err != nil || to != logFile(m.state, logName) {
			t.Errorf("file %d is %s, %v", fd, to, err)
		}
	}
}

func TestAKilledSupervisorIsReplaced(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	alive, dead := m.spec(fake, "alive", ""), m.spec(fake, "dead", "")
	a, d := m.ensure(t, alive), m.ensure(t, dead)
	old := m.supervisor(t)
	if err := errors.Join(old.Signal(syscall.SIGKILL), old.Wait(t.Context()), syscall.Kill(d.PID, syscall.SIGKILL)); err != nil {
		t.Fatal(err)
	}
	first, err := m.client.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range first.Services { // who asks at once must not take its ports for a stranger's
		if s.Name == "alive" && s.PID != a.PID {
			t.Errorf("the first answer of the new supervisor knows process %d, not %d", s.PID, a.PID)
		}
	}
	if got := m.ensure(t, alive); got.PID != a.PID {
		t.Errorf("the service was started again: process %d, then %d", a.PID, got.PID)
	}
	if m.supervisor(t) == old {
		t.Error("the supervisor was not replaced")
	}
	eventually(t, "the service that died without a supervisor runs again", func() bool { return m.starts(t, "dead") == 2 })
	if err := syscall.Kill(a.PID, syscall.SIGKILL); err != nil { // an adopted one is watched too
		t.Fatal(err)
	}
	eventually(t, "the adopted service is started again", func() bool { return m.starts(t, "alive") == 2 })
}

// TestSupervisorKilledAnywhere kills it again and again while it works: no service may ever run twice.
func TestSupervisorKilledAnywhere(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	spec := m.spec(fake, "one", "")
	for i := range 25 {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		done := make(chan struct{})
		go func() {
			defer close(done)
			if _, err := m.client.Start(ctx); err == nil {
				_, _ = m.client.Ensure(ctx, spec)
			}
		}()
		time.Sleep(time.Duration(i*3) * time.Millisecond)
		if id, err := m.client.recorded(); err == nil {
			_ = id.Signal(syscall.SIGKILL)
		}
		<-done
		cancel()
		if i%5 == 4 { // begin with no service now and then
			m.ensure(t, spec)
			if err := m.client.Stop(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		// A process that its killed supervisor held back ends by itself, in a moment.
		eventually(t, fmt.Sprintf("after kill %d the service runs at most once", i), func() bool { return running(t, m.traces) <= 1 })
	}
	m.ensure(t, spec)
	if n := running(t, m.traces); n != 1 {
		t.Errorf("at the end the service runs %d times", n)
	}
}

// running counts the fakes of one machine, by their arguments. Each is the leader of a session; what it has just
// forked has its arguments too.
func running(t *testing.T, traces string) int {
	t.Helper()
	out, err := exec.Command("pgrep", "-f", "fake "+traces+" ").Output()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) {
		t.Skipf("pgrep: %v", err)
	}
	leaders := 0
	for field := range strings.FieldsSeq(string(out)) {
		pid, err := strconv.Atoi(field)
		if err != nil {
			t.Fatal(err)
		}
		if session, err := unix.Getsid(pid); err == nil && session == pid {
			leaders++
		}
	}
	return leaders
}

func TestStopIsInOrder(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	var pids []int
	for _, s := range []services.Spec{m.spec("base", "database", ""), m.spec(fake, "rest", ""), m.spec(fake, "deaf", "deaf")} {
		pids = append(pids, m.ensure(t, s).PID)
	}
	if err := m.client.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, pid := range pids {
		if id, err := process.Identify(pid); err == nil {
			t.Errorf("%+v still runs", id)
		}
	}
	stops := m.lines(t, "order", "stop ")
	if len(stops) != 2 || stops[1] != "stop database" {
		t.Errorf("stopped in the order %q, want the database last", stops)
	}
	if _, err := m.client.Status(t.Context(), false); !errors.Is(err, ErrNotRunning) {
		t.Errorf("after stop: %v", err)
	}
	if _, err := m.client.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s, err := m.client.Status(t.Context(), false); err != nil || len(s.Services) != 0 {
		t.Errorf("a new supervisor starts what was stopped: %+v, %v", s, err)
	}
}

func TestSIGTERMStopsTheServices(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	s := m.ensure(t, m.spec(fake, "one", ""))
	id := m.supervisor(t)
	if err := errors.Join(id.Signal(syscall.SIGTERM), id.Wait(t.Context())); err != nil {
		t.Fatal(err)
	}
	if _, err := process.Identify(s.PID); err == nil {
		t.Error("the service outlives an ordered end")
	}
}

func TestRemoveLeavesNothing(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	s := m.ensure(t, m.spec(fake, "one", ""))
	if err := m.client.Remove(t.Context(), "one", "never-was"); err != nil {
		t.Fatal(err)
	}
	if _, err := process.Identify(s.PID); err == nil {
		t.Error("the process still runs")
	}
	left, err := filepath.Glob(m.state.Join("*", "one*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if err := m.client.Remove(t.Context(), "../../etc"); err == nil {
		t.Error("a path is taken for a name")
	}
}

func TestARebootStartsNothingByItself(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	spec := m.spec(fake, "one", "")
	s := m.ensure(t, spec)
	id := m.supervisor(t)
	if err := errors.Join(id.Signal(syscall.SIGKILL), id.Wait(t.Context()), syscall.Kill(s.PID, syscall.SIGKILL)); err != nil {
		t.Fatal(err)
	}
	// What is on record after a restart of the machine: a number that another process may have by now.
	before := process.ID{PID: os.Getpid(), Start: 1, Boot: "before"}
	if err := m.state.WriteJSON(serviceFile("one", "process.json"), before); err != nil {
		t.Fatal(err)
	}
	if _, err := m.client.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := m.starts(t, "one"); n != 1 {
		t.Errorf("%d starts, want the one before the restart", n)
	}
	if got := m.ensure(t, spec); got.State != Ready {
		t.Errorf("status %+v", got)
	}
}

func TestAHungSupervisorIsNamed(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.ensure(t, m.spec(fake, "one", ""))
	id := m.supervisor(t)
	if err := id.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = id.Signal(syscall.SIGCONT) }() // the clean-up stops it
	ctx, cancel := context.WithTimeout(t.Context(), 600*time.Millisecond)
	defer cancel()
	time.Sleep(100 * time.Millisecond) // until every thread has stopped
	_, err := m.client.Start(ctx)
	if err == nil || !strings.Contains(err.Error(), strconv.Itoa(id.PID)) {
		t.Errorf("Start() = %v, want the process named", err)
	}
}

func TestTheSocketIsPrivate(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	m.ensure(t, m.spec(fake, "one", ""))
	path := filepath.Join(m.state.Run, socketName)
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 || info.Mode().Type() != os.ModeSocket {
		t.Errorf("the socket has mode %v, %v", info.Mode(), err)
	}
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	for _, f := range []string{serviceFile("one", "service.json"), serviceFile("one", "process.json"), "logs/one.log", recordName} {
		if info, err := os.Stat(m.state.Join(f)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v; want 0600", f, info, err)
		}
	}
}

func TestRotate(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.log")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	write := func(s string) {
		if _, err := f.WriteString(s); err != nil {
			t.Fatal(err)
		}
	}
	write("old\n")
	if err := rotate(path, 100); err != nil {
		t.Fatal(err)
	}
	write(strings.Repeat("x", 100))
	if err := rotate(path, 100); err != nil {
		t.Fatal(err)
	}
	write("new\n")
	now, _ := os.ReadFile(path)
	before, _ := os.ReadFile(path + ".1")
	if string(now) != "new\n" || !strings.HasPrefix(string(before), "old\n") {
		t.Errorf("the log holds %q, the one before %d bytes", now, len(before))
	}
	if got := lastLines(path, -1); len(got) != 1 || got[0] != "new" {
		t.Errorf("lastLines() = %q", got)
	}
	if err := rotate(path+"x", 1); err != nil {
		t.Errorf("a log that is not there: %v", err)
	}
}

func TestBackoff(t *testing.T) {
	t.Parallel()
	last := time.Duration(0)
	for i := 1; i < 100; i++ {
		d := backoff(i)
		if d < last || d < firstBackoff || d > maxBackoff {
			t.Fatalf("backoff(%d) = %s after %s", i, d, last)
		}
		last = d
	}
}

// TestStopAndStartAtOnce lets two commands disagree: whoever is last is right, and no service runs twice.
func TestStopAndStartAtOnce(t *testing.T) {
	t.Parallel()
	m := newMachine(t)
	spec := m.spec(fake, "one", "")
	for range 10 {
		m.ensure(t, spec)
		var wg sync.WaitGroup
		wg.Go(func() { _ = m.client.Stop(t.Context()) })
		wg.Go(func() {
			if _, err := m.client.Start(t.Context()); err != nil {
				t.Errorf("Start() while another command stops: %v", err)
			}
		})
		wg.Wait()
	}
	m.ensure(t, spec)
	if n := running(t, m.traces); n != 1 {
		t.Errorf("the service runs %d times", n)
	}
}
