package postgresql

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"plattr.dev/plattr/internal/providers/embedded"
	"plattr.dev/plattr/internal/providers/postgresql/server"
)

// Role holds the inputs, and as every input can be read back also the state, of postgresql:index/role:Role.
type Role struct {
	Name     string `json:"name"`
	Password string `json:"password,omitempty"`
	Login    bool   `json:"login"`
	// Inherit is true when left out.
	Inherit                         *bool    `json:"inherit,omitempty"`
	CreateDatabase                  bool     `json:"createDatabase"`
	CreateRole                      bool     `json:"createRole"`
	Superuser                       bool     `json:"superuser"`
	Replication                     bool     `json:"replication"`
	BypassRowLevelSecurity          bool     `json:"bypassRowLevelSecurity"`
	ConnectionLimit                 *int     `json:"connectionLimit,omitempty"`
	SearchPaths                     []string `json:"searchPaths,omitempty"`
	StatementTimeout                int      `json:"statementTimeout,omitempty"`
	IdleInTransactionSessionTimeout int      `json:"idleInTransactionSessionTimeout,omitempty"`
	// EncryptedPassword must be true: the server gets a verifier, never the password.
	EncryptedPassword *bool `json:"encryptedPassword,omitempty"`
	// ValidUntil must be "infinity".
	ValidUntil string `json:"validUntil,omitempty"`
	// SkipDropRole leaves the role on the server when the resource goes.
	SkipDropRole bool `json:"skipDropRole"`
	// SkipReassignOwned drops what the role owns with it, instead of giving it to the administrator.
	SkipReassignOwned bool `json:"skipReassignOwned"`
}

func roleType() *embedded.Type[*server.Server, Role, Role] {
	return &embedded.Type[*server.Server, Role, Role]{
		Token:   "postgresql:index/role:Role",
		Replace: []string{"name"}, DeleteBeforeReplace: false,
		Secret: []string{"password"},
		Check:  checkRole,
		Create: createRole, Read: readRole, Update: updateRole, Delete: deleteRole,
	}
}

func checkRole(r *Role) []embedded.Problem {
	problems := checkName("name", r.Name)
	if r.Inherit == nil {
		r.Inherit = new(true)
	}
	if r.ConnectionLimit == nil {
		r.ConnectionLimit = new(-1)
	}
	if r.EncryptedPassword == nil {
		r.EncryptedPassword = new(true)
	}
	if r.ValidUntil == "" {
		r.ValidUntil = "infinity"
	}
	if !*r.EncryptedPassword {
		problems = append(problems, embedded.Problem{Input: "encryptedPassword", Reason: "a password is always stored as a verifier"})
	}
	if r.ValidUntil != "infinity" {
		problems = append(problems, embedded.Problem{Input: "validUntil", Reason: "only infinity is supported"})
	}
	if strings.ContainsRune(r.Password, 0) {
		problems = append(problems, embedded.Problem{Input: "password", Reason: "must not contain a NUL character"})
	}
	return problems
}

// checkName holds PostgreSQL's rule for identifiers; a longer name would be cut silently.
func checkName(input, name string) []embedded.Problem {
	switch {
	case name == "":
		return []embedded.Problem{{Input: input, Reason: "is required"}}
	case len(name) > 63:
		return []embedded.Problem{{Input: input, Reason: fmt.Sprintf("%q is longer than 63 bytes", name)}}
	case strings.ContainsRune(name, 0):
		return []embedded.Problem{{Input: input, Reason: "must not contain a NUL character"}}
	}
	return nil
}

func createRole(ctx context.Context, s *server.Server, op embedded.Op, want Role) (string, Role, error) {
	err := applyRole(ctx, s, op, want, true)
	if err != nil {
		return "", Role{}, fmt.Errorf("create role %s: %w", want.Name, err)
	}
	got, err := roleAfterWrite(ctx, s, want)
	return want.Name, got, err
}

func updateRole(
	ctx context.Context, s *server.Server, op embedded.Op, id string, old Role, want Role,
) (Role, error) {
	if err := applyRole(ctx, s, op, want, old.Password != want.Password); err != nil {
		return Role{}, fmt.Errorf("change role %s: %w", id, err)
	}
	return roleAfterWrite(ctx, s, want)
}

// roleAfterWrite reads back what a write left. The password was just set, so it is not tried.
func roleAfterWrite(ctx context.Context, s *server.Server, want Role) (Role, error) {
	var got Role
	err := s.Do(ctx, s.Database(), func(ctx context.Context, c server.Conn) (err error) {
		got, _, err = lookUpRole(ctx, c, want.Name)
		return err
	})
	if err != nil {
		return Role{}, fmt.Errorf("read role %s back: %w", want.Name, err)
	}
	got.keep(want)
	return got, nil
}

// keep takes over what is no property of the role on the server.
func (r *Role) keep(from Role) {
	r.Password, r.EncryptedPassword = from.Password, from.EncryptedPassword
	r.SkipDropRole, r.SkipReassignOwned = from.SkipDropRole, from.SkipReassignOwned
}

func readRole(ctx context.Context, s *server.Server, op embedded.Op, id string, state Role) (Role, error) {
	var got Role
	err := s.Do(ctx, s.Database(), func(ctx context.Context, c server.Conn) error {
		var mark string
		var err error
		if got, mark, err = lookUpRole(ctx, c, id); err != nil {
			return err
		}
		if owner(mark) != op.Owner && !op.Import {
			return embedded.ErrGone // ours is gone; what has its name now is somebody else's
		}
		return nil
	})
	if err != nil {
		return Role{}, fmt.Errorf("read role %s: %w", id, err)
	}
	got.keep(state)
	if op.Import {
		got.EncryptedPassword = new(true)
	}
	if got.Login && state.Password != "" && !s.Accepts(ctx, id, state.Password) {
		got.Password = "" // what it is now cannot be known; that it differs is drift
	}
	return got, nil
}

// lookUpRole reads a role and its comment.
func lookUpRole(ctx context.Context, c server.Conn, name string) (Role, string, error) {
	r := Role{Name: name, Inherit: new(false), ConnectionLimit: new(0)}
	var mark string
	var settings []string
	err := c.QueryRow(ctx, `
		SELECT rolcanlogin, rolinherit, rolcreatedb, rolcreaterole, rolsuper, rolreplication, rolbypassrls, rolconnlimit,
			coalesce(rolvaliduntil::text, 'infinity'), coalesce(rolconfig, '{}'),
			coalesce(shobj_description(oid, 'pg_authid'), '')
		FROM pg_roles WHERE rolname = $1`, name).
		Scan(&r.Login, r.Inherit, &r.CreateDatabase, &r.CreateRole, &r.Superuser, &r.Replication,
			&r.BypassRowLevelSecurity, r.ConnectionLimit, &r.ValidUntil, &settings, &mark)
	if errors.Is(err, pgx.ErrNoRows) {
		return Role{}, "", embedded.ErrGone
	}
	if err != nil {
		return Role{}, "", fmt.Errorf("look for role %s: %w", name, err)
	}
	for _, s := range settings {
		key, value, _ := strings.Cut(s, "=")
		switch key {
		case "search_path":
			r.SearchPaths = splitIdentifiers(value)
		case "statement_timeout":
			r.StatementTimeout, _ = strconv.Atoi(value)
		case "idle_in_transaction_session_timeout":
			r.IdleInTransactionSessionTimeout, _ = strconv.Atoi(value)
		}
	}
	return r, mark, nil
}
