package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"plattr.dev/plattr/internal/engine/lock"
	"plattr.dev/plattr/internal/engine/store"
)

const (
	// patience is how long [Store.Lock] looks again for a lock that is being released in this moment, or whose process
	// died just now.
	patience = time.Second
	pause    = 50 * time.Millisecond
	// renewal bounds one heartbeat.
	renewal = 25 * time.Second
)

// Lock takes the lock in a folder, or returns a [lock.HeldError]. It is an advisory lock of a session on a connection of
// its own: the server gives it to one, and frees it when the process dies. It lets go of a session from which nothing
// was heard for a minute, too. What lies in the folder says who holds it, and keeps the stock CLI out.
func (s *Store) Lock(ctx context.Context, dir, owner string) (*lock.Lock, error) {
	if _, err := s.open(ctx); err != nil { // the schema
		return nil, err
	}
	var conn *pgx.Conn
	err := s.again(ctx, func() (err error) {
		conn, err = s.session(ctx)
		return err
	})
	if err != nil {
		return nil, s.explain(err, "lock the stack")
	}
	l, err := s.take(ctx, conn, dir, owner)
	if err != nil {
		closeNow(conn)
		return nil, err
	}
	return l, nil
}

// session opens a connection whose end the server notices: a process that is cut off says nothing.
func (s *Store) session(ctx context.Context) (*pgx.Conn, error) {
	config := s.config.ConnConfig.Copy()
	config.RuntimeParams["application_name"] = "plattr lock"
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, err //nolint:wrapcheck // explained by the caller
	}
	for _, sql := range []string{
		"SELECT set_config('tcp_keepalives_idle', '20', false), set_config('tcp_keepalives_interval', '10', false), " +
			"set_config('tcp_keepalives_count', '4', false)",
		"SELECT set_config('idle_session_timeout', '60s', false) WHERE current_setting('server_version_num')::int >= 140000",
	} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			closeNow(conn)
			return nil, err //nolint:wrapcheck // explained by the caller
		}
	}
	return conn, nil
}

func closeNow(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = conn.Close(ctx) // its end frees what it held
}

func (s *Store) take(ctx context.Context, conn *pgx.Conn, dir, owner string) (*lock.Lock, error) {
	if err := s.acquire(ctx, conn, dir); err != nil {
		return nil, err
	}
	mine := lock.Self(owner)
	taken := time.Now()
	g := &grip{store: s, conn: conn, key: dir + "/" + mine.ID + ".json"}
	if err := s.clean(ctx, dir, ""); err != nil {
		return nil, err
	}
	raw, err := mine.Encode()
	if err != nil {
		return nil, err
	}
	if err := s.change(ctx, conn, store.Put(g.key, raw)); err != nil {
		return nil, s.explain(err, "lock the stack")
	}
	if err := s.clean(ctx, dir, g.key); err != nil {
		return nil, errors.Join(err, g.Release(ctx))
	}
	return lock.Hold(g.key, mine, taken, g), nil
}

// acquire waits a moment for the advisory lock. No transaction is open meanwhile.
func (s *Store) acquire(ctx context.Context, conn *pgx.Conn, dir string) error {
	for deadline := time.Now().Add(patience); ; {
		var ok bool
		if err := conn.QueryRow(ctx, "SELECT pg_try_advisory_lock($1)", s.number(dir)).Scan(&ok); err != nil {
			return s.explain(err, "lock the stack")
		}
		if ok {
			return nil
		}
		holder, silent, err := s.holder(ctx, dir)
		if err != nil {
			return err
		}
		switch {
		case silent:
			if err := s.end(ctx, conn, dir); err != nil {
				return err
			}
		case holder != nil && (holder.Alive || time.Now().After(deadline)):
			return &lock.HeldError{Holder: holder.Record.Holder()}
		case time.Now().After(deadline):
			return &lock.HeldError{}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

// number is the advisory lock of a folder. The database is part of the lock already.
func (s *Store) number(dir string) int64 {
	sum := sha256.Sum256([]byte("plattr state lock\x00" + dir))
	return int64(binary.BigEndian.Uint64(sum[:8])) //nolint:gosec // any 64 bits will do
}

// holder returns the record of the process of ours that holds the lock, if there is one. Silent says that nothing was
// heard from it for a minute.
func (s *Store) holder(ctx context.Context, dir string) (holder *store.Seen, silent bool, err error) {
	seen, err := store.Locks(ctx, s, dir)
	if err != nil {
		return nil, false, err
	}
	for _, l := range seen {
		if !l.Torn && l.Record.Ours() {
			return &l, l.Age >= lock.StaleAge, nil
		}
	}
	return nil, false, nil
}

// end ends the session of a silent holder, which PostgreSQL before 14 does not do by itself.
func (s *Store) end(ctx context.Context, conn *pgx.Conn, dir string) error {
	n := uint64(s.number(dir)) //nolint:gosec // the same bits
	_, err := conn.Exec(ctx, "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1 "+
		"AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) "+
		"AND classid = $1::text::oid AND objid = $2::text::oid AND granted",
		fmt.Sprint(n>>32), fmt.Sprint(n&0xffffffff))
	return s.explain(err, "end the session of a lock's holder that is gone")
}

// clean removes what dead processes left in dir and returns a [lock.HeldError] for a live lock of the stock CLI. The
// advisory lock is held, so that every other record of ours is of a process that cannot write any more.
func (s *Store) clean(ctx context.Context, dir, except string) error {
	seen, err := store.Locks(ctx, s, dir)
	if err != nil {
		return err
	}
	for _, l := range seen {
		if l.Key == except {
			continue
		}
		if l.Alive && !l.Record.Ours() {
			return &lock.HeldError{Holder: l.Record.Holder()}
		}
		if err := s.Apply(ctx, nil, store.Delete(l.Key)); err != nil {
			return err
		}
	}
	return nil
}

// grip is a held lock: a session and a record.
type grip struct {
	store *Store
	conn  *pgx.Conn
	key   string
}

// Watch listens to the session: its end is noticed at once.
func (g *grip) Watch(ctx context.Context) error {
	for {
		_, err := g.conn.WaitForNotification(ctx)
		switch {
		case ctx.Err() != nil && !g.conn.IsClosed():
			return nil
		case err != nil:
			return g.lost(err)
		}
	}
}

func (g *grip) lost(err error) error {
	return fmt.Errorf("%w: %w", lock.ErrLost, g.store.explain(err, "keep the session of the lock"))
}

// Renew writes the heartbeat through the session. Without the session there is no lock.
func (g *grip) Renew(ctx context.Context, r lock.Record) error {
	ctx, cancel := context.WithTimeout(ctx, renewal)
	defer cancel()
	raw, err := r.Encode()
	if err != nil {
		return err
	}
	data, err := encode(raw)
	if err != nil {
		return err
	}
	tag, err := g.conn.Exec(ctx, "UPDATE "+table+" SET data = $2::text::json, updated_at = now() WHERE key = $1",
		g.store.prefix+g.key, data)
	switch {
	case err != nil && g.conn.IsClosed():
		return g.lost(err)
	case err != nil:
		return g.store.explain(err, "renew the lock")
	case tag.RowsAffected() == 0:
		return fmt.Errorf("%w: somebody removed it", lock.ErrLost)
	}
	return nil
}

// Expires is true: a server that does not answer may have ended the session.
func (g *grip) Expires() bool { return true }

// Release removes the record and ends the session. When that is gone already, whoever comes next removes the record.
func (g *grip) Release(ctx context.Context) error {
	defer closeNow(g.conn)
	if g.conn.IsClosed() {
		return nil
	}
	err := g.store.change(ctx, g.conn, store.Delete(g.key))
	if g.conn.IsClosed() {
		return nil
	}
	return g.store.explain(err, "give the lock back")
}
