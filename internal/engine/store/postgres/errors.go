package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"plattr.dev/plattr/internal/engine/lock"
	"plattr.dev/plattr/internal/lostconn"
)

// SQLSTATE codes that decide what happens next. Source: PostgreSQL documentation, appendix A.
const (
	codeInvalidPassword      = "28P01"
	codeInvalidAuthorization = "28000"
	codeNoDatabase           = "3D000"
	codeNoSchema             = "3F000"
	codeNoTable              = "42P01"
	codeInsufficientRights   = "42501"
	codeSerializationFailure = "40001"
	codeDeadlockDetected     = "40P01"
	codeTooManyConnections   = "53300"
	codeAdminShutdown        = "57P01"
	codeCrashShutdown        = "57P02"
	codeCannotConnectNow     = "57P03"
)

func code(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code
	}
	return ""
}

// passing says that a moment later it may work.
func passing(err error) bool {
	return lost(err) || slices.Contains([]string{
		codeSerializationFailure, codeDeadlockDetected, codeTooManyConnections, codeAdminShutdown, codeCrashShutdown,
		codeCannotConnectNow,
	}, code(err))
}

func lost(err error) bool {
	return err != nil && (lostconn.Is(err) || strings.Contains(err.Error(), "conn closed"))
}

// again repeats what failed for a passing reason. All that is repeated here may be done twice.
func (s *Store) again(ctx context.Context, attempt func() error) error {
	for n := 1; ; n++ {
		err := attempt()
		if err == nil || !passing(err) || n == attempts || ctx.Err() != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(time.Duration(n) * 100 * time.Millisecond):
		}
	}
}

// run does something with the table. When that is gone, with its database or a crash that lost it, it is made again.
func (s *Store) run(ctx context.Context, doing string, do func(pool *pgxpool.Pool) error) error {
	for n := 1; ; n++ {
		pool, err := s.open(ctx)
		if err != nil {
			return err
		}
		err = s.again(ctx, func() error { return do(pool) })
		if n == 1 && (code(err) == codeNoTable || code(err) == codeNoSchema) {
			s.mu.Lock()
			s.made = false
			s.mu.Unlock()
			continue
		}
		if errors.Is(err, pgx.ErrNoRows) || errors.Is(err, lock.ErrLost) {
			return err
		}
		return s.explain(err, doing)
	}
}

// stateError is a failure in one line with what to do about it; the driver's own text says what it tried in between.
type stateError struct {
	text string
	err  error
}

func (e *stateError) Error() string { return e.text }
func (e *stateError) Unwrap() error { return e.err }

func (s *Store) explain(err error, doing string) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	return &stateError{text: fmt.Sprintf("state %s: cannot %s: %s", redacted(s.url), doing, s.reason(err)), err: err}
}

func (s *Store) reason(err error) string {
	c := s.config.ConnConfig
	var pg *pgconn.PgError
	var dns *net.DNSError
	var errno syscall.Errno
	var timeout interface{ Timeout() bool }
	switch {
	case errors.As(err, &pg):
		return s.answer(pg)
	case errors.As(err, &dns):
		return fmt.Sprintf("the host %s is not known: correct the state URL", c.Host)
	case errors.As(err, &errno):
		return fmt.Sprintf("the server cannot be reached (%v): check that it runs and that the state URL is right", errno)
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return "the server does not answer: check host and port of the state URL"
	case lost(err):
		return "the server closed the connection"
	}
	text := err.Error()
	if i := strings.LastIndex(text, ": "); i >= 0 {
		text = text[i+2:]
	}
	return strings.TrimSpace(text)
}

func (s *Store) answer(pg *pgconn.PgError) string {
	c := s.config.ConnConfig
	switch pg.Code {
	case codeInvalidPassword, codeInvalidAuthorization:
		return fmt.Sprintf("the server does not let %q in (%s): check user and password of the state URL", c.User, pg.Message)
	case codeNoDatabase:
		return fmt.Sprintf("there is no database %q: create it, or correct the state URL", c.Database)
	case codeInsufficientRights:
		return fmt.Sprintf("access denied (%s): grant CREATE on the database to %q once, or all rights on the schema %s",
			pg.Message, c.User, schema)
	}
	return pg.Message
}

// parseReason is what is wrong with a URL; the driver's text holds the whole URL.
func parseReason(err error) string {
	var parse *pgconn.ParseConfigError
	if !errors.As(err, &parse) {
		return "it cannot be read"
	}
	text := parse.Error()
	if i := strings.LastIndex(text, "`: "); i >= 0 {
		text = text[i+3:]
	}
	// What is in parentheses may repeat the URL, except for this.
	if i := strings.Index(text, " ("); i >= 0 && !strings.HasPrefix(text, "failed to configure TLS") {
		text = text[:i]
	}
	return text
}
