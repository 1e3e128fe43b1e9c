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

// public is the pseudo-role that every role is in.
const public = "public"

// objectType is a kind of thing that rights are given on.
type objectType struct {
	// singular and plural are what GRANT and ALTER DEFAULT PRIVILEGES call it.
	singular, plural string
	// privileges are those that exist for it.
	privileges []string
	// query lists the things as text and as what the role may do on each, with $1 the role's OID, $2 the schema or the
	// database, $3 names of single objects or an empty array.
	query string
	// code is the type in pg_default_acl, and in acldefault.
	code, aclCode string
}

// held is the part of a query that lists a role's rights from an ACL, or from the default that a missing one means.
func held(acl, aclCode, ownerColumn string) string {
	return `ARRAY(SELECT DISTINCT a.privilege_type::text
		FROM aclexplode(coalesce(` + acl + `, acldefault('` + aclCode + `', ` + ownerColumn + `))) a
		WHERE a.grantee = $1::oid ORDER BY 1)`
}

// relations lists tables or sequences that the administrator may speak for. Others in the schema are not the
// application's: a superuser made them.
func relations(kinds, aclCode string) string {
	return `SELECT format('%I.%I', n.nspname, c.relname), ` + held("c.relacl", aclCode, "c.relowner") + `
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname = $2 AND c.relkind IN (` + kinds + `) AND pg_has_role(c.relowner, 'USAGE')
			AND (cardinality($3::text[]) = 0 OR c.relname = ANY ($3::text[]))
		ORDER BY 1`
}

// objectTypes are the kinds that the provider serves, by the official plugin's names.
func objectTypes() map[string]objectType {
	return map[string]objectType{
		"database": {
			singular: "DATABASE", privileges: []string{"CONNECT", "CREATE", "TEMPORARY"},
			query: `SELECT format('%I', datname), ` + held("datacl", "d", "datdba") + `
				FROM pg_database WHERE datname = $2 AND cardinality($3::text[]) = 0`,
		},
		"schema": {
			singular: "SCHEMA", plural: "SCHEMAS", code: "n", aclCode: "n", privileges: []string{"CREATE", "USAGE"},
			query: `SELECT format('%I', nspname), ` + held("nspacl", "n", "nspowner") + `
				FROM pg_namespace WHERE nspname = $2 AND cardinality($3::text[]) = 0`,
		},
		"table": {
			singular: "TABLE", plural: "TABLES", code: "r", aclCode: "r",
			privileges: []string{
				"DELETE", "INSERT", "MAINTAIN", "REFERENCES", "SELECT", "TRIGGER", "TRUNCATE", "UPDATE",
			},
			query: relations("'r', 'v', 'm', 'f', 'p'", "r"),
		},
		"sequence": {
			singular: "SEQUENCE", plural: "SEQUENCES", code: "S", aclCode: "s",
			privileges: []string{"SELECT", "UPDATE", "USAGE"},
			query:      relations("'S'", "s"),
		},
		"function": {
			singular: "ROUTINE", plural: "ROUTINES", code: "f", aclCode: "f", privileges: []string{"EXECUTE"},
			query: `SELECT p.oid::regprocedure::text, ` + held("p.proacl", "f", "p.proowner") + `
				FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
				WHERE n.nspname = $2 AND pg_has_role(p.proowner, 'USAGE')
					AND (cardinality($3::text[]) = 0 OR p.proname = ANY ($3::text[]))
				ORDER BY 1`,
		},
	}
}

// checkPrivileges validates and sorts a list of rights.
func checkPrivileges(kind string, privileges []string, served []string) ([]string, []embedded.Problem) {
	if !slices.Contains(served, kind) {
		return privileges, []embedded.Problem{{
			Input: "objectType", Reason: fmt.Sprintf("%q is not supported; one of %s is", kind, strings.Join(served, ", ")),
		}}
	}
	known := objectTypes()[kind].privileges
	out := []string{}
	var problems []embedded.Problem
	for _, p := range privileges {
		p = strings.ToUpper(p)
		if p == "TEMP" {
			p = "TEMPORARY"
		}
		if !slices.Contains(known, p) {
			problems = append(problems, embedded.Problem{
				Input: "privileges", Reason: fmt.Sprintf("%q is no privilege on a %s; %s are", p, kind, strings.Join(known, ", ")),
			})
		}
		out = append(out, p)
	}
	slices.Sort(out)
	return slices.Compact(out), problems
}

// sameSet says that two lists hold the same words in any order and case, as sets of the official plugin do.
func sameSet(_ string, a, b any) bool {
	x, okX := words(a)
	y, okY := words(b)
	return okX && okY && slices.Equal(x, y)
}

func words(v any) ([]string, bool) {
	list, ok := v.([]any)
	out := make([]string, 0, len(list))
	for _, e := range list {
		s, isText := e.(string)
		ok = ok && isText
		out = append(out, strings.ToUpper(s))
	}
	slices.Sort(out)
	return out, ok
}

// grantee quotes a role, or says PUBLIC.
func grantee(role string) string {
	if strings.EqualFold(role, public) {
		return "PUBLIC"
	}
	return ident(role)
}

// roleOID finds a role for an ACL, where PUBLIC is 0. A role that is not there is ErrGone.
func roleOID(ctx context.Context, c server.Conn, role string) (uint32, error) {
	if strings.EqualFold(role, public) {
		return 0, nil
	}
	var oid uint32
	err := c.QueryRow(ctx, "SELECT oid FROM pg_roles WHERE rolname = $1", role).Scan(&oid)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, embedded.ErrGone
	}
	return oid, wrap(err, "look for role %s", role)
}

// without is what of a is not in b.
func without(a, b []string) []string {
	var out []string
	for _, s := range a {
		if !slices.Contains(b, s) {
			out = append(out, s)
		}
	}
	return out
}
