package admin

import (
	"context"
	"fmt"
	"net/http"
)

// Masked is what Keycloak shows of a secret. Sent back, it leaves the secret as it is.
const Masked = "**********"

// GetIdentityProvider returns an identity provider, or nil: GET /realms/{realm}/identity-provider/instances/{alias}.
func (c *Client) GetIdentityProvider(ctx context.Context, realm, alias string) (Object, error) {
	return absent(c.object(ctx, call{
		doing: fmt.Sprintf("read identity provider %q of realm %q", alias, realm), path: providers(realm, alias),
		role: "view-identity-providers",
	}))
}

// IdentityProviders returns those of a realm: GET /realms/{realm}/identity-provider/instances.
func (c *Client) IdentityProviders(ctx context.Context, realm string) ([]Object, error) {
	return c.objects(ctx, call{
		doing: fmt.Sprintf("list the identity providers of realm %q", realm), path: providers(realm), role: "view-identity-providers",
	})
}

// CreateIdentityProvider is POST /realms/{realm}/identity-provider/instances.
func (c *Client) CreateIdentityProvider(ctx context.Context, realm string, o Object) error {
	return c.do(ctx, call{
		doing:  fmt.Sprintf("create identity provider %q in realm %q", o.Text("alias"), realm),
		method: http.MethodPost, path: providers(realm), body: o, role: "manage-identity-providers",
	}, nil)
}

// UpdateIdentityProvider is PUT /realms/{realm}/identity-provider/instances/{alias}. Everything is set as a whole,
// except that a secret which is [Masked] stays what it is; so does the kind of provider.
func (c *Client) UpdateIdentityProvider(ctx context.Context, realm, alias string, o Object) error {
	return c.do(ctx, call{
		doing:  fmt.Sprintf("change identity provider %q of realm %q", alias, realm),
		method: http.MethodPut, path: providers(realm, alias), body: o, role: "manage-identity-providers",
	}, nil)
}

// DeleteIdentityProvider is DELETE /realms/{realm}/identity-provider/instances/{alias}: with its mappers.
func (c *Client) DeleteIdentityProvider(ctx context.Context, realm, alias string) error {
	return c.remove(ctx, call{
		doing: fmt.Sprintf("delete identity provider %q of realm %q", alias, realm), path: providers(realm, alias),
		role: "manage-identity-providers",
	})
}

func providers(realm string, alias ...string) []string {
	return append([]string{realm, "identity-provider", "instances"}, alias...)
}
