package lock

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
	"time"
)

// slack is how much later than its lock a process may seem to have started: the start is known to a clock tick, and
// boot time to a second.
const slack = 2 * time.Second

// Record is the content of a lock. The first four fields are Pulumi's.
type Record struct {
	PID       int       `json:"pid"`
	Username  string    `json:"username"`
	Hostname  string    `json:"hostname"`
	Timestamp time.Time `json:"timestamp"`

	// ID tells two takings of one process apart.
	ID        string    `json:"id,omitempty"`
	Owner     string    `json:"owner,omitempty"`
	Node      string    `json:"node,omitempty"`
	Start     string    `json:"start,omitempty"`
	Heartbeat time.Time `json:"heartbeat,omitzero"`
}

// Self describes this process. Owner is shown to whoever finds the lock held.
func Self(owner string) Record {
	name := strconv.Itoa(os.Getuid())
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	now := time.Now().UTC()
	start, _, _ := processStart(os.Getpid())
	return Record{
		PID: os.Getpid(), Username: name, Hostname: hostname(), Timestamp: now,
		ID: rand.Text(), Owner: owner, Node: node(), Start: start, Heartbeat: now,
	}
}

// Parse reads a record.
func Parse(raw []byte) (Record, error) {
	var r Record
	if err := json.Unmarshal(raw, &r); err != nil {
		return r, fmt.Errorf("read lock: %w", err)
	}
	if r.PID <= 0 || r.Hostname == "" {
		return r, errors.New("lock without a holder")
	}
	return r, nil
}

// Encode is the inverse of [Parse].
func (r Record) Encode() ([]byte, error) {
	raw, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encode lock: %w", err)
	}
	return raw, nil
}

// Holder says who holds the lock.
func (r Record) Holder() Holder {
	owner := r.Owner
	if owner == "" {
		owner = "pulumi (" + r.Username + ")"
	}
	return Holder{Owner: owner, Host: r.Hostname, PID: r.PID, Since: r.Timestamp}
}

// Ours says that plattr wrote the record, not the stock CLI.
func (r Record) Ours() bool { return r.Node != "" || !r.Heartbeat.IsZero() }

// Here says that the holder is, or was, a process of this host, so that its PID can be looked up.
func (r Record) Here() bool {
	return r.Hostname == hostname() && (r.Node == "" || r.Node == node())
}

// Alive says whether the holder still lives, as far as that can be told from here. Age is how long ago the record was
// written by the clock of the store, where the heartbeat alone holds a lock. A negative one means that the store has no
// clock: then the clocks of the hosts are trusted, and on this host the process alone counts.
func (r Record) Alive(age time.Duration) bool {
	if r.Ours() && age >= StaleAge {
		return false
	}
	if !r.Here() {
		// Another host, or a container of the same name. The stock CLI has no heartbeat: its lock is believed.
		return r.Heartbeat.IsZero() || age >= 0 || time.Since(r.Heartbeat) < StaleAge
	}
	if err := syscall.Kill(r.PID, 0); errors.Is(err, syscall.ESRCH) {
		return false
	}
	start, started, err := processStart(r.PID)
	if err != nil {
		return !errors.Is(err, os.ErrNotExist)
	}
	if r.Start != "" {
		return r.Start == start
	}
	return started.Before(r.Timestamp.Add(slack)) // else the PID was given to a younger process
}

func hostname() string {
	host, err := os.Hostname()
	if err != nil || host == "" {
		return "localhost"
	}
	return host
}
