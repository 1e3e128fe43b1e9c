package migrate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"plattr.dev/plattr/internal/migrate/sqltext"
	"plattr.dev/plattr/internal/sqlshell/libpq"
)

const (
	// lockPoll is how often a waiting run asks for the lock. It asks outside a transaction: a transaction that waits
	// would hold up CREATE INDEX CONCURRENTLY of the run it waits for.
	lockPoll = 200 * time.Millisecond
	// lockSpace keeps our advisory locks apart from the application's own.
	lockSpace = 0x706c6174
	// cleanGrace bounds what is done after a run was cancelled: rolling back, recording what ran.
	cleanGrace = 5 * time.Second
)

// connect opens the database with the schema first in the search path, whatever the role's own is.
func (o Options) connect(ctx context.Context) (*pgx.Conn, error) {
	config, err := o.config()
	if err != nil {
		return nil, err
	}
	return libpq.Connect(ctx, config)
}

func (o Options) config() (*pgx.ConnConfig, error) {
	host, _ := os.Hostname()
	config, err := libpq.Config(o.URL, fmt.Sprintf("plattr, process %d on %.30s", os.Getpid(), host))
	if err != nil {
		return nil, err
	}
	config.RuntimeParams["search_path"] = pgx.Identifier{o.Schema}.Sanitize() + ", extensions"
	config.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) {
		if n.Severity != "DEBUG" {
			_, _ = fmt.Fprintf(o.Stderr, "%s: %s\n", n.Severity, n.Message)
		}
	}
	return config, nil
}

// lock waits for the schema's migration lock. The connection holds it until it is closed, or dies.
func (o Options) lock(ctx context.Context, conn *pgx.Conn) error {
	begun, told := time.Now(), ""
	for {
		var got bool
		if err := conn.QueryRow(ctx, "SELECT pg_try_advisory_lock($1::int, $2::int)", lockSpace, lockKey(o.Schema)).Scan(&got); err != nil {
			return fmt.Errorf("take the migration lock: %w", err)
		}
		if got {
			return nil
		}
		holder, err := o.holder(ctx, conn)
		if err != nil {
			return err
		}
		if holder == nil {
			continue // it was just given back
		}
		if o.LockWait > 0 && time.Since(begun) > o.LockWait {
			return holder
		}
		if told != holder.Holder {
			told = holder.Holder
			o.Progress("waiting for the migration lock, held by " + told)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the migration lock, held by %s: %w", told, ctx.Err())
		case <-time.After(lockPoll):
		}
	}
}

func (o Options) holder(ctx context.Context, conn *pgx.Conn) (*LockedError, error) {
	held := &LockedError{Schema: o.Schema}
	var pid int
	err := conn.QueryRow(ctx, `
		SELECT coalesce(nullif(a.application_name, ''), 'unknown'), l.pid, coalesce(a.backend_start, now())
		FROM pg_locks l LEFT JOIN pg_stat_activity a USING (pid)
		WHERE l.locktype = 'advisory' AND l.granted AND l.classid::bigint = $1 AND l.objid::bigint = $2 AND l.objsubid = 2
			AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
		int64(lockSpace), int64(uint32(lockKey(o.Schema)))).Scan(&held.Holder, &pid, &held.Since)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil //nolint:nilnil // no holder is an answer
	}
	if err != nil {
		return nil, fmt.Errorf("ask who holds the migration lock: %w", err)
	}
	held.Holder = fmt.Sprintf("%s (server process %d)", held.Holder, pid)
	return held, nil
}

func lockKey(schema string) int32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(schema))
	return int32(h.Sum32()) //nolint:gosec // any 32 bits will do
}

// run executes one statement by the simple protocol, which takes every kind of statement, and returns how many rows it
// changed.
func run(ctx context.Context, conn *pgx.Conn, s sqltext.Statement) (int64, error) {
	if s.Copy != nil {
		tag, err := conn.PgConn().CopyFrom(ctx, bytes.NewReader(s.Copy), s.Text)
		return tag.RowsAffected(), err
	}
	results, err := conn.PgConn().Exec(ctx, s.Text).ReadAll()
	if err != nil {
		return 0, err //nolint:wrapcheck // the caller adds file and place
	}
	var rows int64
	for _, r := range results {
		if !r.CommandTag.Select() {
			rows += r.CommandTag.RowsAffected()
		}
	}
	return rows, nil
}

// resetSession undoes what a file set for its session, and keeps the lock, which DISCARD ALL would not.
func resetSession(ctx context.Context, conn *pgx.Conn) error {
	if _, err := conn.PgConn().Exec(ctx, "RESET ALL; RESET ROLE").ReadAll(); err != nil {
		return fmt.Errorf("reset the session: %w", err)
	}
	return nil
}
