package lock

import (
	"errors"
	"os"
	"os/user"
	"strconv"
	"syscall"
	"time"
)

// slack is how much later than its lock a process may seem to have started: the start is known to a clock tick, and
// boot time to a second.
const slack = 2 * time.Second

// self describes this process.
func self(owner string) content {
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "localhost"
	}
	name := strconv.Itoa(os.Getuid())
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	now := time.Now().UTC()
	start, _, _ := processStart(os.Getpid())
	return content{
		PID: os.Getpid(), Username: name, Hostname: host, Timestamp: now,
		Owner: owner, Node: node(), Start: start, Heartbeat: now,
	}
}

// alive says whether the lock's holder still lives, as far as that can be told from here.
func (c content) alive(now time.Time) bool {
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "localhost"
	}
	if c.Hostname != host || (c.Node != "" && c.Node != node()) {
		// Another host, or a container of the same name. The stock CLI has no heartbeat: its lock is believed.
		return c.Heartbeat.IsZero() || now.Sub(c.Heartbeat) < staleAge
	}
	if err := syscall.Kill(c.PID, 0); errors.Is(err, syscall.ESRCH) {
		return false
	}
	start, started, err := processStart(c.PID)
	if err != nil {
		return !errors.Is(err, os.ErrNotExist)
	}
	if c.Start != "" {
		return c.Start == start
	}
	return started.Before(c.Timestamp.Add(slack)) // else the PID was given to a younger process
}
