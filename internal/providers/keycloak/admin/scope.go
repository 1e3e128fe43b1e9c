package admin

import (
	"context"
	"fmt"
	"net/http"
)

// ClientScopes returns all of a realm's client scopes: GET /realms/{realm}/client-scopes.
func (c *Client) ClientScopes(ctx context.Context, realm string) ([]Object, error) {
	return c.objects(ctx, call{
		doing: fmt.Sprintf("list the client scopes of realm %q", realm), path: []string{realm, "client-scopes"},
		role: "view-clients",
	})
}

// FindClientScope returns the client scope of a name, or nil.
func (c *Client) FindClientScope(ctx context.Context, realm, name string) (Object, error) {
	list, err := c.ClientScopes(ctx, realm)
	return named(list, "name", name), err
}

// GetClientScope returns a client scope by its UUID, or nil: GET /realms/{realm}/client-scopes/{id}.
func (c *Client) GetClientScope(ctx context.Context, realm, id string) (Object, error) {
	return absent(c.object(ctx, call{
		doing: fmt.Sprintf("read client scope %s of realm %q", id, realm), path: []string{realm, "client-scopes", id},
		role: "view-clients",
	}))
}

// CreateClientScope is POST /realms/{realm}/client-scopes.
func (c *Client) CreateClientScope(ctx context.Context, realm string, o Object) error {
	return c.do(ctx, call{
		doing:  fmt.Sprintf("create client scope %q in realm %q", o.Text("name"), realm),
		method: http.MethodPost, path: []string{realm, "client-scopes"}, body: o, role: "manage-clients",
	}, nil)
}

// UpdateClientScope is PUT /realms/{realm}/client-scopes/{id}. It treats fields and attributes as UpdateClient does.
func (c *Client) UpdateClientScope(ctx context.Context, realm, id string, o Object) error {
	return c.do(ctx, call{
		doing:  fmt.Sprintf("change client scope %q of realm %q", o.Text("name"), realm),
		method: http.MethodPut, path: []string{realm, "client-scopes", id}, body: o, role: "manage-clients",
	}, nil)
}

// DeleteClientScope is DELETE /realms/{realm}/client-scopes/{id}. Clients that have it lose it.
func (c *Client) DeleteClientScope(ctx context.Context, realm, id string) error {
	return c.remove(ctx, call{
		doing: fmt.Sprintf("delete client scope %s of realm %q", id, realm), path: []string{realm, "client-scopes", id},
		role: "manage-clients",
	})
}
