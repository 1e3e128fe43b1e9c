package postgresql

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"plattr.dev/plattr/internal/providers/embedded"
	"plattr.dev/plattr/internal/providers/postgresql/server"
)

// DefaultPrivileges holds the inputs and the state of postgresql:index/defaultPrivileges:DefaultPrivileges: the rights
// that Role gets on every object of a type that Owner makes later, in one schema or anywhere in the database.
type DefaultPrivileges struct {
	// Role may be "public".
	Role       string   `json:"role"`
	Database   string   `json:"database"`
	Owner      string   `json:"owner"`
	Schema     string   `json:"schema,omitempty"`
	ObjectType string   `json:"objectType"`
	Privileges []string `json:"privileges"`
	// WithGrantOption must be false.
	WithGrantOption bool `json:"withGrantOption"`
}

func defaultPrivilegesType() *embedded.Type[*server.Server, DefaultPrivileges, DefaultPrivileges] {
	return &embedded.Type[*server.Server, DefaultPrivileges, DefaultPrivileges]{
		Token:   "postgresql:index/defaultPrivileges:DefaultPrivileges",
		Replace: []string{"role", "database", "owner", "schema", "objectType"}, DeleteBeforeReplace: true,
		Equal: func(key string, a, b any) bool { return key == "privileges" && sameSet(key, a, b) },
		Check: checkDefaultPrivileges,
		Create: func(
			ctx context.Context, s *server.Server, _ embedded.Op, want DefaultPrivileges,
		) (string, DefaultPrivileges, error) {
			got, err := applyDefaultPrivileges(ctx, s, want)
			return want.id(), got, err
		},
		Read: readDefaultPrivileges,
		Update: func(
			ctx context.Context, s *server.Server, _ embedded.Op, _ string, _, want DefaultPrivileges,
		) (DefaultPrivileges, error) {
			return applyDefaultPrivileges(ctx, s, want)
		},
		Delete: deleteDefaultPrivileges,
	}
}

func checkDefaultPrivileges(d *DefaultPrivileges) []embedded.Problem {
	var problems []embedded.Problem
	d.Privileges, problems = checkPrivileges(d.ObjectType, d.Privileges,
		[]string{"function", "schema", "sequence", "table"})
	problems = append(problems, checkName("role", d.Role)...)
	problems = append(problems, checkName("database", d.Database)...)
	problems = append(problems, checkName("owner", d.Owner)...)
	if d.ObjectType == "schema" && d.Schema != "" {
		problems = append(problems, embedded.Problem{Input: "schema", Reason: "has no meaning for schemas"})
	}
	if d.WithGrantOption {
		problems = append(problems, embedded.Problem{Input: "withGrantOption", Reason: "is not supported"})
	}
	return problems
}

// id is the official plugin's.
func (d DefaultPrivileges) id() string {
	schema := d.Schema
	if schema == "" {
		schema = "noschema"
	}
	return strings.Join([]string{d.Role, d.Database, schema, d.Owner, d.ObjectType}, "_")
}

func (d DefaultPrivileges) String() string {
	where := "database " + d.Database
	if d.Schema != "" {
		where = "schema " + d.Schema
	}
	return fmt.Sprintf("default rights of %s on %ss that %s makes in %s", d.Role, d.ObjectType, d.Owner, where)
}

func applyDefaultPrivileges(
	ctx context.Context, s *server.Server, want DefaultPrivileges,
) (DefaultPrivileges, error) {
	err := s.Change(ctx, want.Database, func(ctx context.Context, tx server.Conn) error {
		have, _, err := defaultPrivilegesOf(ctx, tx, want)
		if errors.Is(err, embedded.ErrGone) {
			return fmt.Errorf("role %s, role %s or schema %s does not exist", want.Role, want.Owner, want.Schema)
		}
		if err != nil {
			return err
		}
		return setDefaultPrivileges(ctx, tx, want, have, want.Privileges)
	})
	if err != nil {
		return DefaultPrivileges{}, fmt.Errorf("set %s: %w", want, err)
	}
	return readDefaultPrivileges(ctx, s, embedded.Op{}, want.id(), want)
}

func setDefaultPrivileges(ctx context.Context, tx server.Conn, d DefaultPrivileges, have, want []string) error {
	if err := actAs(ctx, tx, d.Owner); err != nil {
		return err
	}
	alter := "ALTER DEFAULT PRIVILEGES FOR ROLE " + ident(d.Owner)
	if d.Schema != "" {
		alter += " IN SCHEMA " + ident(d.Schema)
	}
	on := " ON " + objectTypes()[d.ObjectType].plural
	if extra := without(have, want); len(extra) > 0 {
		if _, err := tx.Exec(ctx, alter+" REVOKE "+strings.Join(extra, ", ")+on+" FROM "+grantee(d.Role)); err != nil {
			return err
		}
	}
	if missing := without(want, have); len(missing) > 0 {
		if _, err := tx.Exec(ctx, alter+" GRANT "+strings.Join(missing, ", ")+on+" TO "+grantee(d.Role)); err != nil {
			return err
		}
	}
	return nil
}

// defaultPrivilegesOf reads what the role gets now, and what it would get if nobody had said anything. Without a
// schema PostgreSQL's own defaults count; a schema only adds to them.
func defaultPrivilegesOf(
	ctx context.Context, c server.Conn, d DefaultPrivileges,
) (have, builtIn []string, err error) {
	role, err := roleOID(ctx, c, d.Role)
	if err != nil {
		return nil, nil, err
	}
	maker, err := roleOID(ctx, c, d.Owner)
	if err != nil {
		return nil, nil, err
	}
	kind := objectTypes()[d.ObjectType]
	fallback := "NULL::aclitem[]"
	if d.Schema == "" {
		fallback = "acldefault('" + kind.aclCode + "', $2::oid)"
	} else if _, _, err := lookUpSchema(ctx, c, d.Schema); err != nil {
		return nil, nil, err
	}
	rights := func(acl string) string {
		return `ARRAY(SELECT DISTINCT a.privilege_type::text FROM aclexplode(` + acl + `) a WHERE a.grantee = $1::oid ORDER BY 1)`
	}
	stored := `(SELECT defaclacl FROM pg_default_acl WHERE defaclrole = $2::oid AND defaclobjtype = $3::"char"
		AND defaclnamespace = coalesce((SELECT oid FROM pg_namespace WHERE nspname = $4), 0))`
	err = c.QueryRow(ctx, `SELECT `+rights("coalesce("+stored+", "+fallback+")")+`, `+rights(fallback),
		role, maker, kind.code, d.Schema).Scan(&have, &builtIn)
	return have, builtIn, wrap(err, "look for default privileges")
}

func readDefaultPrivileges(
	ctx context.Context, s *server.Server, op embedded.Op, id string, d DefaultPrivileges,
) (DefaultPrivileges, error) {
	if op.Import {
		return d, fmt.Errorf("default privileges %s cannot be imported: the ID does not say where one name ends", id)
	}
	err := s.Do(ctx, d.Database, func(ctx context.Context, c server.Conn) error {
		have, _, err := defaultPrivilegesOf(ctx, c, d)
		if err != nil {
			return err
		}
		d.Privileges = append([]string{}, have...)
		return nil
	})
	if server.IsClosed(err) {
		return d, nil
	}
	return d, wrap(goneWithDatabase(err), "read %s", d)
}

// deleteDefaultPrivileges goes back to what PostgreSQL does by itself.
func deleteDefaultPrivileges(
	ctx context.Context, s *server.Server, _ embedded.Op, _ string, d DefaultPrivileges,
) error {
	err := s.Change(ctx, d.Database, func(ctx context.Context, tx server.Conn) error {
		have, builtIn, err := defaultPrivilegesOf(ctx, tx, d)
		if err != nil {
			return err
		}
		return setDefaultPrivileges(ctx, tx, d, have, builtIn)
	})
	return wrap(goneWithDatabase(err), "take back %s", d)
}
