package keycloak

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"plattr.dev/plattr/internal/providers/embedded"
	"plattr.dev/plattr/internal/providers/keycloak/admin"
)

// mapperArgs are what all protocol mappers have.
type mapperArgs struct {
	RealmID string `json:"realmId"`
	// ClientID or ClientScopeID is the UUID of what has the mapper.
	ClientID      string `json:"clientId,omitempty"`
	ClientScopeID string `json:"clientScopeId,omitempty"`
	Name          string `json:"name" kc:"name"`
}

func (m *mapperArgs) holder() admin.Holder {
	return admin.Holder{Realm: m.RealmID, Client: m.ClientID, Scope: m.ClientScopeID}
}

func (m *mapperArgs) check(c *checks) {
	c.required("realmId", m.RealmID)
	c.name("name", m.Name)
	switch {
	case m.ClientID == "" && m.ClientScopeID == "":
		c.add("clientId", "or clientScopeId is required")
	case m.ClientID != "" && m.ClientScopeID != "":
		c.add("clientScopeId", "must not be given together with clientId")
	}
}

// mapperID is the ID of the mapper of a name. It is the same whoever makes the mapper and when, because that is the one
// thing of which Keycloak makes sure that it exists once; see [admin.Client.CreateMapper].
func mapperID(in admin.Holder, name string) string {
	sum := sha256.Sum256([]byte(in.Client + "\x00" + in.Scope + "\x00" + name))
	sum[6], sum[8] = sum[6]&0x0f|0x80, sum[8]&0x3f|0x80 // a UUID of version 8, whose other bits are anyone's
	s := hex.EncodeToString(sum[:16])
	return strings.Join([]string{s[:8], s[8:12], s[12:16], s[16:20], s[20:]}, "-")
}

// mapper is a type of protocol mappers with the inputs A, which embed mapperArgs.
type mapper[A any] struct {
	token string
	// protocolMapper is Keycloak's name of the type.
	protocolMapper string
	common         func(*A) *mapperArgs
	check          func(in *A, c *checks)
}

func (m mapper[A]) resource() embedded.Resource[*admin.Client] {
	k := &kind[A, A]{
		token: m.token, what: "mapper",
		// Keycloak changes no mapper's name.
		replace: []string{"realmId", "clientId", "clientScopeId", "name"},
		check: func(in *A) []embedded.Problem {
			fill(in)
			var c checks
			c.texts(in)
			m.common(in).check(&c)
			m.check(in, &c)
			return c
		},

		inputs: func(s *A) *A { return s },
		realm:  func(in *A) string { return m.common(in).RealmID },
		name:   func(in *A) string { return m.common(in).Name },
		id:     func(o admin.Object) string { return o.Text("id") },

		mark: inConfig,

		write: func(in, _ *A, o admin.Object) {
			write(in, o)
			o["protocol"], o["protocolMapper"] = "openid-connect", m.protocolMapper
		},
		read: func(_ context.Context, _ *admin.Client, o admin.Object, in A) (A, error) {
			out := in // with the holder
			read(o, &out)
			return out, nil
		},

		find: func(ctx context.Context, c *admin.Client, in *A) (admin.Object, error) {
			return c.FindMapper(ctx, m.common(in).holder(), m.common(in).Name)
		},
		get: func(ctx context.Context, c *admin.Client, in *A, id string) (admin.Object, error) {
			return c.GetMapper(ctx, m.common(in).holder(), id)
		},
		post: func(ctx context.Context, c *admin.Client, in *A, o admin.Object) error {
			o["id"] = mapperID(m.common(in).holder(), m.common(in).Name)
			return c.CreateMapper(ctx, m.common(in).holder(), o)
		},
		put: func(ctx context.Context, c *admin.Client, in *A, id string, o admin.Object) error {
			return c.UpdateMapper(ctx, m.common(in).holder(), id, o)
		},
		remove: func(ctx context.Context, c *admin.Client, in *A, id string) error {
			return c.DeleteMapper(ctx, m.common(in).holder(), id)
		},
	}
	return k.resource()
}

// hardcodedClaimArgs are a claim that is the same for everybody.
type hardcodedClaimArgs struct {
	mapperArgs

	ClaimName        string `json:"claimName" kc:"config/claim.name"`
	ClaimValue       string `json:"claimValue" kc:"config/claim.value"`
	ClaimValueType   string `json:"claimValueType,omitempty" kc:"config/jsonType.label" default:"String"`
	AddToIDToken     *bool  `json:"addToIdToken,omitempty" kc:"config/id.token.claim,quoted" default:"true"`
	AddToAccessToken *bool  `json:"addToAccessToken,omitempty" kc:"config/access.token.claim,quoted" default:"true"`
	AddToUserinfo    *bool  `json:"addToUserinfo,omitempty" kc:"config/userinfo.token.claim,quoted" default:"true"`
}

func hardcodedClaimType() embedded.Resource[*admin.Client] {
	return mapper[hardcodedClaimArgs]{
		token:          "keycloak:openid/hardcodedClaimProtocolMapper:HardcodedClaimProtocolMapper",
		protocolMapper: "oidc-hardcoded-claim-mapper",
		common:         func(in *hardcodedClaimArgs) *mapperArgs { return &in.mapperArgs },
		check: func(in *hardcodedClaimArgs, c *checks) {
			c.required("claimName", in.ClaimName)
			c.required("claimValue", in.ClaimValue)
			c.oneOf("claimValueType", in.ClaimValueType, "String", "JSON", "long", "int", "boolean")
		},
	}.resource()
}

// audienceArgs are whom a token is for: a client, or any text.
type audienceArgs struct {
	mapperArgs

	IncludedClientAudience string `json:"includedClientAudience,omitempty" kc:"config/included.client.audience"`
	IncludedCustomAudience string `json:"includedCustomAudience,omitempty" kc:"config/included.custom.audience"`
	AddToIDToken           *bool  `json:"addToIdToken,omitempty" kc:"config/id.token.claim,quoted" default:"true"`
	AddToAccessToken       *bool  `json:"addToAccessToken,omitempty" kc:"config/access.token.claim,quoted" default:"true"`
}

func audienceType() embedded.Resource[*admin.Client] {
	return mapper[audienceArgs]{
		token:          "keycloak:openid/audienceProtocolMapper:AudienceProtocolMapper",
		protocolMapper: "oidc-audience-mapper",
		common:         func(in *audienceArgs) *mapperArgs { return &in.mapperArgs },
		check: func(in *audienceArgs, c *checks) {
			if (in.IncludedClientAudience == "") == (in.IncludedCustomAudience == "") {
				c.add("includedClientAudience", "or includedCustomAudience is required, and not both")
			}
		},
	}.resource()
}
