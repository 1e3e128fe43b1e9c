package keycloak

import (
	"context"

	"plattr.dev/plattr/internal/providers/embedded"
	"plattr.dev/plattr/internal/providers/keycloak/admin"
)

// roleArgs are the inputs, and the state, of a role. Roles made of others are not supported.
type roleArgs struct {
	RealmID string `json:"realmId"`
	// ClientID is the UUID of the client whose role it is; without one it is the realm's.
	ClientID    string     `json:"clientId,omitempty"`
	Name        string     `json:"name" kc:"name"`
	Description string     `json:"description,omitempty" kc:"description"`
	Attributes  attributes `json:"attributes,omitempty"`
}

func roleType() embedded.Resource[*admin.Client] {
	k := &kind[roleArgs, roleArgs]{
		token: "keycloak:index/role:Role", what: "role",
		replace: []string{"realmId", "clientId"},
		check:   checkRole,

		inputs: func(s *roleArgs) *roleArgs { return s },
		realm:  func(in *roleArgs) string { return in.RealmID },
		name:   func(in *roleArgs) string { return in.Name },
		id:     func(o admin.Object) string { return o.Text("id") },

		mark: inLists, declared: func(in *roleArgs) attributes { return in.Attributes },

		write: writeRole, read: readRole,

		find: func(ctx context.Context, c *admin.Client, in *roleArgs) (admin.Object, error) {
			return c.FindRole(ctx, in.RealmID, in.ClientID, in.Name)
		},
		get: func(ctx context.Context, c *admin.Client, in *roleArgs, id string) (admin.Object, error) {
			return c.GetRole(ctx, in.RealmID, id)
		},
		post: func(ctx context.Context, c *admin.Client, in *roleArgs, o admin.Object) error {
			return c.CreateRole(ctx, in.RealmID, in.ClientID, o)
		},
		put: func(ctx context.Context, c *admin.Client, in *roleArgs, id string, o admin.Object) error {
			return c.UpdateRole(ctx, in.RealmID, id, o)
		},
		remove: func(ctx context.Context, c *admin.Client, in *roleArgs, id string) error {
			return c.DeleteRole(ctx, in.RealmID, id)
		},
	}
	return k.resource()
}

func checkRole(in *roleArgs) []embedded.Problem {
	var c checks
	c.texts(in)
	c.required("realmId", in.RealmID)
	c.segment("name", in.Name)
	c.length("description", in.Description)
	return c
}

func writeRole(in, before *roleArgs, o admin.Object) {
	write(in, o)
	var declared attributes
	if before != nil {
		declared = before.Attributes
	}
	in.Attributes.write(o.Sub("attributes"), declared, form{lists: true})
}

func readRole(_ context.Context, _ *admin.Client, o admin.Object, in roleArgs) (roleArgs, error) {
	out := roleArgs{RealmID: in.RealmID, ClientID: in.ClientID}
	read(o, &out)
	out.Attributes = in.Attributes.read(o.Sub("attributes"))
	return out, nil
}
