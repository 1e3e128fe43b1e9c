package admin

import (
	"context"
	"fmt"
	"net/http"
)

// FindRole returns the role of a name, or nil; client is the UUID of the client whose role it is, empty for one of the
// realm: GET /realms/{realm}/roles/{name} or /realms/{realm}/clients/{client}/roles/{name}.
func (c *Client) FindRole(ctx context.Context, realm, client, name string) (Object, error) {
	return absent(c.object(ctx, call{
		doing: fmt.Sprintf("look for role %q in realm %q", name, realm), path: append(rolesOf(realm, client), name),
		role: "view-" + whoseRoles(client),
	}))
}

// GetRole returns a role by its UUID, or nil: GET /realms/{realm}/roles-by-id/{id}.
func (c *Client) GetRole(ctx context.Context, realm, id string) (Object, error) {
	return absent(c.object(ctx, call{
		doing: fmt.Sprintf("read role %s of realm %q", id, realm), path: []string{realm, "roles-by-id", id},
		role: "view-realm",
	}))
}

// CreateRole is POST /realms/{realm}/roles or /realms/{realm}/clients/{client}/roles.
func (c *Client) CreateRole(ctx context.Context, realm, client string, o Object) error {
	return c.do(ctx, call{
		doing:  fmt.Sprintf("create role %q in realm %q", o.Text("name"), realm),
		method: http.MethodPost, path: rolesOf(realm, client), body: o, role: "manage-" + whoseRoles(client),
	}, nil)
}

// UpdateRole is PUT /realms/{realm}/roles-by-id/{id}. Attributes are set as a whole.
func (c *Client) UpdateRole(ctx context.Context, realm, id string, o Object) error {
	return c.do(ctx, call{
		doing:  fmt.Sprintf("change role %q of realm %q", o.Text("name"), realm),
		method: http.MethodPut, path: []string{realm, "roles-by-id", id}, body: o, role: "manage-realm",
	}, nil)
}

// DeleteRole is DELETE /realms/{realm}/roles-by-id/{id}. Who has it loses it.
func (c *Client) DeleteRole(ctx context.Context, realm, id string) error {
	return c.remove(ctx, call{
		doing: fmt.Sprintf("delete role %s of realm %q", id, realm), path: []string{realm, "roles-by-id", id},
		role: "manage-realm",
	})
}

func rolesOf(realm, client string) []string {
	if client == "" {
		return []string{realm, "roles"}
	}
	return []string{realm, "clients", client, "roles"}
}

func whoseRoles(client string) string {
	if client == "" {
		return "realm"
	}
	return "clients"
}
