package sqlshell_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"plattr.dev/plattr/internal/sqlshell"
	"plattr.dev/plattr/internal/testutil"
)

// TestMain lets the test binary be a shell on a terminal of its own.
func TestMain(m *testing.M) {
	if url := os.Getenv("SQLSHELL_TEST_URL"); url != "" {
		err := sqlshell.Run(context.Background(), sqlshell.Options{URL: url, In: os.Stdin, Out: os.Stdout, Err: os.Stderr, History: os.Getenv("SQLSHELL_TEST_HISTORY")})
		if err != nil {
			_, _ = fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// screen is the other side of a terminal.
type screen struct {
	t      *testing.T
	master *os.File
	mu     sync.Mutex
	seen   bytes.Buffer
}

func openTerminal(t *testing.T) (*screen, *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	testutil.Require(t, err == nil, "no pseudo-terminals here")
	fd := int(master.Fd())
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	s := &screen{t: t, master: master}
	go func() {
		buffer := make([]byte, 4096)
		for {
			n, err := master.Read(buffer)
			if err != nil {
				return
			}
			s.mu.Lock()
			s.seen.Write(buffer[:n])
			s.mu.Unlock()
		}
	}()
	return s, slave
}

func (s *screen) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen.String()
}

// types writes keys and waits for what must then be on the screen, from where it was before.
func (s *screen) types(keys, want string) {
	s.t.Helper()
	before := len(s.text())
	if _, err := s.master.WriteString(keys); err != nil {
		s.t.Fatal(err)
	}
	s.waits(before, want)
}

func (s *screen) waits(from int, want string) {
	s.t.Helper()
	for range 400 {
		if strings.Contains(s.text()[from:], want) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	s.t.Fatalf("waited for %q in vain, the screen is\n%s", want, s.text())
}

func TestSession(t *testing.T) {
	t.Parallel()
	s, slave := openTerminal(t)
	pg := testutil.Postgres(t)
	history := filepath.Join(t.TempDir(), "state", "history")
	cmd := osexec.CommandContext(t.Context(), os.Args[0])
	// A dependency of the test servers asks a terminal for its colours at start, and this one does not answer.
	cmd.Env = append(os.Environ(), "TERM=dumb", "SQLSHELL_TEST_URL="+pg.SuperURL("postgres"), "SQLSHELL_TEST_HISTORY="+history)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = slave.Close()
	s.waits(0, "postgres=> ")
	s.types("select 40 +\r", "postgres-> ")
	s.types("2 as answer;\r", "(1 row)")
	s.types("create temp table a (id int primary key, n text default 'x'); begin;\r", "postgres=*> ")
	s.types("select missing;\r", "postgres=!> ")
	s.types("rollback;\r", "postgres=> ")
	s.types(`\d a`+"\r", "a_pkey")
	s.types(`\dt`+"\r", "(0 rows)")
	s.types(`\x`+"\r"+"select 5 as five;\r", "-[ row 1 ]-")
	s.types("select 'not sent\x03", "postgres=> ")
	before := len(s.text())
	if _, err := s.master.WriteString("select pg_sleep(60);\r"); err != nil {
		t.Fatal(err)
	}
	time.Sleep(300 * time.Millisecond)
	s.types("\x03", "error: cancelled")
	s.waits(before, "postgres=> ")
	s.types("alter role postgres password 'p'||;\r", "error: ")
	s.types("select 'still here' as x;\r", "still here")
	if _, err := s.master.WriteString("\x04"); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v\n%s", err, s.text())
	}
	raw, err := os.ReadFile(history)
	if err != nil || !strings.Contains(string(raw), "select 'still here'") || strings.Contains(string(raw), "password") {
		t.Errorf("history is %q, %v", raw, err)
	}
	if info, err := os.Stat(history); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("history has mode %v", info.Mode())
	}
}
