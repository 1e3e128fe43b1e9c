package server

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// ChangeLock is the advisory lock that a change holds in its database: "plattr" in ASCII. PostgreSQL refuses two
// grants on one object at once ("tuple concurrently updated"), from whichever process they come.
const ChangeLock = 0x706c61747472

// maxConflicts is how often a change is done again after a conflict with somebody who does not take the lock.
const maxConflicts = 12

// Conn is a connection as readers and changes use it.
type Conn interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	Conn() *pgx.Conn
}

// Server is one PostgreSQL server. It connects when it is first asked for something. Methods may be called at once
// from many goroutines.
type Server struct {
	config Config

	mu    sync.Mutex
	pools map[string]*pgxpool.Pool
}

// New returns a server that has not been dialled yet.
func New(config Config) *Server {
	return &Server{config: config.withDefaults(), pools: map[string]*pgxpool.Pool{}}
}

// Config returns the settings with the defaults filled in.
func (s *Server) Config() Config { return s.config }

// Database is where roles and databases are managed from.
func (s *Server) Database() string { return s.config.Database }

// Close ends all connections.
func (s *Server) Close() {
	s.mu.Lock()
	pools := s.pools
	s.pools = map[string]*pgxpool.Pool{}
	s.mu.Unlock()
	for _, p := range pools {
		p.Close()
	}
}

// Forget ends the connections to one database, which is about to be dropped.
func (s *Server) Forget(database string) {
	s.mu.Lock()
	p := s.pools[database]
	delete(s.pools, database)
	s.mu.Unlock()
	if p != nil {
		p.Close()
	}
}

// Do calls fn with a connection to a database, outside a transaction. After a lost connection or while the server is
// busy fn is called again: it must be able to begin anew.
func (s *Server) Do(ctx context.Context, database string, fn func(ctx context.Context, c Conn) error) error {
	return s.again(ctx, func() error {
		pool, err := s.pool(database)
		if err != nil {
			return err
		}
		c, err := pool.Acquire(ctx)
		if err != nil {
			return err //nolint:wrapcheck // explained by again
		}
		defer c.Release()
		return fn(ctx, c)
	})
}

// Change calls fn in a transaction that no other change in that database runs beside, and commits. fn may be called
// again after a conflict, so it must look at what is there first.
func (s *Server) Change(ctx context.Context, database string, fn func(ctx context.Context, tx Conn) error) error {
	return s.Do(ctx, database, func(ctx context.Context, c Conn) error {
		tx, err := c.Conn().Begin(ctx)
		if err != nil {
			return err //nolint:wrapcheck // explained by Do
		}
		defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }() // no-op after the commit
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", int64(ChangeLock)); err != nil {
			return fmt.Errorf("wait for other changes in database %q: %w", database, err)
		}
		if err := fn(ctx, tx); err != nil {
			return err
		}
		return tx.Commit(ctx)
	})
}

// Accepts says whether a role can log in with a password. It is the only way to see that a password was changed for
// an administrator who may not read pg_authid. An error other than the refusal itself counts as accepted: it says
// nothing about the password.
func (s *Server) Accepts(ctx context.Context, role, password string) bool {
	trial := s.config
	trial.Username, trial.Password = role, password
	conf, err := trial.conn(s.config.Database)
	if err != nil {
		return true
	}
	c, err := pgx.ConnectConfig(ctx, conf)
	if err != nil {
		return Code(err) != codeInvalidPassword
	}
	_ = c.Close(context.WithoutCancel(ctx))
	return true
}

// Major is the server's major version.
func Major(c Conn) int {
	version := c.Conn().PgConn().ParameterStatus("server_version")
	digits := strings.FieldsFunc(version, func(r rune) bool { return r < '0' || r > '9' })
	if len(digits) == 0 {
		return 0
	}
	n, _ := strconv.Atoi(digits[0])
	return n
}

func (s *Server) pool(database string) (*pgxpool.Pool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.pools[database]; p != nil {
		return p, nil
	}
	conf, err := s.config.pool(database)
	if err != nil {
		return nil, err
	}
	// The pool's own context must outlive the operation that happens to come first.
	p, err := pgxpool.NewWithConfig(context.Background(), conf)
	if err != nil {
		return nil, fmt.Errorf("connections to %s: %w", s.config.Address(), err)
	}
	s.pools[database] = p
	return p, nil
}

// again calls attempt until it succeeds or fails for good.
func (s *Server) again(ctx context.Context, attempt func() error) error {
	deadline := time.Now().Add(s.config.ConnectTimeout)
	lost := 0
	for n := 1; ; n++ {
		err := attempt()
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return errors.Join(ctx.Err(), err)
		case isConflict(err) && n <= maxConflicts:
		case isBusy(err) && time.Now().Before(deadline):
		case isLost(err) && lost == 0: // a pooled connection that died while nobody looked
			lost++
		default:
			return s.config.explain(err)
		}
		wait := time.Duration(n) * time.Duration(10+rand.IntN(20)) * time.Millisecond //nolint:gosec // spreads retries
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(min(wait, time.Second)):
		}
	}
}
