package scratch

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// properties is what belongs to a database as a whole, which CREATE DATABASE ... TEMPLATE does not copy.
type properties struct {
	owner, comment string
	limit          int
	restricted     bool // has rights of its own, not the default ones
	grants         []databaseGrant
	settings       []databaseSetting
}

type databaseGrant struct {
	Grantee   string // empty is PUBLIC
	Privilege string
	Grantable bool
}

type databaseSetting struct {
	Role   string // empty is every role
	Config string // name=value
}

func readProperties(ctx context.Context, conn *pgx.Conn, name string) (properties, error) {
	var p properties
	var oid uint32
	err := conn.QueryRow(ctx, `SELECT oid, pg_get_userbyid(datdba), coalesce(shobj_description(oid, 'pg_database'), ''), datconnlimit, datacl IS NOT NULL
		FROM pg_database WHERE datname = $1`, name).Scan(&oid, &p.owner, &p.comment, &p.limit, &p.restricted)
	if errors.Is(err, pgx.ErrNoRows) {
		return p, &NoDatabaseError{Database: name}
	}
	if err != nil {
		return p, fmt.Errorf("read database %s: %w", name, err)
	}
	rows, err := conn.Query(ctx, `SELECT CASE grantee WHEN 0 THEN '' ELSE pg_get_userbyid(grantee)::text END, privilege_type, is_grantable
		FROM pg_database, aclexplode(datacl) WHERE oid = $1`, oid)
	if err == nil {
		p.grants, err = pgx.CollectRows(rows, pgx.RowToStructByPos[databaseGrant])
	}
	if err != nil {
		return p, fmt.Errorf("read the rights on database %s: %w", name, err)
	}
	rows, err = conn.Query(ctx, `SELECT CASE setrole WHEN 0 THEN '' ELSE pg_get_userbyid(setrole)::text END, config
		FROM pg_db_role_setting, unnest(setconfig) config WHERE setdatabase = $1`, oid)
	if err == nil {
		p.settings, err = pgx.CollectRows(rows, pgx.RowToStructByPos[databaseSetting])
	}
	if err != nil {
		return p, fmt.Errorf("read the settings of database %s: %w", name, err)
	}
	return p, nil
}

// apply gives a new database of the administrator these properties.
func (p properties) apply(ctx context.Context, s *server, name string) error {
	return pgx.BeginFunc(ctx, s.conn, func(tx pgx.Tx) error { //nolint:wrapcheck // says by itself what it did
		for _, sql := range p.statements(name) {
			if _, err := tx.Exec(ctx, sql); err != nil {
				return fmt.Errorf("give database %s the properties of %s: %w", name, s.Database, err)
			}
		}
		for _, setting := range p.settings {
			if err := setting.apply(ctx, tx, name); err != nil {
				return err
			}
		}
		return nil
	})
}

func (p properties) statements(name string) []string {
	all := []string{
		"ALTER DATABASE " + quote(name) + " OWNER TO " + quote(p.owner),
		fmt.Sprintf("ALTER DATABASE %s CONNECTION LIMIT %d", quote(name), p.limit),
		"COMMENT ON DATABASE " + quote(name) + " IS " + literal(p.comment),
	}
	if !p.restricted {
		return all
	}
	all = append(all, "REVOKE ALL ON DATABASE "+quote(name)+" FROM PUBLIC, "+quote(p.owner))
	for _, g := range p.grants {
		to := "PUBLIC"
		if g.Grantee != "" {
			to = quote(g.Grantee)
		}
		sql := "GRANT " + g.Privilege + " ON DATABASE " + quote(name) + " TO " + to
		if g.Grantable {
			sql += " WITH GRANT OPTION"
		}
		all = append(all, sql)
	}
	return all
}

// apply repeats a setting. It is set for the transaction first and taken from there: how a value is quoted differs from
// one setting to the next, and the server knows.
func (d databaseSetting) apply(ctx context.Context, tx pgx.Tx, database string) error {
	name, value, _ := strings.Cut(d.Config, "=")
	target := "DATABASE " + quote(database)
	if d.Role != "" {
		target = "ROLE " + quote(d.Role) + " IN DATABASE " + quote(database)
	}
	_, err := tx.Exec(ctx, "SELECT set_config($1, $2, true)", name, value)
	if err == nil {
		// A setting of an extension has a dot in its name, which is no part of a name.
		_, err = tx.Exec(ctx, "ALTER "+target+" SET "+quote(strings.Split(name, ".")...)+" FROM CURRENT")
	}
	if err != nil {
		return fmt.Errorf("set %s for %s: %w", name, strings.ToLower(target), err)
	}
	return nil
}
