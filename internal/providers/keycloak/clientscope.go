package keycloak

import (
	"context"
	"regexp"

	"plattr.dev/plattr/internal/providers/embedded"
	"plattr.dev/plattr/internal/providers/keycloak/admin"
)

// clientScopeArgs are the inputs, and the state, of a client scope.
type clientScopeArgs struct {
	RealmID     string `json:"realmId"`
	Name        string `json:"name" kc:"name"`
	Description string `json:"description,omitempty" kc:"description"`
	// ConsentScreenText puts the scope on the consent screen.
	ConsentScreenText   string `json:"consentScreenText,omitempty" kc:"attributes/consent.screen.text"`
	IncludeInTokenScope *bool  `json:"includeInTokenScope,omitempty" kc:"attributes/include.in.token.scope,quoted" default:"true"`
	GuiOrder            *int   `json:"guiOrder,omitempty" kc:"attributes/gui.order,quoted"`
}

func clientScopeType() embedded.Resource[*admin.Client] {
	k := &kind[clientScopeArgs, clientScopeArgs]{
		token: "keycloak:openid/clientScope:ClientScope", what: "client scope",
		replace: []string{"realmId"},
		check:   checkClientScope,

		inputs: func(s *clientScopeArgs) *clientScopeArgs { return s },
		realm:  func(in *clientScopeArgs) string { return in.RealmID },
		name:   func(in *clientScopeArgs) string { return in.Name },
		id:     func(o admin.Object) string { return o.Text("id") },

		mark: inAttributes,

		write: writeClientScope, read: readClientScope,
		omit: []string{"protocolMappers"},

		find: func(ctx context.Context, c *admin.Client, in *clientScopeArgs) (admin.Object, error) {
			return c.FindClientScope(ctx, in.RealmID, in.Name)
		},
		get: func(ctx context.Context, c *admin.Client, in *clientScopeArgs, id string) (admin.Object, error) {
			return c.GetClientScope(ctx, in.RealmID, id)
		},
		post: func(ctx context.Context, c *admin.Client, in *clientScopeArgs, o admin.Object) error {
			return c.CreateClientScope(ctx, in.RealmID, o)
		},
		put: func(ctx context.Context, c *admin.Client, in *clientScopeArgs, id string, o admin.Object) error {
			return c.UpdateClientScope(ctx, in.RealmID, id, o)
		},
		remove: func(ctx context.Context, c *admin.Client, in *clientScopeArgs, id string) error {
			return c.DeleteClientScope(ctx, in.RealmID, id)
		},
	}
	return k.resource()
}

// scopeName is OAuth's rule for the names of scopes, which Keycloak holds.
var scopeName = regexp.MustCompile(`^[!#-\[\]-~]*$`)

func checkClientScope(in *clientScopeArgs) []embedded.Problem {
	fill(in)
	var c checks
	c.texts(in)
	c.required("realmId", in.RealmID)
	c.name("name", in.Name)
	if !scopeName.MatchString(in.Name) {
		c.add("name", "%q must be made of ASCII characters without blanks, \" and \\", in.Name)
	}
	c.length("description", in.Description)
	return c
}

func writeClientScope(in, _ *clientScopeArgs, o admin.Object) {
	write(in, o)
	o["protocol"] = "openid-connect"
	shown := "false"
	if in.ConsentScreenText != "" {
		shown = "true"
	}
	o.Sub("attributes")["display.on.consent.screen"] = shown
}

func readClientScope(
	_ context.Context, _ *admin.Client, o admin.Object, in clientScopeArgs,
) (clientScopeArgs, error) {
	out := clientScopeArgs{RealmID: in.RealmID}
	read(o, &out)
	if o.Sub("attributes").Text("display.on.consent.screen") != "true" {
		out.ConsentScreenText = ""
	}
	return out, nil
}
