package scratch

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"plattr.dev/plattr/internal/sqlshell/libpq"
)

// server is the administrator's connection while it holds the application's lock.
type server struct {
	Options
	conn *pgx.Conn
}

func (s *server) exec(ctx context.Context, what, sql string) error {
	if _, err := s.conn.Exec(ctx, sql); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// recover clears what a killed run left. Swapping names is one transaction, so the application's database is always
// there: at worst it takes no connections.
func (s *server) recover(ctx context.Context) error {
	left := []string{s.temporary("new"), s.temporary("old"), s.temporary("tpl")}
	rows, err := s.conn.Query(ctx, "SELECT datname::text, datallowconn FROM pg_database WHERE datname = ANY($1)", append(left, s.Database))
	if err != nil {
		return fmt.Errorf("look for databases of a killed run: %w", err)
	}
	type database struct {
		Name  string
		Takes bool
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[database])
	if err != nil {
		return fmt.Errorf("look for databases of a killed run: %w", err)
	}
	for _, d := range found {
		switch {
		case d.Name != s.Database:
			s.Progress("dropping what a killed run left")
			err = s.drop(ctx, d.Name)
		case !d.Takes:
			err = s.allow(ctx, d.Name, true)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *server) drop(ctx context.Context, name string) error {
	return s.exec(ctx, "drop database "+name, "DROP DATABASE IF EXISTS "+quote(name)+" WITH (FORCE)")
}

func (s *server) allow(ctx context.Context, name string, connections bool) error {
	return s.exec(ctx, "open or close database "+name, fmt.Sprintf("ALTER DATABASE %s ALLOW_CONNECTIONS %t", quote(name), connections))
}

// create clones a database that nobody is connected to, and gives the clone its properties.
func (s *server) create(ctx context.Context, name, from string, props properties) error {
	sql := "CREATE DATABASE " + quote(name) + " TEMPLATE " + quote(from)
	if err := s.exec(ctx, "clone database "+from, sql); err != nil {
		return err
	}
	return props.apply(ctx, s, name)
}

// swap puts database fresh in the place of name and drops what was there.
func (s *server) swap(ctx context.Context, name, fresh, old string) error {
	if err := s.vacate(ctx, name); err != nil {
		return err
	}
	err := pgx.BeginFunc(ctx, s.conn, func(tx pgx.Tx) error {
		for _, pair := range [][2]string{{name, old}, {fresh, name}} {
			if _, err := tx.Exec(ctx, "ALTER DATABASE "+quote(pair[0])+" RENAME TO "+quote(pair[1])); err != nil {
				return err //nolint:wrapcheck // wrapped below
			}
		}
		return nil
	})
	if err != nil {
		return errors.Join(fmt.Errorf("replace database %s: %w", name, err), s.allow(ctx, name, true))
	}
	return s.drop(ctx, old)
}

// vacate closes a database and ends its connections, or says whose it may not end.
func (s *server) vacate(ctx context.Context, name string) error {
	if err := s.allow(ctx, name, false); err != nil {
		return err
	}
	err := s.end(ctx, name)
	if err == nil {
		return nil
	}
	if code(err) == "42501" {
		who, askErr := s.sessions(ctx, name)
		err = errors.Join(fmt.Errorf("database %s is in use by %s: end these sessions", name, who), askErr)
	} else {
		err = fmt.Errorf("end the connections of database %s: %w", name, err)
	}
	return errors.Join(err, s.allow(ctx, name, true))
}

// The server itself looks for connections that end every 100 ms, both in pg_terminate_backend and when a database is
// renamed, which is most of a reset.
const (
	endPoll    = 2 * time.Millisecond
	endTimeout = 5 * time.Second
)

// end ends the connections of a database and waits until they are gone; what does not go, the next statement reports.
func (s *server) end(ctx context.Context, name string) error {
	const connections = "FROM pg_stat_activity WHERE datname = $1 AND backend_type = 'client backend'"
	if _, err := s.conn.Exec(ctx, "SELECT pg_terminate_backend(pid) "+connections, name); err != nil {
		return fmt.Errorf("end them: %w", err)
	}
	for deadline := time.Now().Add(endTimeout); time.Now().Before(deadline); time.Sleep(endPoll) {
		var left int
		if err := s.conn.QueryRow(ctx, "SELECT count(*) "+connections, name).Scan(&left); err != nil {
			return fmt.Errorf("count them: %w", err)
		}
		if left == 0 {
			return nil
		}
	}
	return nil
}

func (s *server) sessions(ctx context.Context, name string) (string, error) {
	rows, err := s.conn.Query(ctx, "SELECT coalesce(usename::text, '?') || ' (server process ' || pid || ')' FROM pg_stat_activity WHERE datname = $1 ORDER BY pid", name)
	if err != nil {
		return "", fmt.Errorf("ask who is connected: %w", err)
	}
	who, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return "", fmt.Errorf("ask who is connected: %w", err)
	}
	return strings.Join(who, ", "), nil
}

// markPrefix begins the comment of a template: which database it is of, and what it was made from.
const markPrefix = "plattr:template="

// mark is what a template's comment says.
type mark struct{ database, key, bootstrap string }

func (m mark) String() string {
	return markPrefix + m.database + " key=" + m.key + " bootstrap=" + m.bootstrap
}

// templateMark reads the template's comment: nil if there is no template. A database of that name that is not a
// template of this application is an error: it is somebody's.
func (s *server) templateMark(ctx context.Context) (*mark, error) {
	var comment string
	err := s.conn.QueryRow(ctx, "SELECT coalesce(shobj_description(oid, 'pg_database'), '') FROM pg_database WHERE datname = $1", s.Template).Scan(&comment)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil //nolint:nilnil // no template is an answer
	}
	if err != nil {
		return nil, fmt.Errorf("look for database %s: %w", s.Template, err)
	}
	m := &mark{}
	parts := strings.Split(comment, " ")
	if len(parts) != 3 || parts[0] != markPrefix+s.Database {
		return nil, fmt.Errorf("database %s exists and is not the template of %s: rename or drop it", s.Template, s.Database)
	}
	m.database, m.key, m.bootstrap = s.Database, strings.TrimPrefix(parts[1], "key="), strings.TrimPrefix(parts[2], "bootstrap=")
	return m, nil
}

// template brings the template up to date and returns the properties of the application's database, for its clones.
func (s *server) template(ctx context.Context) (props properties, rebuilt bool, err error) {
	if props, err = readProperties(ctx, s.conn, s.Database); err != nil {
		return props, false, err
	}
	have, err := s.templateMark(ctx)
	if err != nil {
		return props, false, err
	}
	want := mark{database: s.Database, key: s.Key}
	if want.bootstrap, err = s.bootstrap(ctx); err != nil {
		return props, false, err
	}
	if have != nil && *have == want {
		return props, false, nil
	}
	// The old template will do as the source if only migrations or seeds changed: nobody is connected to it. Else it is
	// the application's database, which is closed for as long as the copy takes.
	source := s.Template
	if have == nil || have.bootstrap != want.bootstrap {
		source = s.Database
	}
	return props, true, s.build(ctx, source, props, want)
}

// build makes a template under another name, then puts it in its place.
func (s *server) build(ctx context.Context, source string, props properties, want mark) error {
	s.Progress("making the template " + s.Template)
	next := s.temporary("tpl")
	if err := s.copyFrom(ctx, source, next, props); err != nil {
		return err
	}
	if err := s.empty(ctx, next); err != nil {
		return err
	}
	if err := s.Fill(ctx, next); err != nil {
		return fmt.Errorf("fill the template of %s: %w", s.Database, err)
	}
	if err := s.vacate(ctx, next); err != nil {
		return err
	}
	if err := s.exec(ctx, "mark the template", "COMMENT ON DATABASE "+quote(next)+" IS "+literal(want.String())); err != nil {
		return err
	}
	if err := s.drop(ctx, s.Template); err != nil {
		return err
	}
	return s.exec(ctx, "name the template", "ALTER DATABASE "+quote(next)+" RENAME TO "+quote(s.Template))
}

// copyFrom clones source, which is closed meanwhile if it is the application's database.
func (s *server) copyFrom(ctx context.Context, source, name string, props properties) error {
	if source == s.Template {
		return s.create(ctx, name, source, props)
	}
	if err := s.vacate(ctx, source); err != nil {
		return err
	}
	return errors.Join(s.create(ctx, name, source, props), s.allow(context.WithoutCancel(ctx), source, true))
}

// empty drops the application's objects in a database, as the role that owns them.
func (s *server) empty(ctx context.Context, database string) error {
	conn, err := connect(ctx, s.AdminURL, database)
	if err != nil {
		return err
	}
	defer libpq.Close(conn)
	var owner string
	err = conn.QueryRow(ctx, "SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = $1", s.Schema).Scan(&owner)
	if errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("schema %s does not exist in database %s", s.Schema, s.Database)
	}
	if err != nil {
		return fmt.Errorf("ask who owns schema %s: %w", s.Schema, err)
	}
	if _, err := conn.Exec(ctx, "SET ROLE "+quote(owner)); err != nil {
		return fmt.Errorf("become %s: %w", owner, err)
	}
	_, err = emptySchemas(ctx, conn, s.Schema, s.MigrationsSchema)
	return err
}

// bootstrapState is what `plattr dev` gives a database besides the application's own objects: rights on the schemas,
// default privileges, extensions of others than the application's role, event triggers.
const bootstrapState = `
SELECT coalesce(string_agg(line, E'\n' ORDER BY line COLLATE "C"), '') FROM (
	SELECT concat_ws(' ', 'schema', nspname, pg_get_userbyid(nspowner), (SELECT string_agg(a::text, ',' ORDER BY a::text) FROM unnest(nspacl) a))
	FROM pg_namespace WHERE nspname IN ($1, $2, 'public', 'extensions')
	UNION ALL
	SELECT concat_ws(' ', 'default', pg_get_userbyid(defaclrole), coalesce(n.nspname, '-'), defaclobjtype::text,
		(SELECT string_agg(a::text, ',' ORDER BY a::text) FROM unnest(defaclacl) a))
	FROM pg_default_acl LEFT JOIN pg_namespace n ON n.oid = defaclnamespace
	UNION ALL
	SELECT concat_ws(' ', 'extension', extname, extversion, extnamespace::regnamespace::text)
	FROM pg_extension WHERE extowner IS DISTINCT FROM (SELECT nspowner FROM pg_namespace WHERE nspname = $1)
	UNION ALL
	SELECT concat_ws(' ', 'event trigger', evtname, evtevent, evtenabled::text, md5(prosrc))
	FROM pg_event_trigger JOIN pg_proc p ON p.oid = evtfoid
) AS state(line)`

// bootstrap is a checksum of that state in the application's database.
func (s *server) bootstrap(ctx context.Context) (string, error) {
	conn, err := connect(ctx, s.AdminURL, s.Database)
	if err != nil {
		return "", err
	}
	defer libpq.Close(conn)
	var sum string
	if err := conn.QueryRow(ctx, "SELECT md5(("+bootstrapState+"))", s.Schema, s.MigrationsSchema).Scan(&sum); err != nil {
		return "", fmt.Errorf("read the rights in database %s: %w", s.Database, err)
	}
	return sum, nil
}
