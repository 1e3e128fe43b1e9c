package keycloak

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"plattr.dev/plattr/internal/providers/embedded"
	"plattr.dev/plattr/internal/providers/keycloak/admin"
)

// defaultScopesArgs are the inputs, and the state, of the client scopes that a client has by default: exactly these.
type defaultScopesArgs struct {
	RealmID string `json:"realmId"`
	// ClientID is the client's UUID.
	ClientID      string   `json:"clientId"`
	DefaultScopes []string `json:"defaultScopes"`
}

// serviceScope is what Keycloak gives each client with a service account, again with each change of the client. It is no
// drift, and taking it away would not last.
const serviceScope = "service_account"

func defaultScopesType() embedded.Resource[*admin.Client] {
	return &embedded.Type[*admin.Client, defaultScopesArgs, defaultScopesArgs]{
		Token:   "keycloak:openid/clientDefaultScopes:ClientDefaultScopes",
		Replace: []string{"realmId", "clientId"},
		Equal:   func(_ string, a, b any) bool { return sameSet(a, b) },
		Check: func(in *defaultScopesArgs) []embedded.Problem {
			var c checks
			c.texts(in)
			c.required("realmId", in.RealmID)
			c.required("clientId", in.ClientID)
			for _, scope := range in.DefaultScopes {
				c.name("defaultScopes", scope)
			}
			if in.DefaultScopes == nil {
				in.DefaultScopes = []string{}
			}
			return c
		},
		Create: func(
			ctx context.Context, c *admin.Client, op embedded.Op, in defaultScopesArgs,
		) (string, defaultScopesArgs, error) {
			err := in.apply(ctx, c, op)
			return in.RealmID + "/" + in.ClientID, in, err
		},
		Read: func(
			ctx context.Context, c *admin.Client, op embedded.Op, id string, state defaultScopesArgs,
		) (defaultScopesArgs, error) {
			if op.Import {
				state.RealmID, state.ClientID, _ = strings.Cut(id, "/")
			}
			client, err := state.client(ctx, c, op)
			if isForeign(err) && !op.Import || err == nil && client == nil {
				return state, embedded.ErrGone
			}
			if err != nil {
				return state, err
			}
			state.DefaultScopes = state.now(client)
			return state, nil
		},
		Update: func(
			ctx context.Context, c *admin.Client, op embedded.Op, _ string, _, in defaultScopesArgs,
		) (defaultScopesArgs, error) {
			return in, in.apply(ctx, c, op)
		},
		Delete: func(ctx context.Context, c *admin.Client, op embedded.Op, _ string, state defaultScopesArgs) error {
			client, err := state.client(ctx, c, op)
			if isForeign(err) || err == nil && client == nil {
				return nil
			}
			if err != nil {
				return err
			}
			return state.set(ctx, c, client, nil)
		},
	}
}

// client returns the client, or nil. Whose it is its own mark says, or the realm's for one that has none.
func (a defaultScopesArgs) client(ctx context.Context, c *admin.Client, op embedded.Op) (admin.Object, error) {
	o, err := c.GetClient(ctx, a.RealmID, a.ClientID)
	if err != nil || o == nil {
		return nil, err
	}
	owner, err := inAttributes.owner(ctx, c, a.RealmID, o)
	if err == nil && owner == "" {
		owner, err = realmOwner(ctx, c, a.RealmID)
	}
	switch {
	case err != nil:
		return nil, err
	case owner != op.Owner:
		return nil, &ForeignError{Kind: "client", Name: o.Text("clientId"), Owner: owner}
	}
	return o, nil
}

// now are the default scopes that a client has, without the one that is Keycloak's own affair.
func (a defaultScopesArgs) now(client admin.Object) []string {
	out := append([]string{}, members(client["defaultClientScopes"])...) // never null in the state
	if client.Bool("serviceAccountsEnabled") && !slices.Contains(a.DefaultScopes, serviceScope) {
		out = slices.DeleteFunc(out, func(s string) bool { return s == serviceScope })
	}
	return out
}

func (a defaultScopesArgs) apply(ctx context.Context, c *admin.Client, op embedded.Op) error {
	client, err := a.client(ctx, c, op)
	if err != nil {
		return err
	}
	if client == nil {
		return fmt.Errorf("client %s does not exist in realm %s", a.ClientID, a.RealmID)
	}
	return a.set(ctx, c, client, a.DefaultScopes)
}

// set takes away what is too much and adds what is missing.
func (a defaultScopesArgs) set(ctx context.Context, c *admin.Client, client admin.Object, want []string) error {
	now := a.now(client)
	if sameSet(now, want) || len(now)+len(want) == 0 {
		return nil
	}
	list, err := c.ClientScopes(ctx, a.RealmID)
	if err != nil {
		return err
	}
	ids := map[string]string{}
	for _, scope := range list {
		ids[scope.Text("name")] = scope.Text("id")
	}
	for _, name := range want {
		if ids[name] == "" {
			return fmt.Errorf("client scope %s does not exist in realm %s", name, a.RealmID)
		}
	}
	for _, name := range now {
		if slices.Contains(want, name) || ids[name] == "" { // or it was deleted right now
			continue
		}
		if err := c.RemoveScope(ctx, a.RealmID, a.ClientID, admin.Default, ids[name]); err != nil {
			return err
		}
	}
	return a.add(ctx, c, client, want, ids)
}

func (a defaultScopesArgs) add(
	ctx context.Context, c *admin.Client, client admin.Object, want []string, ids map[string]string,
) error {
	now, optional := texts(client["defaultClientScopes"]), texts(client["optionalClientScopes"])
	for _, name := range want {
		if slices.Contains(now, name) {
			continue
		}
		if slices.Contains(optional, name) { // else Keycloak leaves it as it is, without a word
			if err := c.RemoveScope(ctx, a.RealmID, a.ClientID, admin.Optional, ids[name]); err != nil {
				return err
			}
		}
		if err := c.AddScope(ctx, a.RealmID, a.ClientID, admin.Default, ids[name]); err != nil {
			return err
		}
	}
	return nil
}
