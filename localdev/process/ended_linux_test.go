package process

import (
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// asNobody is set in the process that [TestEnded] starts.
const asNobody = "PLATTR_TEST_AS_NOBODY"

// TestEnded: a process of one's own user that has ended, and was not waited for yet, listens on nothing. What it had open may
// not be looked at any more, which is no reason to believe that it answers: who answers on its port is somebody else. Root
// may look at everything, so an ordinary user has to ask.
func TestEnded(t *testing.T) {
	t.Parallel()
	if os.Geteuid() == 0 && os.Getenv(asNobody) == "" {
		cmd := exec.Command("/proc/self/exe", "-test.run=^TestEnded$", "-test.v")
		cmd.Env, cmd.Dir = append(os.Environ(), asNobody+"=1"), "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("as nobody: %v\n%s", err, out)
		}
		return
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	ended := exec.Command("true")
	if err := ended.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ended.Wait() }()
	for deadline := time.Now().Add(10 * time.Second); !isEnding(ended.Process.Pid); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it does not end")
		}
	}
	if Listens(ended.Process.Pid, port) {
		t.Error("a process that has ended is said to listen")
	}
	if !Foreign(ended.Process.Pid, port) {
		t.Error("nobody else is said to listen where a process that has ended does not")
	}
}
