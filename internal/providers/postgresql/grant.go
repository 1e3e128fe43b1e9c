package postgresql

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"plattr.dev/plattr/internal/providers/embedded"
	"plattr.dev/plattr/internal/providers/postgresql/server"
)

// maxObjects is how many objects one GRANT names.
const maxObjects = 200

// Grant holds the inputs and the state of postgresql:index/grant:Grant: exactly these rights, no more and no fewer,
// for a role on a database, a schema, or on all (or the named) tables, sequences or functions of a schema. No
// privileges means none: what the role had is revoked.
type Grant struct {
	// Role may be "public".
	Role       string   `json:"role"`
	Database   string   `json:"database"`
	Schema     string   `json:"schema,omitempty"`
	ObjectType string   `json:"objectType"`
	Objects    []string `json:"objects,omitempty"`
	Privileges []string `json:"privileges"`
	// WithGrantOption must be false.
	WithGrantOption bool `json:"withGrantOption"`
}

func grantType() *embedded.Type[*server.Server, Grant, Grant] {
	return &embedded.Type[*server.Server, Grant, Grant]{
		Token:   "postgresql:index/grant:Grant",
		Replace: []string{"role", "database", "schema", "objectType", "objects"}, DeleteBeforeReplace: true,
		Equal: func(key string, a, b any) bool {
			return (key == "privileges" || key == "objects") && sameSet(key, a, b)
		},
		Check: checkGrant, Create: createGrant, Read: readGrant, Update: updateGrant, Delete: deleteGrant,
	}
}

func checkGrant(g *Grant) []embedded.Problem {
	var problems []embedded.Problem
	g.Privileges, problems = checkPrivileges(g.ObjectType, g.Privileges,
		[]string{"database", "function", "schema", "sequence", "table"})
	problems = append(problems, checkName("role", g.Role)...)
	problems = append(problems, checkName("database", g.Database)...)
	whole := g.ObjectType == "database" || g.ObjectType == "schema"
	switch {
	case g.ObjectType == "database" && g.Schema != "":
		problems = append(problems, embedded.Problem{Input: "schema", Reason: "has no meaning for a database"})
	case g.ObjectType != "database":
		problems = append(problems, checkName("schema", g.Schema)...)
	}
	if whole && len(g.Objects) > 0 {
		problems = append(problems, embedded.Problem{Input: "objects", Reason: "has no meaning for a " + g.ObjectType})
	}
	if g.WithGrantOption {
		problems = append(problems, embedded.Problem{Input: "withGrantOption", Reason: "is not supported"})
	}
	slices.Sort(g.Objects)
	return problems
}

// id is the official plugin's.
func (g Grant) id() string {
	parts := []string{g.Role, g.Database}
	if g.ObjectType != "database" {
		parts = append(parts, g.Schema)
	}
	return strings.Join(append(append(parts, g.ObjectType), g.Objects...), "_")
}

func (g Grant) String() string {
	on := g.ObjectType + "s of schema " + g.Schema
	switch g.ObjectType {
	case "database":
		on = "database " + g.Database
	case "schema":
		on = "schema " + g.Schema
	}
	return fmt.Sprintf("rights of %s on %s", g.Role, on)
}

func createGrant(ctx context.Context, s *server.Server, _ embedded.Op, want Grant) (string, Grant, error) {
	if err := applyGrant(ctx, s, want); err != nil {
		return "", Grant{}, fmt.Errorf("set %s: %w", want, err)
	}
	got, err := readGrant(ctx, s, embedded.Op{}, want.id(), want)
	return want.id(), got, err
}

func updateGrant(ctx context.Context, s *server.Server, _ embedded.Op, id string, _, want Grant) (Grant, error) {
	if err := applyGrant(ctx, s, want); err != nil {
		return Grant{}, fmt.Errorf("set %s: %w", want, err)
	}
	return readGrant(ctx, s, embedded.Op{}, id, want)
}

// applyGrant makes the rights what they should be; where they are, nothing is written.
func applyGrant(ctx context.Context, s *server.Server, want Grant) error {
	return s.Change(ctx, want.Database, func(ctx context.Context, tx server.Conn) error {
		if err := actForGrant(ctx, tx, want); err != nil {
			return err
		}
		have, err := grantsOf(ctx, tx, want)
		if errors.Is(err, embedded.ErrGone) {
			return fmt.Errorf("role %s does not exist", want.Role)
		}
		if err != nil {
			return err
		}
		if missing := missingObject(want, have); missing != "" {
			return fmt.Errorf("%s does not exist", missing)
		}
		for _, statement := range grantStatements(want, have) {
			if _, err := tx.Exec(ctx, statement); err != nil {
				return err
			}
		}
		return nil
	})
}

// actForGrant makes sure that the administrator speaks for the schema's owner, even if somebody took that away.
func actForGrant(ctx context.Context, tx server.Conn, g Grant) error {
	if g.ObjectType == "database" {
		return nil
	}
	have, _, err := lookUpSchema(ctx, tx, g.Schema)
	if errors.Is(err, embedded.ErrGone) {
		return fmt.Errorf("schema %s does not exist", g.Schema)
	}
	if err != nil {
		return err
	}
	return actAs(ctx, tx, have.Owner)
}

func missingObject(want Grant, have []objectRights) string {
	switch {
	case want.ObjectType == "database" && len(have) == 0:
		return "database " + want.Database
	case want.ObjectType == "schema" && len(have) == 0:
		return "schema " + want.Schema
	case len(want.Objects) > 0 && len(have) < len(want.Objects):
		return "one of the objects " + strings.Join(want.Objects, ", ")
	}
	return ""
}

// objectRights is what a role may do on one object.
type objectRights struct {
	object     string // quoted
	privileges []string
}

func grantsOf(ctx context.Context, c server.Conn, g Grant) ([]objectRights, error) {
	role, err := roleOID(ctx, c, g.Role)
	if err != nil {
		return nil, err
	}
	container := g.Schema
	if g.ObjectType == "database" {
		container = g.Database
	}
	objects := g.Objects
	if objects == nil {
		objects = []string{}
	}
	rows, err := c.Query(ctx, objectTypes()[g.ObjectType].query, role, container, objects)
	if err != nil {
		return nil, err
	}
	have, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (objectRights, error) {
		var o objectRights
		return o, row.Scan(&o.object, &o.privileges)
	})
	return have, wrap(err, "look for privileges")
}

// grantStatements turn what is into what should be. Objects with the same difference share a statement.
func grantStatements(want Grant, have []objectRights) []string {
	type difference struct{ revoke, grant string }
	objects := map[difference][]string{}
	var order []difference
	for _, o := range have {
		d := difference{
			revoke: strings.Join(without(o.privileges, want.Privileges), ", "),
			grant:  strings.Join(without(want.Privileges, o.privileges), ", "),
		}
		if d == (difference{}) {
			continue
		}
		if objects[d] == nil {
			order = append(order, d)
		}
		objects[d] = append(objects[d], o.object)
	}
	kind := objectTypes()[want.ObjectType].singular
	var out []string
	for _, d := range order {
		for some := range slices.Chunk(objects[d], maxObjects) {
			on := " ON " + kind + " " + strings.Join(some, ", ")
			if d.revoke != "" {
				out = append(out, "REVOKE "+d.revoke+on+" FROM "+grantee(want.Role))
			}
			if d.grant != "" {
				out = append(out, "GRANT "+d.grant+on+" TO "+grantee(want.Role))
			}
		}
	}
	return out
}

// readGrant reports the wanted rights if every object has just these, else those of the first that differs.
func readGrant(ctx context.Context, s *server.Server, op embedded.Op, id string, g Grant) (Grant, error) {
	if op.Import {
		return g, fmt.Errorf("grant %s cannot be imported: its ID does not say where one name ends", id)
	}
	err := s.Do(ctx, g.Database, func(ctx context.Context, c server.Conn) error {
		have, err := grantsOf(ctx, c, g)
		if err != nil {
			return err
		}
		if missingObject(g, have) != "" {
			return embedded.ErrGone
		}
		if g.ObjectType != "database" && len(have) == 0 { // is it the schema that is missing?
			if _, _, err := lookUpSchema(ctx, c, g.Schema); err != nil {
				return err
			}
		}
		for _, o := range have {
			if len(without(o.privileges, g.Privileges))+len(without(g.Privileges, o.privileges)) > 0 {
				g.Privileges = append([]string{}, o.privileges...)
				return nil
			}
		}
		return nil
	})
	if server.IsClosed(err) {
		return g, nil
	}
	return g, wrap(goneWithDatabase(err), "read %s", g)
}

func deleteGrant(ctx context.Context, s *server.Server, _ embedded.Op, _ string, g Grant) error {
	err := s.Change(ctx, g.Database, func(ctx context.Context, tx server.Conn) error {
		have, err := grantsOf(ctx, tx, g)
		if err != nil || len(have) == 0 {
			return err
		}
		if err := actForGrant(ctx, tx, g); err != nil {
			return err
		}
		g.Privileges = []string{}
		for _, statement := range grantStatements(g, have) {
			if _, err := tx.Exec(ctx, statement); err != nil {
				return err
			}
		}
		return nil
	})
	return wrap(goneWithDatabase(err), "revoke %s", g)
}
