package admin

import (
	"context"
	"fmt"
	"net/http"
)

// Holder is what has protocol mappers: a client or a client scope.
type Holder struct {
	// Realm is the realm's name.
	Realm string
	// Client or Scope is the holder's UUID.
	Client, Scope string
}

func (h Holder) String() string {
	if h.Client != "" {
		return fmt.Sprintf("client %s of realm %q", h.Client, h.Realm)
	}
	return fmt.Sprintf("client scope %s of realm %q", h.Scope, h.Realm)
}

func (h Holder) path(more ...string) []string {
	out := []string{h.Realm, "client-scopes", h.Scope, "protocol-mappers", "models"}
	if h.Client != "" {
		out = []string{h.Realm, "clients", h.Client, "protocol-mappers", "models"}
	}
	return append(out, more...)
}

// FindMapper returns the mapper of a name, or nil: GET /realms/{realm}/clients/{id}/protocol-mappers/models.
func (c *Client) FindMapper(ctx context.Context, in Holder, name string) (Object, error) {
	list, err := c.objects(ctx, call{
		doing: fmt.Sprintf("look for mapper %q of %s", name, in), path: in.path(), role: "view-clients",
	})
	return named(list, "name", name), err
}

// GetMapper returns a mapper by its UUID, or nil: GET /realms/{realm}/clients/{id}/protocol-mappers/models/{mapper}.
func (c *Client) GetMapper(ctx context.Context, in Holder, id string) (Object, error) {
	return absent(c.object(ctx, call{
		doing: fmt.Sprintf("read mapper %s of %s", id, in), path: in.path(id), role: "view-clients",
	}))
}

// CreateMapper is POST /realms/{realm}/clients/{id}/protocol-mappers/models. Keycloak compares names before it makes
// the mapper, and nothing more: of two requests at the same time both may succeed, and from then on it fails to change
// the client at all. Only an ID in the representation is certain to be there once.
func (c *Client) CreateMapper(ctx context.Context, in Holder, o Object) error {
	return c.do(ctx, call{
		doing: fmt.Sprintf("create mapper %q of %s", o.Text("name"), in), method: http.MethodPost, path: in.path(), body: o,
		role: "manage-clients",
	}, nil)
}

// UpdateMapper is PUT /realms/{realm}/clients/{id}/protocol-mappers/models/{mapper}. The configuration is set as a
// whole; the name stays what it is.
func (c *Client) UpdateMapper(ctx context.Context, in Holder, id string, o Object) error {
	return c.do(ctx, call{
		doing: fmt.Sprintf("change mapper %q of %s", o.Text("name"), in), method: http.MethodPut, path: in.path(id), body: o,
		role: "manage-clients",
	}, nil)
}

// DeleteMapper is DELETE /realms/{realm}/clients/{id}/protocol-mappers/models/{mapper}.
func (c *Client) DeleteMapper(ctx context.Context, in Holder, id string) error {
	return c.remove(ctx, call{
		doing: fmt.Sprintf("delete mapper %s of %s", id, in), path: in.path(id), role: "manage-clients",
	})
}
