package lock

import (
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// node tells hosts of the same name apart: the boot, because a PID means nothing after it.
func node() string {
	boot, err := unix.SysctlTimeval("kern.boottime")
	if err != nil {
		return ""
	}
	return strconv.FormatInt(boot.Sec, 10)
}

// processStart returns when a process started: a mark that no other process with the PID can have, and the time.
func processStart(pid int) (string, time.Time, error) {
	p, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if err != nil {
		return "", time.Time{}, fmt.Errorf("process %d: %w", pid, os.ErrNotExist)
	}
	t := p.Proc.P_starttime
	return fmt.Sprintf("%d.%d", t.Sec, t.Usec), time.Unix(t.Sec, int64(t.Usec)*1000), nil
}
