package process

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

func TestIdentity(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	id, err := Identify(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	if !id.Alive() || !id.SameBoot() {
		t.Errorf("%+v is said to be gone", id)
	}
	other := id
	other.Start++
	if other.Alive() || !errors.Is(other.Signal(syscall.SIGTERM), ErrGone) {
		t.Error("another process with the same number is taken for this one")
	}
	rebooted := id
	rebooted.Boot = "another"
	if rebooted.Alive() || rebooted.SameBoot() {
		t.Error("a process of another boot is taken for this one")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := id.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Wait() of a running process = %v", err)
	}
	if err := id.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := id.Wait(t.Context()); err != nil { // not yet reaped: a zombie
		t.Errorf("Wait() = %v", err)
	}
	if id.Alive() {
		t.Error("a zombie is said to be alive")
	}
	_ = cmd.Wait()
}

func TestMemory(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/self/smaps_rollup"); err != nil {
		t.Skip("this system does not tell")
	}
	if m := Memory(os.Getpid()); m < 1<<20 {
		t.Errorf("Memory() of this process = %d bytes", m)
	}
}

func TestForeign(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/net/tcp"); err != nil {
		t.Skip("this system does not tell")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	sleeper := exec.Command("sleep", "60")
	if err := sleeper.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = sleeper.Process.Kill()
		_ = sleeper.Wait()
	})
	if Foreign(os.Getpid(), port) || !Foreign(sleeper.Process.Pid, port) || !Listens(os.Getpid(), port) || Listens(sleeper.Process.Pid, port) {
		t.Error("it does not tell who listens")
	}
	ended := exec.Command("true")
	if err := ended.Run(); err != nil || !Foreign(ended.Process.Pid, port) || Listens(ended.Process.Pid, port) {
		t.Error("one that has ended is said to listen")
	}
	_ = l.Close()
	if Foreign(sleeper.Process.Pid, port) || Listens(os.Getpid(), port) {
		t.Error("nobody listens, and yet another process does")
	}
}
