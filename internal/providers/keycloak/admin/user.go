package admin

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
)

// FindUser returns the user of a name, or nil: GET /realms/{realm}/users?exact=true&username={name}.
func (c *Client) FindUser(ctx context.Context, realm, name string) (Object, error) {
	list, err := c.objects(ctx, call{
		doing: fmt.Sprintf("look for user %q in realm %q", name, realm), path: []string{realm, "users"},
		query: url.Values{"exact": {"true"}, "username": {name}}, role: "view-users",
	})
	return named(list, "username", name), err
}

// GetUser returns a user by its UUID, or nil: GET /realms/{realm}/users/{id}.
func (c *Client) GetUser(ctx context.Context, realm, id string) (Object, error) {
	return absent(c.object(ctx, call{
		doing: fmt.Sprintf("read user %s of realm %q", id, realm), path: []string{realm, "users", id}, role: "view-users",
	}))
}

// CreateUser is POST /realms/{realm}/users. Attributes that the realm's user profile does not know are dropped.
func (c *Client) CreateUser(ctx context.Context, realm string, o Object) error {
	return c.do(ctx, call{
		doing:  fmt.Sprintf("create user %q in realm %q", o.Text("username"), realm),
		method: http.MethodPost, path: []string{realm, "users"}, body: o, role: "manage-users",
	}, nil)
}

// UpdateUser is PUT /realms/{realm}/users/{id}. Attributes are set as a whole.
func (c *Client) UpdateUser(ctx context.Context, realm, id string, o Object) error {
	return c.do(ctx, call{
		doing:  fmt.Sprintf("change user %q of realm %q", o.Text("username"), realm),
		method: http.MethodPut, path: []string{realm, "users", id}, body: o, role: "manage-users",
	}, nil)
}

// SetPassword is PUT /realms/{realm}/users/{id}/reset-password. Who has a temporary one must change it when logging in.
func (c *Client) SetPassword(ctx context.Context, realm, id, password string, temporary bool) error {
	return c.do(ctx, call{
		doing:  fmt.Sprintf("set the password of user %s in realm %q", id, realm),
		method: http.MethodPut, path: []string{realm, "users", id, "reset-password"},
		body: Password(password, temporary), role: "manage-users",
	}, nil)
}

// Password is a password as a representation, as it is among a new user's credentials too.
func Password(password string, temporary bool) Object {
	return Object{"type": "password", "value": password, "temporary": temporary}
}

// DeleteUser is DELETE /realms/{realm}/users/{id}.
func (c *Client) DeleteUser(ctx context.Context, realm, id string) error {
	return c.remove(ctx, call{
		doing: fmt.Sprintf("delete user %s of realm %q", id, realm), path: []string{realm, "users", id}, role: "manage-users",
	})
}
