// Package postgres is the store of stacks in a PostgreSQL database: the table that the stock CLI would make, in a schema
// of its own. Changes are made in one transaction; a lock is an advisory lock of a session, and whoever lost it cannot
// write any more.
package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"plattr.dev/plattr/internal/engine/lock"
	"plattr.dev/plattr/internal/engine/store"
)

const (
	// schema is made when it is absent, and in it the table that the stock CLI calls pulumi_state.
	schema = "plattr_state"
	table  = `"plattr_state"."pulumi_state"`
	// connections is how many of them the store keeps at most, besides one for each held lock.
	connections = 8
	idle        = 30 * time.Second
	dialTimeout = 10 * time.Second
	// attempts is how often a transaction is made that met a server which is restarting, or another one on its way.
	attempts = 5
)

// Store is a database. It is safe for concurrent use.
type Store struct {
	url    *url.URL
	config *pgxpool.Config
	prefix string // of the keys, with a slash at its end

	mu   sync.Mutex
	pool *pgxpool.Pool
	made bool // the table is there
}

// Open reads a postgres:// URL with the name of the database. No server is asked before the first operation.
func Open(u *url.URL) (*Store, error) {
	database := strings.TrimPrefix(u.Path, "/")
	if u.Host == "" || database == "" || strings.Contains(database, "/") {
		return nil, fmt.Errorf("state URL %s: want postgres://user:password@host:port/database", redacted(u))
	}
	for _, name := range []string{"search_path", "table"} {
		if u.Query().Has(name) {
			return nil, fmt.Errorf("state URL %s: the parameter %s cannot be set: the state lies in the schema %s",
				redacted(u), name, schema)
		}
	}
	config, err := pgxpool.ParseConfig(u.String())
	if err != nil {
		return nil, fmt.Errorf("state URL %s: %s", redacted(u), parseReason(err))
	}
	config.MaxConns, config.MinConns, config.MaxConnIdleTime = connections, 0, idle
	if config.ConnConfig.ConnectTimeout == 0 {
		config.ConnConfig.ConnectTimeout = dialTimeout
	}
	// Prepared statements do not survive a pooler between us and the server.
	config.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeExec
	config.ConnConfig.RuntimeParams["application_name"] = "plattr"
	return &Store{url: u, config: config, prefix: database + "/"}, nil
}

// redacted shows a URL without its password and parameters, which may hold one.
func redacted(u *url.URL) string {
	short := url.URL{Scheme: u.Scheme, User: u.User, Host: u.Host, Path: u.Path}
	return short.Redacted()
}

// URL returns the URL for the stock CLI, password included.
func (s *Store) URL() string {
	u := *s.url
	q := u.Query()
	q.Set("search_path", schema)
	u.RawQuery, u.Scheme = q.Encode(), "postgres"
	return u.String()
}

// Secrets are the texts of [Store.URL] that no message may hold.
func (s *Store) Secrets() []string {
	password := s.config.ConnConfig.Password
	if password == "" {
		return nil
	}
	texts := []string{password, url.QueryEscape(password), url.PathEscape(password)}
	if s.url.User != nil {
		_, encoded, _ := strings.Cut(s.url.User.String(), ":")
		texts = append(texts, encoded)
	}
	return texts
}

// Close ends the connections that no lock holds.
func (s *Store) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pool != nil {
		s.pool.Close()
		s.pool, s.made = nil, false
	}
}

// open returns the connections, and makes schema and table the first time.
func (s *Store) open(ctx context.Context) (*pgxpool.Pool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pool == nil {
		// The pool's own context must outlive the operation that happens to come first.
		pool, err := pgxpool.NewWithConfig(context.Background(), s.config.Copy())
		if err != nil {
			return nil, s.explain(err, "connect")
		}
		s.pool = pool
	}
	if !s.made {
		if err := s.again(ctx, func() error { return s.make(ctx, s.pool) }); err != nil {
			return nil, s.explain(err, "make the schema "+schema)
		}
		s.made = true
	}
	return s.pool, nil
}

// make makes schema and table as the stock CLI would. It looks first: whoever may use them need not be allowed to.
func (s *Store) make(ctx context.Context, pool *pgxpool.Pool) error {
	var there bool
	err := pool.QueryRow(ctx, "SELECT to_regclass($1) IS NOT NULL", table).Scan(&there)
	if err != nil || there {
		return err //nolint:wrapcheck // explained by the caller
	}
	// Two that come first at the same moment wait for each other: IF NOT EXISTS alone is no protection.
	//nolint:wrapcheck // explained by the caller
	return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		for _, sql := range []string{
			"SELECT pg_advisory_xact_lock(hashtextextended('" + schema + "', 0))",
			"CREATE SCHEMA IF NOT EXISTS " + pgx.Identifier{schema}.Sanitize(),
			"CREATE TABLE IF NOT EXISTS " + table + " (key TEXT PRIMARY KEY, data JSON NOT NULL, " +
				"updated_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now())",
			"CREATE INDEX IF NOT EXISTS pulumi_state_key_prefix_idx ON " + table + " (key text_pattern_ops)",
		} {
			if _, err := tx.Exec(ctx, sql); err != nil {
				return err //nolint:wrapcheck // explained by the caller
			}
		}
		return nil
	})
}

// blob is an object as the stock CLI stores it.
type blob struct {
	Data []byte `json:"data"`
}

func encode(data []byte) (string, error) {
	raw, err := json.Marshal(blob{Data: data})
	return string(raw), err
}

// Read returns the content of an object.
func (s *Store) Read(ctx context.Context, key string) ([]byte, error) {
	var raw string
	err := s.row(ctx, key, "SELECT data::text FROM "+table+" WHERE key = $1", &raw)
	if err != nil {
		return nil, err
	}
	var b blob
	if err := json.Unmarshal([]byte(raw), &b); err != nil {
		return nil, fmt.Errorf("state %s: read %s: %w", redacted(s.url), key, err)
	}
	return b.Data, nil
}

// Stat describes an object. The age is told by the server's clock.
func (s *Store) Stat(ctx context.Context, key string) (store.Object, error) {
	var o store.Object
	var age float64
	err := s.row(ctx, key, "SELECT xmin::text, updated_at, extract(epoch FROM clock_timestamp() - updated_at)::float8 FROM "+
		table+" WHERE key = $1", &o.Version, &o.Modified, &age)
	o.Version += " " + o.Modified.String()
	o.Age = time.Duration(max(0, age) * float64(time.Second))
	return o, err
}

func (s *Store) row(ctx context.Context, key, sql string, into ...any) error {
	err := s.run(ctx, "read "+key, func(pool *pgxpool.Pool) error {
		return pool.QueryRow(ctx, sql, s.prefix+key).Scan(into...)
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("%w: %s", store.ErrAbsent, key)
	}
	return err
}

// List returns the keys that begin with prefix, sorted.
func (s *Store) List(ctx context.Context, prefix string) ([]string, error) {
	var keys []string
	err := s.run(ctx, "list "+prefix, func(pool *pgxpool.Pool) error {
		rows, err := pool.Query(ctx, "SELECT key FROM "+table+` WHERE key LIKE $1 ORDER BY key COLLATE "C"`,
			escape(s.prefix+prefix)+"%")
		if err != nil {
			return err //nolint:wrapcheck // explained by run
		}
		keys, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err //nolint:wrapcheck // explained by run
	})
	for i := range keys {
		keys[i] = strings.TrimPrefix(keys[i], s.prefix)
	}
	return keys, err
}

// escape makes a pattern of LIKE that matches the text alone.
func escape(text string) string {
	return strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(text)
}

// Apply makes the changes in one transaction. Under a lock it is one with the lock's record: whoever takes the lock over
// removes that first, and so either waits for the transaction or makes it fail.
func (s *Store) Apply(ctx context.Context, l *lock.Lock, changes ...store.Change) error {
	if len(changes) == 0 {
		return nil
	}
	return s.run(ctx, "write", func(pool *pgxpool.Pool) error {
		return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error { return s.apply(ctx, tx, l, changes) })
	})
}

func (s *Store) apply(ctx context.Context, tx pgx.Tx, l *lock.Lock, changes []store.Change) error {
	if l != nil {
		tag, err := tx.Exec(ctx, "SELECT 1 FROM "+table+" WHERE key = $1 FOR KEY SHARE", s.prefix+l.Key)
		if err != nil {
			return err //nolint:wrapcheck // explained by the caller
		}
		if tag.RowsAffected() == 0 {
			return fmt.Errorf("%w: another process took it over, or somebody removed it", lock.ErrLost)
		}
	}
	for _, c := range changes {
		if err := s.change(ctx, tx, c); err != nil {
			return err
		}
	}
	return nil
}

const upsert = " ON CONFLICT (key) DO UPDATE SET data = excluded.data, updated_at = now()"

// execer is a connection or a transaction.
type execer interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

func (s *Store) change(ctx context.Context, db execer, c store.Change) error {
	switch {
	case c.Delete:
		_, err := db.Exec(ctx, "DELETE FROM "+table+" WHERE key = $1", s.prefix+c.Key)
		return err
	case c.From != "":
		_, err := db.Exec(ctx, "INSERT INTO "+table+" (key, data) SELECT $1::text, o.data FROM "+table+" o WHERE o.key = $2"+upsert,
			s.prefix+c.Key, s.prefix+c.From)
		return err
	default:
		data, err := encode(c.Data)
		if err != nil {
			return err
		}
		_, err = db.Exec(ctx, "INSERT INTO "+table+" (key, data) VALUES ($1, $2::text::json)"+upsert, s.prefix+c.Key, data)
		return err
	}
}
