package process

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// zombie is SZOMB of sys/proc.h.
const zombie = 5

func startOf(pid int) (uint64, error) {
	info, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if err != nil || int(info.Proc.P_pid) != pid || info.Proc.P_stat == zombie {
		return 0, ErrGone
	}
	t := info.Proc.P_starttime
	return uint64(t.Sec)*1_000_000 + uint64(t.Usec), nil // times after 1970
}

func bootID() (string, error) {
	t, err := unix.SysctlTimeval("kern.boottime")
	if err != nil {
		return "", err
	}
	return fmt.Sprint(t.Sec), nil
}

// Wait returns when the process has ended, or with the context's error. The process need not be a child.
func (id ID) Wait(ctx context.Context) error { return id.poll(ctx) }

// WorkingDir is not known on this system.
func WorkingDir(int) (string, error) { return "", errors.ErrUnsupported }

// Memory is not known on this system.
func Memory(int) int64 { return 0 }

// Foreign cannot be told on this system.
func Foreign(int, int) bool { return false }

// Listens cannot be told on this system.
func Listens(int, int) bool { return true }
