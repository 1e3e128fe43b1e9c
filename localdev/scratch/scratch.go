// Package scratch resets databases of the laptop: it keeps a migrated and seeded template of the application's database
// and clones it. It also empties a schema where applications share a database, and writes and reads dumps.
//
// A process may be killed at any moment: every intermediate database has a name that follows from the application's,
// and Recover, which every function here begins with, ends or clears what a killed run left.
package scratch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"plattr.dev/plattr/internal/sqlshell/libpq"
)

// Options names one application's databases on one server.
type Options struct {
	// AdminURL is the administrator's, of any database but the application's: its database is where the lock is. The
	// administrator owns the application's database and may create databases; it need not be a superuser.
	AdminURL string
	// Database is the application's, Template the one that is cloned.
	Database, Template string
	// Schema and MigrationsSchema are the application's schemas in it.
	Schema, MigrationsSchema string
	// Key says what Fill makes, see Key: another key makes another template.
	Key string
	// Fill migrates and seeds a database, which has everything of the application's but its objects and rows.
	Fill func(ctx context.Context, database string) error
	// Progress takes one line for every thing that takes time. nil discards.
	Progress func(message string)
}

// Result is what Reset did.
type Result struct {
	// Rebuilt is true if the template was made anew, since migrations, seeds or the bootstrap had changed.
	Rebuilt bool `json:"rebuilt"`
	// Milliseconds is how long it took.
	Milliseconds int64 `json:"milliseconds"`
}

// NoDatabaseError is a database that is not there.
type NoDatabaseError struct{ Database string }

// Error names the database.
func (e *NoDatabaseError) Error() string {
	return fmt.Sprintf("database %s does not exist", e.Database)
}

// Key returns a checksum of the files in the given files and directories, with the engine's name. Paths that do not
// exist count as empty.
func Key(engine string, paths ...string) (string, error) {
	sum := sha256.New()
	_, _ = fmt.Fprintf(sum, "1 %s\n", engine)
	for i, path := range paths {
		err := filepath.WalkDir(path, func(name string, entry fs.DirEntry, err error) error {
			if err != nil || !entry.Type().IsRegular() {
				return err
			}
			raw, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			relative, _ := filepath.Rel(path, name)
			_, _ = fmt.Fprintf(sum, "%d %q %x\n", i, filepath.ToSlash(relative), sha256.Sum256(raw))
			return nil
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("read %s: %w", path, err)
		}
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// Reset replaces the application's database by a clone of its template, which is made anew only if the key or the
// database's own bootstrap (rights, extensions, event triggers) changed. Open connections are ended. Owner, rights,
// settings and comment of the database stay.
func Reset(ctx context.Context, o Options) (Result, error) {
	begun := time.Now()
	s, err := open(ctx, o)
	if err != nil {
		return Result{}, err
	}
	defer s.close()
	props, rebuilt, err := s.template(ctx)
	if err != nil {
		return Result{}, err
	}
	fresh := s.temporary("new")
	if err := s.create(ctx, fresh, o.Template, props); err != nil {
		return Result{}, err
	}
	if err := s.swap(ctx, o.Database, fresh, s.temporary("old")); err != nil {
		return Result{}, err
	}
	return Result{Rebuilt: rebuilt, Milliseconds: time.Since(begun).Milliseconds()}, nil
}

// Clone makes database name from the application's template, which is first brought up to date, with the rights of the
// application's database. An existing database of that name is replaced; the caller drops it with Drop.
func Clone(ctx context.Context, o Options, name string) error {
	s, err := open(ctx, o)
	if err != nil {
		return err
	}
	defer s.close()
	props, _, err := s.template(ctx)
	if err != nil {
		return err
	}
	if err := s.drop(ctx, name); err != nil {
		return err
	}
	return s.create(ctx, name, o.Template, props)
}

// Drop drops a database that Clone made, with the connections that are open on it. None of that name is no error.
func Drop(ctx context.Context, adminURL, name string) error {
	conn, err := connect(ctx, adminURL, "")
	if err != nil {
		return err
	}
	defer libpq.Close(conn)
	return (&server{conn: conn}).drop(ctx, name)
}

// Recover ends or clears what a killed run left: intermediate databases are dropped, and a database that was closed for
// its replacement is opened. `plattr dev` calls it; it costs two queries if there is nothing to do.
func Recover(ctx context.Context, o Options) error {
	s, err := open(ctx, o)
	if err != nil {
		return err
	}
	s.close()
	return nil
}

// Remove drops the template and everything else that this package made for the application. It comes before the
// database and the roles are dropped, since the template's objects belong to them.
func Remove(ctx context.Context, o Options) error {
	s, err := open(ctx, o)
	if err != nil {
		return err
	}
	defer s.close()
	if _, err := s.templateMark(ctx); err != nil {
		return err
	}
	return s.drop(ctx, o.Template)
}

// temporary is the name of an intermediate database. It follows from the application's, so that the next run finds it.
func (s *server) temporary(what string) string {
	sum := sha256.Sum256([]byte(s.Database))
	return "plattr_" + what + "_" + hex.EncodeToString(sum[:8])
}

// lockSpace keeps these advisory locks apart from others of the administrator.
const lockSpace = 0x73637261

// open connects, takes the application's lock and recovers.
func open(ctx context.Context, o Options) (*server, error) {
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	conn, err := connect(ctx, o.AdminURL, "")
	if err != nil {
		return nil, err
	}
	s := &server{Options: o, conn: conn}
	if err := s.lock(ctx); err != nil {
		s.close()
		return nil, err
	}
	if err := s.recover(ctx); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *server) close() { libpq.Close(s.conn) }

// lock waits for other resets of this database.
func (s *server) lock(ctx context.Context) error {
	for told := false; ; {
		var got bool
		if err := s.conn.QueryRow(ctx, "SELECT pg_try_advisory_lock($1::int, hashtext($2))", lockSpace, s.Database).Scan(&got); err != nil {
			return fmt.Errorf("take the lock of database %s: %w", s.Database, err)
		}
		if got {
			return nil
		}
		if !told {
			told = true
			s.Progress("waiting for another reset of " + s.Database)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for another reset of %s: %w", s.Database, ctx.Err())
		case <-time.After(lockPoll):
		}
	}
}

// lockPoll is how often a waiting run asks for the lock. It asks anew, rather than wait in one statement, so that it can
// be cancelled and says what it waits for.
const lockPoll = 10 * time.Millisecond

// connect opens a URL, in another database if one is named.
func connect(ctx context.Context, url, database string) (*pgx.Conn, error) {
	config, err := libpq.Config(url, fmt.Sprintf("plattr reset, process %d", os.Getpid()))
	if err != nil {
		return nil, err
	}
	if database != "" {
		config.Database = database
	}
	return libpq.Connect(ctx, config)
}

func quote(name ...string) string { return pgx.Identifier(name).Sanitize() }

// literal quotes a text where the server takes no parameter.
func literal(text string) string {
	quoted := strings.ReplaceAll(text, "'", "''")
	if strings.Contains(text, `\`) {
		return "E'" + strings.ReplaceAll(quoted, `\`, `\\`) + "'"
	}
	return "'" + quoted + "'"
}

func code(err error) string {
	var server *pgconn.PgError
	if errors.As(err, &server) {
		return server.Code
	}
	return ""
}
