package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// stat returns the fields of /proc/PID/stat after the name (proc_pid_stat(5)); the state is the first of them.
func stat(pid int) ([]string, error) {
	raw, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ESRCH) {
		return nil, ErrGone
	}
	if err != nil {
		return nil, err
	}
	fields := strings.Fields(string(raw[bytes.LastIndexByte(raw, ')')+1:]))
	if len(fields) < 22 {
		return nil, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(fields))
	}
	return fields, nil
}

func startOf(pid int) (uint64, error) {
	fields, err := stat(pid)
	if err != nil {
		return 0, err
	}
	if fields[0] == "Z" || fields[0] == "X" {
		return 0, ErrGone
	}
	start, err := strconv.ParseUint(fields[19], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("/proc/%d/stat: %w", pid, err)
	}
	return start, nil
}

func bootID() (string, error) {
	raw, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(raw)), err
}

// Wait returns when the process has ended, or with the context's error. The process need not be a child.
func (id ID) Wait(ctx context.Context) error {
	fd, err := unix.PidfdOpen(id.PID, 0)
	if err != nil {
		return id.poll(ctx) // it is gone, or the kernel is older than 5.3
	}
	defer unix.Close(fd) //nolint:errcheck // only read
	for id.Alive() {     // after the open: the number could have been used again before it
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(pollEvery.Milliseconds()))
		if n > 0 || err != nil && !errors.Is(err, unix.EINTR) {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// WorkingDir returns the working directory of a process of the same user.
func WorkingDir(pid int) (string, error) { return os.Readlink("/proc/" + strconv.Itoa(pid) + "/cwd") }

// Memory returns what a process and its descendants hold, in bytes: each one's proportional share.
func Memory(pid int) int64 {
	total := rss(pid)
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return total
	}
	for child := range strings.FieldsSeq(string(raw)) {
		if n, err := strconv.Atoi(child); err == nil {
			total += Memory(n)
		}
	}
	return total
}

// rss is the proportional set size, because PostgreSQL's processes share most of their memory.
func rss(pid int) int64 {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(raw)) {
		rest, ok := strings.CutPrefix(line, "Pss:")
		if !ok {
			continue
		}
		kb, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
		if err != nil {
			return 0
		}
		return kb << 10
	}
	return 0
}

// tcpListen is the state of a listening socket in /proc/net/tcp (proc_pid_net(5), enum of net/tcp_states.h).
const tcpListen = "0A"

// Foreign tells whether a TCP port is listened on, and by other processes than pid alone. A pid that has ended listens on
// nothing.
func Foreign(pid, port int) bool {
	sockets := listeners(port)
	return len(sockets) > 0 && !holds(pid, sockets)
}

// Listens tells whether a process, and not another one, listens on a TCP port on which somebody does. It is true where
// nobody can tell.
func Listens(pid, port int) bool {
	return holds(pid, listeners(port))
}

// holds tells whether a process has one of the sockets; true where nobody can tell.
func holds(pid int, sockets map[string]bool) bool {
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	for range looks {
		entries, err := os.ReadDir(dir)
		if errors.Is(err, os.ErrPermission) {
			// Another user's, or one that ends: from when its memory is gone the folder is root's.
			if isEnding(pid) {
				return false
			}
			time.Sleep(time.Millisecond)
			continue
		}
		for _, e := range entries {
			if target, err := os.Readlink(dir + "/" + e.Name()); err == nil && sockets[target] {
				return true
			}
		}
		return false
	}
	return true
}

// isEnding tells whether a process has no memory any more: one that has ended and was not waited for yet, or is about to be.
func isEnding(pid int) bool {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	return err == nil && strings.HasPrefix(string(raw), "0 ")
}

// looks is how often it is looked before something is believed not to be there. The kernel gives the tables of sockets out in
// pieces of a page, and a piece may miss a socket when others come and go between two reads.
const looks = 4

// listeners are the sockets that listen on a TCP port, as links to them in /proc/PID/fd read.
func listeners(port int) map[string]bool {
	sockets := map[string]bool{}
	for i := 0; i < looks && len(sockets) == 0; i++ {
		look(port, sockets)
	}
	return sockets
}

// look reads the tables once.
func look(port int, sockets map[string]bool) {
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		raw, err := os.ReadFile(table)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(raw)) {
			f := strings.Fields(line) // sl local_address rem_address st ...; the inode is the tenth
			if len(f) < 10 || f[3] != tcpListen {
				continue
			}
			_, hex, _ := strings.Cut(f[1], ":")
			if n, err := strconv.ParseUint(hex, 16, 16); err == nil && int(n) == port {
				sockets["socket:["+f[9]+"]"] = true
			}
		}
	}
}
