package postgresql

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"plattr.dev/plattr/internal/providers/embedded"
	"plattr.dev/plattr/internal/providers/postgresql/server"
)

// optionsSince is the version from which a membership says by itself whether it is inherited and may be taken on.
const optionsSince = 16

// actAs makes the administrator a member of a role, so that it may own things in the role's name, grant its rights
// and end its sessions. It is what a superuser may do anyway.
func actAs(ctx context.Context, tx server.Conn, role string) error {
	may := "pg_has_role(oid, 'USAGE')"
	grant := "GRANT " + ident(role) + " TO CURRENT_USER"
	if server.Major(tx) >= optionsSince {
		may += " AND pg_has_role(oid, 'SET')"
		grant += " WITH INHERIT TRUE, SET TRUE"
	}
	var member bool
	err := tx.QueryRow(ctx, "SELECT "+may+" FROM pg_roles WHERE rolname = $1", role).Scan(&member)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return fmt.Errorf("role %s does not exist", role)
	case err != nil || member:
		return wrap(err, "look for the membership in role %s", role)
	}
	if _, err := tx.Exec(ctx, grant); err != nil {
		return fmt.Errorf("take on role %s: %w", role, err)
	}
	return nil
}

// inheritMemberships makes the role's memberships follow its INHERIT, which they do by themselves up to version 15.
func inheritMemberships(ctx context.Context, tx server.Conn, role string, inherit bool) error {
	if server.Major(tx) < optionsSince {
		return nil
	}
	groups, err := texts(ctx, tx, `
		SELECT DISTINCT g.rolname::text FROM pg_auth_members m
		JOIN pg_roles g ON g.oid = m.roleid JOIN pg_roles r ON r.oid = m.member
		WHERE r.rolname = $1 AND m.inherit_option <> $2`, role, inherit)
	if err != nil {
		return err
	}
	for _, g := range groups {
		if err := grantMembership(ctx, tx, GrantRole{GrantRole: g, Role: role}, inherit); err != nil {
			return err
		}
	}
	return nil
}

// GrantRole holds the inputs and the state of postgresql:index/grantRole:GrantRole: the membership of Role in
// GrantRole.
type GrantRole struct {
	GrantRole       string `json:"grantRole"`
	Role            string `json:"role"`
	WithAdminOption bool   `json:"withAdminOption"`
}

func (g GrantRole) id() string {
	return fmt.Sprintf("%s_%s_%t", g.Role, g.GrantRole, g.WithAdminOption)
}

func grantRoleType() *embedded.Type[*server.Server, GrantRole, GrantRole] {
	return &embedded.Type[*server.Server, GrantRole, GrantRole]{
		Token:   "postgresql:index/grantRole:GrantRole",
		Replace: []string{"grantRole", "role", "withAdminOption"}, DeleteBeforeReplace: true,
		Check: func(g *GrantRole) []embedded.Problem {
			return append(checkName("grantRole", g.GrantRole), checkName("role", g.Role)...)
		},
		Create: createGrantRole, Read: readGrantRole, Delete: deleteGrantRole,
	}
}

func createGrantRole(
	ctx context.Context, s *server.Server, _ embedded.Op, g GrantRole,
) (string, GrantRole, error) {
	err := s.Change(ctx, s.Database(), func(ctx context.Context, tx server.Conn) error {
		member, _, err := lookUpRole(ctx, tx, g.Role)
		if errors.Is(err, embedded.ErrGone) {
			return fmt.Errorf("role %s does not exist", g.Role)
		}
		if err != nil {
			return err
		}
		return grantMembership(ctx, tx, g, *member.Inherit)
	})
	if err != nil {
		return "", GrantRole{}, fmt.Errorf("make %s a member of %s: %w", g.Role, g.GrantRole, err)
	}
	got, err := readGrantRole(ctx, s, embedded.Op{}, g.id(), g)
	return g.id(), got, err
}

// grantMembership says INHERIT aloud: a membership that is there already would keep its own.
func grantMembership(ctx context.Context, tx server.Conn, g GrantRole, inherit bool) error {
	statement := "GRANT " + ident(g.GrantRole) + " TO " + ident(g.Role)
	switch {
	case server.Major(tx) >= optionsSince:
		statement += fmt.Sprintf(" WITH INHERIT %t, SET TRUE, ADMIN %t", inherit, g.WithAdminOption)
	case g.WithAdminOption:
		statement += " WITH ADMIN OPTION"
	}
	_, err := tx.Exec(ctx, statement)
	return err
}

func readGrantRole(
	ctx context.Context, s *server.Server, op embedded.Op, id string, g GrantRole,
) (GrantRole, error) {
	if op.Import {
		return g, fmt.Errorf("membership %s cannot be imported: its ID does not say where one name ends", id)
	}
	err := s.Do(ctx, s.Database(), func(ctx context.Context, c server.Conn) error {
		inherits := "true"
		if server.Major(c) >= optionsSince {
			inherits = "bool_and(m.inherit_option = r.rolinherit) AND bool_or(m.set_option)"
		}
		var there bool
		err := c.QueryRow(ctx, `
			SELECT bool_or(m.admin_option), `+inherits+` FROM pg_auth_members m
			JOIN pg_roles g ON g.oid = m.roleid JOIN pg_roles r ON r.oid = m.member
			WHERE g.rolname = $1 AND r.rolname = $2 HAVING count(*) > 0`, g.GrantRole, g.Role).
			Scan(&g.WithAdminOption, &there)
		if errors.Is(err, pgx.ErrNoRows) || err == nil && !there {
			return embedded.ErrGone // one with other options is made anew
		}
		return wrap(err, "look for the membership")
	})
	return g, wrap(err, "read membership of %s in %s", g.Role, g.GrantRole)
}

func deleteGrantRole(ctx context.Context, s *server.Server, _ embedded.Op, _ string, g GrantRole) error {
	err := s.Change(ctx, s.Database(), func(ctx context.Context, tx server.Conn) error {
		there, err := texts(ctx, tx, "SELECT rolname::text FROM pg_roles WHERE rolname IN ($1, $2)", g.GrantRole, g.Role)
		if err != nil || len(there) < 2 {
			return err
		}
		_, err = tx.Exec(ctx, "REVOKE "+ident(g.GrantRole)+" FROM "+ident(g.Role))
		return err
	})
	return wrap(err, "end membership of %s in %s", g.Role, g.GrantRole)
}

// texts runs a query of one text column.
func texts(ctx context.Context, c server.Conn, sql string, args ...any) ([]string, error) {
	rows, err := c.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	out, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return out, wrap(err, "read names")
}
