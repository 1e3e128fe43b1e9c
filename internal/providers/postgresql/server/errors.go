package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"

	"plattr.dev/plattr/internal/lostconn"
)

// ConnectError says that no connection could be made, or that one was lost: it names the server and the reason in one
// line, without what the driver tried in between.
type ConnectError struct {
	// Address is host:port.
	Address string
	// User is who tried to log in.
	User string
	// Lost is true when the connection had been there.
	Lost bool
	// Reason is one short phrase.
	Reason string

	err error
}

func (e *ConnectError) Error() string {
	if e.Lost {
		return fmt.Sprintf("PostgreSQL at %s closed the connection: %s", e.Address, e.Reason)
	}
	return fmt.Sprintf("connect to PostgreSQL at %s as %q: %s", e.Address, e.User, e.Reason)
}

func (e *ConnectError) Unwrap() error { return e.err }

// Code is the SQLSTATE of an error that the server sent, else empty.
func Code(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code
	}
	return ""
}

// IsNoDatabase says that the database of an operation does not exist.
func IsNoDatabase(err error) bool { return Code(err) == codeInvalidCatalogName }

// IsDuplicate says that a thing was made by somebody else in the meantime.
func IsDuplicate(err error) bool {
	switch Code(err) {
	case codeDuplicateObject, codeDuplicateDatabase, codeDuplicateSchema,
		codeDuplicateFunction, codeUniqueViolation:
		return true
	}
	return false
}

// isConflict says that two changes of one catalog row met; the whole transaction can be done again.
func isConflict(err error) bool {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return false
	}
	switch pg.Code {
	case codeSerializationFailure, codeDeadlockDetected:
		return true
	case codeInternalError: // "tuple concurrently updated", "tuple concurrently deleted"
		return strings.Contains(pg.Message, "concurrently")
	}
	return false
}

// isBusy says that the server is starting or has no free slot: a moment later it may have.
func isBusy(err error) bool {
	switch Code(err) {
	case codeTooManyConnections, codeCannotConnectNow:
		return true
	}
	return false
}

// isLost says that an established connection is no more.
func isLost(err error) bool {
	switch Code(err) {
	case codeAdminShutdown, codeDatabaseDropped, codeCrashShutdown:
		return true
	}
	return lostconn.Is(err) || err != nil && strings.Contains(err.Error(), "conn closed")
}

// explain gives an error of the driver its one-line form.
func (c Config) explain(err error) error {
	var connect *pgconn.ConnectError
	var timeout interface{ Timeout() bool }
	switch {
	case err == nil || errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &connect):
		return &ConnectError{Address: c.Address(), User: c.Username, Reason: reason(err), err: err}
	case isLost(err):
		return &ConnectError{Address: c.Address(), User: c.Username, Lost: true, Reason: reason(err), err: err}
	case Code(err) == "" && errors.As(err, &timeout) && timeout.Timeout():
		return &ConnectError{Address: c.Address(), User: c.Username, Lost: true, Reason: "no answer in time", err: err}
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Detail != "" { // what depends on the thing, or is in the way
		return fmt.Errorf("%w: %s", err, strings.Join(strings.Fields(pg.Detail), " "))
	}
	return err
}

// reason is the innermost cause, which is what a person can act on.
func reason(err error) string {
	var pg *pgconn.PgError
	var dns *net.DNSError
	var errno syscall.Errno
	var timeout interface{ Timeout() bool }
	switch {
	case errors.As(err, &pg):
		return pg.Message
	case errors.As(err, &dns):
		return "the host's name is not known"
	case errors.As(err, &errno):
		return errno.Error()
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return "no answer in time"
	case isLost(err):
		return "the server went away"
	}
	text := err.Error()
	if i := strings.LastIndex(text, ": "); i >= 0 {
		text = text[i+2:]
	}
	return strings.TrimSpace(text)
}

// IsInUse says that a database cannot be dropped yet: a session is still in it, or is one that only a superuser may
// end.
func IsInUse(err error) bool {
	switch Code(err) {
	case codeObjectInUse:
		return true
	case codeInsufficientRights:
		return strings.Contains(err.Error(), "terminat") // "permission denied to terminate process", "whose process is being terminated"
	}
	return false
}

// IsNeeded says that a thing cannot be dropped because others depend on it.
func IsNeeded(err error) bool { return Code(err) == codeDependentObjects }

// IsClosed says that a database takes no connections for now: it is being reset, or a reset was killed.
func IsClosed(err error) bool {
	return Code(err) == codeNotInState && strings.Contains(err.Error(), "not currently accepting connections")
}
