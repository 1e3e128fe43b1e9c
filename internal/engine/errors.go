package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"plattr.dev/plattr/internal/engine/lock"
	"plattr.dev/plattr/internal/engine/secret"
	"plattr.dev/plattr/internal/engine/state"
)

// What a run can fail with. Use errors.Is; [LockedError] and [ResourceError] say more.
var (
	// ErrLocked: another run works on the stack.
	ErrLocked = errors.New("stack is locked")
	// ErrStackNotFound: there is no stack of this name.
	ErrStackNotFound = errors.New("no such stack")
	// ErrStackNotEmpty: a stack that still has resources is not removed.
	ErrStackNotEmpty = errors.New("stack still has resources")
	// ErrProtected: the run would delete a resource that the program protects.
	ErrProtected = errors.New("resource is protected")
	// ErrDecrypt: the key file or passphrase is not the one that the stack was encrypted with.
	ErrDecrypt = errors.New("wrong key or passphrase for this stack")
	// ErrResourceFailed: a provider could not do its work; see [ResourceError].
	ErrResourceFailed = errors.New("resource failed")
	// ErrCancelled: the context was cancelled; the next run continues. It wraps context.Canceled.
	ErrCancelled = fmt.Errorf("run cancelled: %w", context.Canceled)
	// ErrLockLost: the lock on the stack could not be kept, so that another run may work on it; the next run continues.
	ErrLockLost = errors.New("the lock on the stack was lost")
	// ErrDamaged: the stack's file and all its copies are damaged.
	ErrDamaged = errors.New("state is damaged")
)

// knownErrors is the one table from the texts of Pulumi to our errors. The first match wins.
//
//nolint:gochecknoglobals // a table, never written
var knownErrors = []struct {
	text string
	err  error
}{
	{"the stack is currently locked by", ErrLocked},
	{"no stack named", ErrStackNotFound},
	{"still has resources", ErrStackNotEmpty},
	{"because it is protected", ErrProtected},
	{"as it is currently marked for protection", ErrProtected},
	{"incorrect passphrase", ErrDecrypt},
	{"passphrase must be set with", ErrDecrypt},
	{"message authentication failed", ErrDecrypt},
	{"snapshot integrity failure", ErrDamaged},
	{"is damaged and has no copy", ErrDamaged},
	{"context canceled", ErrCancelled},
}

// knownCauses maps the errors of our own parts.
//
//nolint:gochecknoglobals // a table, never written
var knownCauses = map[error]error{
	state.ErrNoStack:     ErrStackNotFound,
	secret.ErrPassphrase: ErrDecrypt,
	context.Canceled:     ErrCancelled,
	lock.ErrLost:         ErrLockLost,
}

// known gives an error its sentinel, by type when it comes from this process, else by text.
func known(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return cancelled{err}
	}
	for cause, sentinel := range knownCauses {
		if errors.Is(err, cause) {
			return wrap(sentinel, err)
		}
	}
	if sentinel := lookUp(err.Error()); sentinel != nil {
		return wrap(sentinel, err)
	}
	return err
}

// lookUp returns the error of a text of Pulumi, or nil.
func lookUp(text string) error {
	for _, k := range knownErrors {
		if strings.Contains(text, k.text) {
			return k.err
		}
	}
	return nil
}

// wrap joins a sentinel to an error without saying the same twice.
func wrap(sentinel, err error) error {
	if errors.Is(err, sentinel) {
		return err
	}
	return classified{sentinel: sentinel, error: err}
}

// classified reads like the error it holds and is the sentinel too.
type classified struct {
	error
	sentinel error
}

func (c classified) Error() string {
	if errors.Is(c.sentinel, ErrDecrypt) || errors.Is(c.sentinel, ErrStackNotFound) {
		return c.sentinel.Error()
	}
	return c.error.Error()
}

func (c classified) Unwrap() []error {
	if c.sentinel == nil {
		return []error{c.error}
	}
	return []error{c.sentinel, c.error}
}

// cancelled is a run that was cancelled; what the resources said while they stopped is of no interest.
type cancelled struct{ cause error }

func (cancelled) Error() string     { return "run cancelled; the next run continues where it stopped" }
func (c cancelled) Unwrap() []error { return []error{ErrCancelled, c.cause} }

// LockedError says who works on the stack. PID 0 means that it is not known.
type LockedError struct {
	Stack string
	Owner string
	Host  string
	PID   int
	Since time.Time
}

func (e *LockedError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("stack %s is locked by another process", e.Stack)
	}
	return fmt.Sprintf("stack %s is locked by %s (PID %d on %s) since %s",
		e.Stack, e.Owner, e.PID, e.Host, e.Since.Local().Format(time.DateTime))
}

// Is makes the error match [ErrLocked].
func (e *LockedError) Is(target error) bool { return target == ErrLocked }

// ResourceError is a resource that could not be created, updated, read or deleted.
type ResourceError struct {
	URN  string
	Type string
	Name string
	// Operation is what was attempted, for example "create"; empty when the inputs were refused.
	Operation Operation
	// Cause is the provider's own message.
	Cause error
}

func (e *ResourceError) Error() string {
	if e.Operation == "" {
		return fmt.Sprintf("%s %s: %s", e.Type, e.Name, e.Cause)
	}
	return fmt.Sprintf("%s %s %s: %s", e.Operation, e.Type, e.Name, e.Cause)
}

func (e *ResourceError) Unwrap() error { return e.Cause }

// Is makes the error match [ErrResourceFailed].
func (e *ResourceError) Is(target error) bool { return target == ErrResourceFailed }
