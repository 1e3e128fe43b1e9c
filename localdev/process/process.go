// Package process names operating system processes so that one can be recognised later, by another process, after a
// crash or a restart of the machine: a process number alone is used again.
package process

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"
)

// ID is one process of one boot of the machine.
type ID struct {
	PID   int    `json:"pid"`
	Start uint64 `json:"start"` // when it began, in the kernel's own unit
	Boot  string `json:"boot"`  // the machine's boot
}

// ErrGone says that the process has ended.
var ErrGone = errors.New("the process has ended")

// Identify returns the ID of a running process.
func Identify(pid int) (ID, error) {
	start, err := startOf(pid)
	if err != nil {
		return ID{}, fmt.Errorf("identify process %d: %w", pid, err)
	}
	boot, err := bootID()
	if err != nil {
		return ID{}, fmt.Errorf("identify process %d: %w", pid, err)
	}
	return ID{PID: pid, Start: start, Boot: boot}, nil
}

// Alive tells whether this very process still runs (a zombie does not).
func (id ID) Alive() bool {
	if id.PID <= 0 {
		return false
	}
	now, err := Identify(id.PID)
	return err == nil && now == id
}

// SameBoot tells whether the machine was not started again since.
func (id ID) SameBoot() bool {
	boot, err := bootID()
	return err == nil && boot == id.Boot
}

// Signal sends a signal to this very process, or returns ErrGone.
func (id ID) Signal(sig syscall.Signal) error {
	if !id.Alive() {
		return ErrGone
	}
	err := syscall.Kill(id.PID, sig)
	if errors.Is(err, syscall.ESRCH) {
		return ErrGone
	}
	if err != nil {
		return fmt.Errorf("send %s to process %d: %w", sig, id.PID, err)
	}
	return nil
}

// pollEvery is how often Wait looks where the system cannot tell at once.
const pollEvery = 100 * time.Millisecond

// poll waits for the end of a process by looking again and again.
func (id ID) poll(ctx context.Context) error {
	for id.Alive() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pollEvery):
		}
	}
	return nil
}
