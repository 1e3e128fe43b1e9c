package keycloak

import (
	"context"

	"plattr.dev/plattr/internal/providers/embedded"
	"plattr.dev/plattr/internal/providers/keycloak/admin"
)

// providerArgs are what all identity providers have.
type providerArgs struct {
	Realm       string     `json:"realm"`
	Enabled     *bool      `json:"enabled,omitempty" kc:"enabled" default:"true"`
	StoreToken  *bool      `json:"storeToken,omitempty" kc:"storeToken" default:"true"`
	LinkOnly    *bool      `json:"linkOnly,omitempty" kc:"linkOnly" default:"false"`
	TrustEmail  *bool      `json:"trustEmail,omitempty" kc:"trustEmail" default:"false"`
	GuiOrder    string     `json:"guiOrder" kc:"config/guiOrder" default:""`
	SyncMode    string     `json:"syncMode" kc:"config/syncMode" default:""`
	ExtraConfig attributes `json:"extraConfig,omitempty"`

	AddReadTokenRoleOnCreate  *bool  `json:"addReadTokenRoleOnCreate,omitempty" kc:"addReadTokenRoleOnCreate" default:"false"`
	AuthenticateByDefault     *bool  `json:"authenticateByDefault,omitempty" kc:"authenticateByDefault" default:"false"`
	FirstBrokerLoginFlowAlias string `json:"firstBrokerLoginFlowAlias,omitempty" kc:"firstBrokerLoginFlowAlias" default:"first broker login"`
	PostBrokerLoginFlowAlias  string `json:"postBrokerLoginFlowAlias" kc:"postBrokerLoginFlowAlias" default:""`
}

// identityProvider is a type of identity providers with the inputs A, which embed providerArgs, and the state S.
type identityProvider[A, S any] struct {
	token  string
	inputs func(*S) *A
	common func(*A) *providerArgs
	alias  func(*A) string
	// kind is Keycloak's name of the type.
	kind  func(*A) string
	check func(in *A, c *checks)
	// secret is the input that Keycloak does not show; may be nil.
	secret func(*A) *string
	// write and read do what the tags do not say.
	write func(in *A, config admin.Object)
	read  func(in *A, config admin.Object)
	// outputs fills in what is no input.
	outputs func(s *S, o admin.Object)
}

func (p identityProvider[A, S]) resource() embedded.Resource[*admin.Client] {
	k := &kind[A, S]{
		token: p.token, what: "identity provider",
		// Keycloak changes neither the alias nor the kind, and the official plugin not addReadTokenRoleOnCreate.
		replace: []string{"realm", "alias", "providerId", "addReadTokenRoleOnCreate"}, deleteFirst: true,
		check: p.checkInputs,

		inputs: p.inputs,
		realm:  func(in *A) string { return p.common(in).Realm },
		name:   p.alias,
		id:     func(o admin.Object) string { return o.Text("alias") },

		mark: inConfig, declared: func(in *A) attributes { return p.common(in).ExtraConfig },

		write: p.writeInputs, read: p.readState,

		find: func(ctx context.Context, c *admin.Client, in *A) (admin.Object, error) {
			return c.GetIdentityProvider(ctx, p.common(in).Realm, p.alias(in))
		},
		get: func(ctx context.Context, c *admin.Client, in *A, id string) (admin.Object, error) {
			return c.GetIdentityProvider(ctx, p.common(in).Realm, id)
		},
		post: func(ctx context.Context, c *admin.Client, in *A, o admin.Object) error {
			return c.CreateIdentityProvider(ctx, p.common(in).Realm, o)
		},
		put: func(ctx context.Context, c *admin.Client, in *A, id string, o admin.Object) error {
			return c.UpdateIdentityProvider(ctx, p.common(in).Realm, id, o)
		},
		remove: func(ctx context.Context, c *admin.Client, in *A, id string) error {
			return c.DeleteIdentityProvider(ctx, p.common(in).Realm, id)
		},
	}
	if p.secret != nil {
		k.secret = []string{"clientSecret"}
	}
	return k.resource()
}

func (p identityProvider[A, S]) checkInputs(in *A) []embedded.Problem {
	fill(in)
	var c checks
	c.texts(in)
	common := p.common(in)
	c.required("realm", common.Realm)
	c.word("alias", p.alias(in))
	for f := range fieldsOf(in) {
		if s, ok := f.value.Interface().(string); ok && f.group == "" {
			c.length(f.input, s)
		}
	}
	if common.SyncMode != "" {
		c.oneOf("syncMode", common.SyncMode, "IMPORT", "FORCE", "LEGACY")
	}
	c.extraConfig(common.ExtraConfig, keysIn(in, "config"))
	if p.secret != nil && *p.secret(in) == admin.Masked {
		c.add("clientSecret", "is what Keycloak shows in place of a secret")
	}
	p.check(in, &c)
	return c
}

func (p identityProvider[A, S]) writeInputs(in, before *A, o admin.Object) {
	config := o.Sub("config")
	shown := config.Text("clientSecret")
	write(in, o)
	o["alias"], o["providerId"] = p.alias(in), p.kind(in)
	if p.write != nil {
		p.write(in, config)
	}
	var declared attributes
	if before != nil {
		declared = p.common(before).ExtraConfig
	}
	p.common(in).ExtraConfig.write(config, declared, form{})
	if p.secret == nil {
		return
	}
	config["clientSecret"] = *p.secret(in)
	if shown == admin.Masked && before != nil && *p.secret(before) == *p.secret(in) {
		config["clientSecret"] = admin.Masked // it stays what it is
	}
}

// readState keeps the secret, which Keycloak does not show. That it shows another, a reference to a vault, or none at
// all, is drift.
func (p identityProvider[A, S]) readState(_ context.Context, _ *admin.Client, o admin.Object, in A) (S, error) {
	var out S
	args, config := p.inputs(&out), o.Sub("config")
	read(o, args)
	common := p.common(args)
	common.Realm = p.common(&in).Realm
	common.ExtraConfig = p.common(&in).ExtraConfig.read(config)
	if p.read != nil {
		p.read(args, config)
	}
	if p.secret != nil {
		*p.secret(args) = config.Text("clientSecret")
		if *p.secret(args) == admin.Masked {
			*p.secret(args) = *p.secret(&in)
		}
	}
	p.outputs(&out, o)
	return out, nil
}
