package admin

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
)

// FindClient returns the client of a client ID, or nil: GET /realms/{realm}/clients?clientId={client}.
func (c *Client) FindClient(ctx context.Context, realm, clientID string) (Object, error) {
	list, err := c.objects(ctx, call{
		doing: fmt.Sprintf("look for client %q in realm %q", clientID, realm), path: []string{realm, "clients"},
		query: url.Values{"clientId": {clientID}}, role: "view-clients",
	})
	return named(list, "clientId", clientID), err
}

// GetClient returns a client by its UUID, or nil: GET /realms/{realm}/clients/{id}.
func (c *Client) GetClient(ctx context.Context, realm, id string) (Object, error) {
	return absent(c.object(ctx, call{
		doing: fmt.Sprintf("read client %s of realm %q", id, realm), path: []string{realm, "clients", id},
		role: "view-clients",
	}))
}

// CreateClient is POST /realms/{realm}/clients.
func (c *Client) CreateClient(ctx context.Context, realm string, o Object) error {
	return c.do(ctx, call{
		doing:  fmt.Sprintf("create client %q in realm %q", o.Text("clientId"), realm),
		method: http.MethodPost, path: []string{realm, "clients"}, body: o, role: "manage-clients",
	}, nil)
}

// UpdateClient is PUT /realms/{realm}/clients/{id}. Fields and attributes that are left out stay as they are, an
// attribute that is null goes. Mappers that are sent replace all others, so send none.
func (c *Client) UpdateClient(ctx context.Context, realm, id string, o Object) error {
	return c.do(ctx, call{
		doing:  fmt.Sprintf("change client %q of realm %q", o.Text("clientId"), realm),
		method: http.MethodPut, path: []string{realm, "clients", id}, body: o, role: "manage-clients",
	}, nil)
}

// DeleteClient is DELETE /realms/{realm}/clients/{id}: with its mappers, roles and service account.
func (c *Client) DeleteClient(ctx context.Context, realm, id string) error {
	return c.remove(ctx, call{
		doing: fmt.Sprintf("delete client %s of realm %q", id, realm), path: []string{realm, "clients", id},
		role: "manage-clients",
	})
}

// ServiceAccount returns the user of a client that has a service account: GET
// /realms/{realm}/clients/{id}/service-account-user.
func (c *Client) ServiceAccount(ctx context.Context, realm, id string) (Object, error) {
	return c.object(ctx, call{
		doing: fmt.Sprintf("read the service account of client %s in realm %q", id, realm),
		path:  []string{realm, "clients", id, "service-account-user"}, role: "view-clients",
	})
}

// Assignment is how a client has a client scope.
type Assignment string

// A default scope is in every token, an optional one in those that ask for it.
const (
	Default  Assignment = "default-client-scopes"
	Optional Assignment = "optional-client-scopes"
)

// AddScope gives a client a client scope: PUT /realms/{realm}/clients/{id}/default-client-scopes/{scope}. It does
// nothing if the client has it in the other way.
func (c *Client) AddScope(ctx context.Context, realm, id string, how Assignment, scope string) error {
	return c.do(ctx, call{
		doing:  fmt.Sprintf("add client scope %s to client %s of realm %q", scope, id, realm),
		method: http.MethodPut, path: []string{realm, "clients", id, string(how), scope}, role: "manage-clients",
	}, nil)
}

// RemoveScope takes a client scope from a client: DELETE
// /realms/{realm}/clients/{id}/default-client-scopes/{scope}.
func (c *Client) RemoveScope(ctx context.Context, realm, id string, how Assignment, scope string) error {
	return c.remove(ctx, call{
		doing: fmt.Sprintf("take client scope %s from client %s of realm %q", scope, id, realm),
		path:  []string{realm, "clients", id, string(how), scope}, role: "manage-clients",
	})
}
