package postgresql

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"plattr.dev/plattr/internal/providers/embedded"
	"plattr.dev/plattr/internal/providers/postgresql/server"
)

// applyRole makes the role with its mark, or changes what differs, in one transaction.
func applyRole(ctx context.Context, s *server.Server, op embedded.Op, want Role, setPassword bool) error {
	verifier := ""
	if want.Password != "" {
		var err error
		if verifier, err = scramVerifier(want.Password); err != nil {
			return fmt.Errorf("password: %w", err)
		}
	}
	change := func() error {
		return s.Change(ctx, s.Database(), func(ctx context.Context, tx server.Conn) error {
			have, fresh, err := ensureRole(ctx, tx, op, want.Name)
			if err != nil {
				return err
			}
			if err := actAs(ctx, tx, want.Name); err != nil {
				return err
			}
			return alterRole(ctx, tx, have, want, verifier, setPassword || fresh)
		})
	}
	err := change()
	if server.IsDuplicate(err) { // made between the look and the CREATE: look again whose it is
		err = change()
	}
	return err
}

// ensureRole returns the stack's role as it is, made if need be.
func ensureRole(ctx context.Context, tx server.Conn, op embedded.Op, name string) (have Role, fresh bool, err error) {
	have, mark, err := lookUpRole(ctx, tx, name)
	if err == nil {
		return have, false, claim("role", name, mark, op.Owner)
	}
	if !errors.Is(err, embedded.ErrGone) {
		return Role{}, false, err
	}
	for _, statement := range []string{"CREATE ROLE " + ident(name) + " NOINHERIT", comment("ROLE", ident(name), op.Owner)} {
		if _, err := tx.Exec(ctx, statement); err != nil {
			return Role{}, false, err
		}
	}
	return Role{Inherit: new(false), ConnectionLimit: new(-1)}, true, nil
}

// alterRole sets what differs. What only a superuser may set is left out unless it differs, and then the server says
// so.
func alterRole(ctx context.Context, tx server.Conn, have, want Role, verifier string, setPassword bool) error {
	options := roleOptions(have, want)
	if setPassword {
		password := "NULL"
		if verifier != "" {
			password = literal(verifier)
		}
		options = append(options, "PASSWORD "+password)
	}
	role := ident(want.Name)
	if len(options) > 0 {
		if _, err := tx.Exec(ctx, "ALTER ROLE "+role+" "+strings.Join(options, " ")); err != nil {
			return err
		}
	}
	for _, setting := range []struct{ name, have, want string }{
		{"search_path", quoteAll(have.SearchPaths), quoteAll(want.SearchPaths)},
		{"statement_timeout", strconv.Itoa(have.StatementTimeout), strconv.Itoa(want.StatementTimeout)},
		{
			"idle_in_transaction_session_timeout",
			strconv.Itoa(have.IdleInTransactionSessionTimeout), strconv.Itoa(want.IdleInTransactionSessionTimeout),
		},
	} {
		if setting.have == setting.want {
			continue
		}
		if err := setRole(ctx, tx, role, setting.name, setting.want); err != nil {
			return err
		}
	}
	if *have.Inherit != *want.Inherit {
		return inheritMemberships(ctx, tx, want.Name, *want.Inherit)
	}
	return nil
}

// roleOptions are the attributes of ALTER ROLE that differ.
func roleOptions(have, want Role) []string {
	var options []string
	for _, flag := range []struct {
		have, want bool
		name       string
	}{
		{have.Login, want.Login, "LOGIN"},
		{*have.Inherit, *want.Inherit, "INHERIT"},
		{have.CreateDatabase, want.CreateDatabase, "CREATEDB"},
		{have.CreateRole, want.CreateRole, "CREATEROLE"},
		{have.Superuser, want.Superuser, "SUPERUSER"},
		{have.Replication, want.Replication, "REPLICATION"},
		{have.BypassRowLevelSecurity, want.BypassRowLevelSecurity, "BYPASSRLS"},
	} {
		switch {
		case flag.have == flag.want:
		case flag.want:
			options = append(options, flag.name)
		default:
			options = append(options, "NO"+flag.name)
		}
	}
	if *have.ConnectionLimit != *want.ConnectionLimit {
		options = append(options, "CONNECTION LIMIT "+strconv.Itoa(*want.ConnectionLimit))
	}
	if have.ValidUntil != "" && have.ValidUntil != want.ValidUntil {
		options = append(options, "VALID UNTIL 'infinity'")
	}
	return options
}

func setRole(ctx context.Context, tx server.Conn, role, name, value string) error {
	statement := "ALTER ROLE " + role + " SET " + name + " TO " + value
	if value == "" || value == "0" {
		statement = "ALTER ROLE " + role + " RESET " + name
	}
	_, err := tx.Exec(ctx, statement)
	return err
}

// quoteAll is a list of quoted names.
func quoteAll(names []string) string {
	quoted := make([]string, 0, len(names))
	for _, n := range names {
		quoted = append(quoted, ident(n))
	}
	return strings.Join(quoted, ", ")
}

// splitIdentifiers reads a list of names as PostgreSQL stores a search_path: separated by commas, quoted where needed.
func splitIdentifiers(list string) []string {
	var out []string
	for list = strings.TrimLeft(list, ", "); list != ""; list = strings.TrimLeft(list, ", ") {
		if list[0] != '"' {
			name, rest, _ := strings.Cut(list, ",")
			out = append(out, strings.TrimSpace(name))
			list = rest
			continue
		}
		var name strings.Builder
		i := 1
		for ; i < len(list); i++ {
			if list[i] == '"' {
				if i+1 >= len(list) || list[i+1] != '"' {
					break
				}
				i++ // a doubled quote is one
			}
			name.WriteByte(list[i])
		}
		out = append(out, name.String())
		list = list[min(i+1, len(list)):]
	}
	return out
}
