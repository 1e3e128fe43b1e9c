package lock

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// ticks is USER_HZ, the unit of times in /proc; it is 100 on every architecture that Go supports.
const ticks = 100

// node tells hosts of the same name apart: the boot, and the PID namespace in which a PID means something.
func node() string {
	boot, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	ns, _ := os.Readlink("/proc/self/ns/pid")
	return strings.TrimSpace(string(boot)) + "/" + ns
}

// processStart returns when a process started: a mark that no other process with the PID can have, and the time. See
// proc(5), /proc/pid/stat field 22 and /proc/stat btime.
func processStart(pid int) (string, time.Time, error) {
	raw, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return "", time.Time{}, err
	}
	// The name, field 2, is in parentheses and may hold anything.
	fields := strings.Fields(string(raw[bytes.LastIndexByte(raw, ')')+1:]))
	if len(fields) < 20 {
		return "", time.Time{}, fmt.Errorf("/proc/%d/stat has no start time", pid)
	}
	if fields[0] == "Z" || fields[0] == "X" {
		return "", time.Time{}, fmt.Errorf("process %d: %w", pid, os.ErrNotExist) // dead, its parent has not looked yet
	}
	after, err := strconv.ParseInt(fields[19], 10, 64)
	if err != nil {
		return "", time.Time{}, fmt.Errorf("/proc/%d/stat: %w", pid, err)
	}
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return "", time.Time{}, err
	}
	for line := range strings.Lines(string(stat)) {
		if v, ok := strings.CutPrefix(line, "btime "); ok {
			boot, err := strconv.ParseInt(strings.TrimSpace(v), 10, 64)
			if err != nil {
				return "", time.Time{}, fmt.Errorf("/proc/stat: %w", err)
			}
			return fields[19], time.Unix(boot, 0).Add(time.Duration(after) * time.Second / ticks), nil
		}
	}
	return "", time.Time{}, fmt.Errorf("/proc/stat has no boot time")
}
