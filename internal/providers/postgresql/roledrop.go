package postgresql

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"plattr.dev/plattr/internal/providers/embedded"
	"plattr.dev/plattr/internal/providers/postgresql/server"
)

// deleteRole ends the role's sessions, takes away what it owns and may do in every database, and drops it. Each step
// can be done again after a kill.
func deleteRole(ctx context.Context, s *server.Server, op embedded.Op, id string, state Role) error {
	if state.SkipDropRole {
		return nil
	}
	ours, err := closeRole(ctx, s, op, id)
	if err != nil || !ours {
		return wrap(err, "drop role %s", id)
	}
	databases, err := databasesOf(ctx, s, id)
	if err != nil {
		return fmt.Errorf("drop role %s: look for what it owns: %w", id, err)
	}
	for _, d := range databases {
		if !d.open {
			return fmt.Errorf("drop role %s: it owns objects in database %s, which takes no connections: drop that first", id, d.name)
		}
		err := s.Change(ctx, d.name, func(ctx context.Context, tx server.Conn) error {
			return dropOwned(ctx, tx, id, state.SkipReassignOwned)
		})
		if err != nil && !server.IsNoDatabase(err) {
			return fmt.Errorf("drop role %s: what it owns in database %s: %w", id, d.name, err)
		}
		if d.name != s.Database() {
			s.Forget(d.name) // its owner may want to drop it next
		}
	}
	if state.SkipReassignOwned {
		if err := dropDatabasesOf(ctx, s, op, id); err != nil {
			return fmt.Errorf("drop role %s: %w", id, err)
		}
	}
	err = s.Change(ctx, s.Database(), func(ctx context.Context, tx server.Conn) error {
		if _, _, err := lookUpRole(ctx, tx, id); err != nil {
			return err
		}
		if err := dropOwned(ctx, tx, id, state.SkipReassignOwned); err != nil { // rights on databases, too
			return err
		}
		_, err := tx.Exec(ctx, "DROP ROLE "+ident(id))
		return err
	})
	if errors.Is(err, embedded.ErrGone) {
		return nil
	}
	return wrap(err, "drop role %s", id)
}

// closeRole keeps the role from logging in again and ends its sessions. It says whether the role is the stack's.
func closeRole(ctx context.Context, s *server.Server, op embedded.Op, id string) (bool, error) {
	ours := false
	err := s.Change(ctx, s.Database(), func(ctx context.Context, tx server.Conn) error {
		have, mark, err := lookUpRole(ctx, tx, id)
		if ours = err == nil && owner(mark) == op.Owner; !ours {
			return err
		}
		if err := actAs(ctx, tx, id); err != nil {
			return err
		}
		if have.Login {
			_, err = tx.Exec(ctx, "ALTER ROLE "+ident(id)+" NOLOGIN")
		}
		return err
	})
	switch {
	case errors.Is(err, embedded.ErrGone):
		return false, nil
	case err != nil || !ours:
		return false, err
	}
	return true, s.Do(ctx, s.Database(), func(ctx context.Context, c server.Conn) error {
		_, err := c.Exec(ctx, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1", id)
		return err
	})
}

// dropDatabasesOf drops the stack's databases that the role still owns: DROP OWNED leaves databases alone. The state
// knows of none at this point; but the server may still be at a drop that a killed run began, and is waited for so.
func dropDatabasesOf(ctx context.Context, s *server.Server, op embedded.Op, role string) error {
	return s.Do(ctx, s.Database(), func(ctx context.Context, c server.Conn) error {
		rows, err := c.Query(ctx, `
			SELECT datname::text, coalesce(shobj_description(oid, 'pg_database'), '') FROM pg_database
			WHERE pg_get_userbyid(datdba) = $1`, role)
		if err != nil {
			return err
		}
		var owned []string
		var name, comment string
		_, err = pgx.ForEachRow(rows, []any{&name, &comment}, func() error {
			if owner(comment) == op.Owner {
				owned = append(owned, name)
			}
			return nil
		})
		if err != nil {
			return wrap(err, "read databases")
		}
		for _, name := range owned {
			s.Forget(name)
			if err := actAs(ctx, c, role); err != nil {
				return err
			}
			if err := dropDatabase(ctx, c, name); err != nil {
				return wrap(err, "drop database %s", name)
			}
		}
		return nil
	})
}

type databaseOf struct {
	name string
	open bool
}

// databasesOf lists the databases in which a role owns something or has a right.
func databasesOf(ctx context.Context, s *server.Server, role string) ([]databaseOf, error) {
	var out []databaseOf
	err := s.Do(ctx, s.Database(), func(ctx context.Context, c server.Conn) error {
		rows, err := c.Query(ctx, `
			SELECT DISTINCT d.datname::text, d.datallowconn
			FROM pg_shdepend s
			JOIN pg_database d ON d.oid = s.dbid
			JOIN pg_roles r ON r.oid = s.refobjid
			WHERE s.refclassid = 'pg_authid'::regclass AND r.rolname = $1`, role)
		if err != nil {
			return err
		}
		out, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (databaseOf, error) {
			var d databaseOf
			return d, row.Scan(&d.name, &d.open)
		})
		return wrap(err, "read databases")
	})
	return out, err
}

// dropOwned takes away what a role owns and may do in the connection's database.
func dropOwned(ctx context.Context, tx server.Conn, role string, drop bool) error {
	if err := actAs(ctx, tx, role); err != nil {
		return err
	}
	if drop {
		_, err := tx.Exec(ctx, "DROP OWNED BY "+ident(role)+" CASCADE")
		return err
	}
	if _, err := tx.Exec(ctx, "REASSIGN OWNED BY "+ident(role)+" TO CURRENT_USER"); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, "DROP OWNED BY "+ident(role))
	return err
}

func wrap(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf(format+": %w", append(args, err)...)
}
