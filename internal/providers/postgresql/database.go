package postgresql

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"plattr.dev/plattr/internal/providers/embedded"
	"plattr.dev/plattr/internal/providers/postgresql/server"
)

// dropPatience is how long a database may stay in use after it was to be dropped: a session of a superuser, which the
// administrator may not end, or a vacuum.
const dropPatience = 15 * time.Second

// Database holds the inputs and the state of postgresql:index/database:Database.
type Database struct {
	Name string `json:"name"`
	// Owner is the administrator when left out.
	Owner string `json:"owner,omitempty"`
	// Template is template0 when left out.
	Template string `json:"template,omitempty"`
	// Encoding is UTF8 when left out; LcCollate and LcCtype are the template's.
	Encoding         string `json:"encoding,omitempty"`
	LcCollate        string `json:"lcCollate,omitempty"`
	LcCtype          string `json:"lcCtype,omitempty"`
	TablespaceName   string `json:"tablespaceName,omitempty"`
	ConnectionLimit  *int   `json:"connectionLimit,omitempty"`
	AllowConnections *bool  `json:"allowConnections,omitempty"`
	IsTemplate       *bool  `json:"isTemplate,omitempty"`
}

func databaseType() *embedded.Type[*server.Server, Database, Database] {
	return &embedded.Type[*server.Server, Database, Database]{
		Token:   "postgresql:index/database:Database",
		Replace: []string{"name", "template", "encoding", "lcCollate", "lcCtype", "tablespaceName"},
		Check:   checkDatabase,
		Create:  createDatabase, Read: readDatabase, Update: updateDatabase, Delete: deleteDatabase,
	}
}

func checkDatabase(d *Database) []embedded.Problem {
	if d.ConnectionLimit == nil {
		d.ConnectionLimit = new(-1)
	}
	if d.AllowConnections == nil {
		d.AllowConnections = new(true)
	}
	return checkName("name", d.Name)
}

// createDatabase makes the database under a name of the stack's own, marks it, and only then gives it its name:
// CREATE DATABASE takes no part in a transaction, and so a kill at any moment leaves either nothing under the wanted
// name or a marked database, and never a person's database is taken for ours.
func createDatabase(ctx context.Context, s *server.Server, op embedded.Op, want Database) (string, Database, error) {
	err := ensureDatabase(ctx, s, op, want)
	if server.IsDuplicate(err) { // the backend of a killed run may have been at it still
		err = ensureDatabase(ctx, s, op, want)
	}
	if err != nil {
		return "", Database{}, fmt.Errorf("create database %s: %w", want.Name, err)
	}
	got, err := readDatabase(ctx, s, op, want.Name, want)
	return want.Name, got, err
}

func ensureDatabase(ctx context.Context, s *server.Server, op embedded.Op, want Database) error {
	return s.Do(ctx, s.Database(), func(ctx context.Context, c server.Conn) error {
		have, mark, err := lookUpDatabase(ctx, c, want.Name)
		switch {
		case errors.Is(err, embedded.ErrGone):
			return buildDatabase(ctx, c, op, want)
		case err != nil:
			return err
		}
		if err := claim("database", want.Name, mark, op.Owner); err != nil {
			return err
		}
		return alterDatabase(ctx, c, have, want)
	})
}

func buildDatabase(ctx context.Context, c server.Conn, op embedded.Op, want Database) error {
	site := buildSite(op.Owner, want.Name)
	if err := dropDatabase(ctx, c, site); err != nil { // of a killed run, perhaps with other options
		return err
	}
	if want.Owner != "" {
		if err := actAs(ctx, c, want.Owner); err != nil {
			return err
		}
	}
	if _, err := c.Exec(ctx, "CREATE DATABASE "+ident(site)+databaseOptions(want)); err != nil {
		return err
	}
	if _, err := c.Exec(ctx, comment("DATABASE", ident(site), op.Owner)); err != nil {
		return err
	}
	_, err := c.Exec(ctx, "ALTER DATABASE "+ident(site)+" RENAME TO "+ident(want.Name))
	return err
}

// buildSite is the name under which a database is made. It says whose and which, so that only the same stack comes
// upon it again.
func buildSite(stack, name string) string {
	sum := sha256.Sum256([]byte(stack + "\x00" + name))
	return "plattr_new_" + hex.EncodeToString(sum[:16])
}

func databaseOptions(d Database) string {
	template, encoding := d.Template, d.Encoding
	if template == "" {
		template = "template0"
	}
	if encoding == "" {
		encoding = "UTF8"
	}
	var out strings.Builder
	out.WriteString(" TEMPLATE " + ident(template) + " ENCODING " + literal(encoding))
	for _, o := range []struct{ name, value string }{{"LC_COLLATE", d.LcCollate}, {"LC_CTYPE", d.LcCtype}} {
		if o.value != "" {
			out.WriteString(" " + o.name + " " + literal(o.value))
		}
	}
	for _, o := range []struct{ name, value string }{{"OWNER", d.Owner}, {"TABLESPACE", d.TablespaceName}} {
		if o.value != "" {
			out.WriteString(" " + o.name + " " + ident(o.value))
		}
	}
	out.WriteString(" CONNECTION LIMIT " + strconv.Itoa(*d.ConnectionLimit))
	out.WriteString(" ALLOW_CONNECTIONS " + strconv.FormatBool(*d.AllowConnections))
	if d.IsTemplate != nil {
		out.WriteString(" IS_TEMPLATE " + strconv.FormatBool(*d.IsTemplate))
	}
	return out.String()
}

func updateDatabase(
	ctx context.Context, s *server.Server, op embedded.Op, id string, old Database, want Database,
) (Database, error) {
	err := s.Do(ctx, s.Database(), func(ctx context.Context, c server.Conn) error {
		have, mark, err := lookUpDatabase(ctx, c, id)
		if err != nil {
			return err
		}
		if err := claim("database", id, mark, op.Owner); err != nil {
			return err
		}
		return alterDatabase(ctx, c, have, want)
	})
	if err != nil {
		return Database{}, fmt.Errorf("change database %s: %w", id, err)
	}
	want.Template = old.Template
	return readDatabase(ctx, s, op, id, want)
}

// alterDatabase changes what differs and can be changed in place.
func alterDatabase(ctx context.Context, c server.Conn, have, want Database) error {
	name := ident(want.Name)
	var statements []string
	if want.Owner != "" && have.Owner != want.Owner {
		if err := actAs(ctx, c, want.Owner); err != nil {
			return err
		}
		if err := actAs(ctx, c, have.Owner); err != nil {
			return err
		}
		statements = append(statements, "ALTER DATABASE "+name+" OWNER TO "+ident(want.Owner))
	}
	if *have.ConnectionLimit != *want.ConnectionLimit {
		statements = append(statements, "ALTER DATABASE "+name+" CONNECTION LIMIT "+strconv.Itoa(*want.ConnectionLimit))
	}
	if *have.AllowConnections != *want.AllowConnections {
		statements = append(statements, "ALTER DATABASE "+name+" ALLOW_CONNECTIONS "+strconv.FormatBool(*want.AllowConnections))
	}
	if want.IsTemplate != nil && *have.IsTemplate != *want.IsTemplate {
		statements = append(statements, "ALTER DATABASE "+name+" IS_TEMPLATE "+strconv.FormatBool(*want.IsTemplate))
	}
	for _, statement := range statements {
		if _, err := c.Exec(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

func readDatabase(
	ctx context.Context, s *server.Server, op embedded.Op, id string, state Database,
) (Database, error) {
	var got Database
	err := s.Do(ctx, s.Database(), func(ctx context.Context, c server.Conn) error {
		var mark string
		var err error
		if got, mark, err = lookUpDatabase(ctx, c, id); err != nil {
			return err
		}
		if owner(mark) != op.Owner && !op.Import {
			return embedded.ErrGone // ours is gone; what has its name now is somebody else's
		}
		return nil
	})
	got.Template = state.Template // the server does not remember it
	if got.Template == "" {
		got.Template = "template0"
	}
	return got, wrap(err, "read database %s", id)
}

// lookUpDatabase reads a database and its comment.
func lookUpDatabase(ctx context.Context, c server.Conn, name string) (Database, string, error) {
	d := Database{Name: name, ConnectionLimit: new(0), AllowConnections: new(false), IsTemplate: new(false)}
	var mark string
	err := c.QueryRow(ctx, `
		SELECT pg_get_userbyid(d.datdba)::text, pg_encoding_to_char(d.encoding)::text,
			coalesce(d.datcollate, '')::text, coalesce(d.datctype, '')::text, t.spcname::text,
			d.datconnlimit, d.datallowconn, d.datistemplate, coalesce(shobj_description(d.oid, 'pg_database'), '')
		FROM pg_database d JOIN pg_tablespace t ON t.oid = d.dattablespace WHERE d.datname = $1`, name).
		Scan(&d.Owner, &d.Encoding, &d.LcCollate, &d.LcCtype, &d.TablespaceName,
			d.ConnectionLimit, d.AllowConnections, d.IsTemplate, &mark)
	if errors.Is(err, pgx.ErrNoRows) {
		return Database{}, "", embedded.ErrGone
	}
	return d, mark, wrap(err, "look for database %s", name)
}

func deleteDatabase(ctx context.Context, s *server.Server, op embedded.Op, id string, _ Database) error {
	s.Forget(id)
	err := s.Do(ctx, s.Database(), func(ctx context.Context, c server.Conn) error {
		have, mark, err := lookUpDatabase(ctx, c, id)
		switch {
		case errors.Is(err, embedded.ErrGone):
			return dropDatabase(ctx, c, buildSite(op.Owner, id))
		case err != nil || owner(mark) != op.Owner:
			return err
		}
		if err := actAs(ctx, c, have.Owner); err != nil {
			return err
		}
		if *have.IsTemplate {
			if _, err := c.Exec(ctx, "ALTER DATABASE "+ident(id)+" IS_TEMPLATE false"); err != nil {
				return err
			}
		}
		return dropDatabase(ctx, c, id)
	})
	return wrap(err, "drop database %s", id)
}

// dropDatabase drops a database if it is there, and ends its sessions. One that cannot be ended is waited for.
func dropDatabase(ctx context.Context, c server.Conn, name string) error {
	deadline := time.Now().Add(dropPatience)
	for {
		_, err := c.Exec(ctx, "DROP DATABASE IF EXISTS "+ident(name)+" WITH (FORCE)")
		if !server.IsInUse(err) || time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}
