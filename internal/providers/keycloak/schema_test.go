package keycloak

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	sdk "github.com/pulumi/pulumi-keycloak/sdk/v5/go/keycloak"
	"github.com/pulumi/pulumi-keycloak/sdk/v5/go/keycloak/oidc"
	"github.com/pulumi/pulumi-keycloak/sdk/v5/go/keycloak/openid"
	"github.com/pulumi/pulumi-keycloak/sdk/v5/go/keycloak/saml"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"plattr.dev/plattr/internal/testutil"
)

// TestOfficialNames holds every input and output equal to one of the official SDK, by name.
func TestOfficialNames(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		official      pulumi.Input // the SDK's arguments
		resource      any          // the SDK's resource
		inputs, state any
		// all is true when no input of the SDK's may be missing.
		all bool
	}{
		"Realm":         {sdk.RealmArgs{}, sdk.Realm{}, realmArgs{}, realmArgs{}, false},
		"Defenses":      {sdk.RealmSecurityDefensesArgs{}, nil, securityDefenses{}, nil, true},
		"Headers":       {sdk.RealmSecurityDefensesHeadersArgs{}, nil, headers{}, nil, true},
		"BruteForce":    {sdk.RealmSecurityDefensesBruteForceDetectionArgs{}, nil, bruteForce{}, nil, true},
		"Client":        {openid.ClientArgs{}, openid.Client{}, clientArgs{}, clientState{}, false},
		"ClientScope":   {openid.ClientScopeArgs{}, openid.ClientScope{}, clientScopeArgs{}, clientScopeArgs{}, true},
		"DefaultScopes": {openid.ClientDefaultScopesArgs{}, openid.ClientDefaultScopes{}, defaultScopesArgs{}, defaultScopesArgs{}, true},
		"Claim":         {openid.HardcodedClaimProtocolMapperArgs{}, openid.HardcodedClaimProtocolMapper{}, hardcodedClaimArgs{}, hardcodedClaimArgs{}, true},
		"Audience":      {openid.AudienceProtocolMapperArgs{}, openid.AudienceProtocolMapper{}, audienceArgs{}, audienceArgs{}, true},
		"Role":          {sdk.RoleArgs{}, sdk.Role{}, roleArgs{}, roleArgs{}, false},
		"User":          {sdk.UserArgs{}, sdk.User{}, userArgs{}, userArgs{}, false},
		"Password":      {sdk.UserInitialPasswordArgs{}, nil, initialPassword{}, nil, true},
		"OIDC":          {oidc.IdentityProviderArgs{}, oidc.IdentityProvider{}, oidcArgs{}, oidcState{}, true},
		"Google":        {oidc.GoogleIdentityProviderArgs{}, oidc.GoogleIdentityProvider{}, googleArgs{}, googleState{}, true},
		"SAML":          {saml.IdentityProviderArgs{}, saml.IdentityProvider{}, samlArgs{}, samlState{}, true},
		"Configuration": {sdk.ProviderArgs{}, nil, Config{}, nil, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			known, served := testutil.FieldTags(tc.official.ElementType(), "pulumi"), testutil.FieldTags(reflect.TypeOf(tc.inputs), "json")
			for _, input := range served {
				if !slices.Contains(known, input) {
					t.Errorf("the official SDK has no input %q; it has %v", input, known)
				}
			}
			for _, input := range known {
				if tc.all && !slices.Contains(served, input) {
					t.Errorf("input %q of the official SDK is missing", input)
				}
			}
			if tc.resource == nil {
				return
			}
			known, served = testutil.FieldTags(reflect.TypeOf(tc.resource), "pulumi"), testutil.FieldTags(reflect.TypeOf(tc.state), "json")
			for _, output := range served {
				if !slices.Contains(known, output) {
					t.Errorf("the official SDK has no output %q; it has %v", output, known)
				}
			}
			for _, output := range known {
				if tc.all && !slices.Contains(append(served, "id", "urn"), output) { // those the engine has
					t.Errorf("output %q of the official SDK is missing", output)
				}
			}
		})
	}
}

// TestOfficialTokens holds the tokens to those that the SDK registers.
func TestOfficialTokens(t *testing.T) {
	t.Parallel()
	text := pulumi.String("x")
	var seen tokens
	err := pulumi.RunErr(func(ctx *pulumi.Context) error {
		_, realm := sdk.NewRealm(ctx, "a", &sdk.RealmArgs{Realm: text})
		_, role := sdk.NewRole(ctx, "a", &sdk.RoleArgs{RealmId: text})
		_, user := sdk.NewUser(ctx, "a", &sdk.UserArgs{RealmId: text, Username: text})
		_, client := openid.NewClient(ctx, "a", &openid.ClientArgs{RealmId: text, ClientId: text, AccessType: text})
		_, scope := openid.NewClientScope(ctx, "a", &openid.ClientScopeArgs{RealmId: text})
		_, scopes := openid.NewClientDefaultScopes(ctx, "a", &openid.ClientDefaultScopesArgs{
			RealmId: text, ClientId: text, DefaultScopes: pulumi.StringArray{},
		})
		_, claim := openid.NewHardcodedClaimProtocolMapper(ctx, "a", &openid.HardcodedClaimProtocolMapperArgs{
			RealmId: text, ClaimName: text, ClaimValue: text,
		})
		_, audience := openid.NewAudienceProtocolMapper(ctx, "a", &openid.AudienceProtocolMapperArgs{RealmId: text})
		_, id := oidc.NewIdentityProvider(ctx, "a", &oidc.IdentityProviderArgs{
			Realm: text, Alias: text, ClientId: text, ClientSecret: text, AuthorizationUrl: text, TokenUrl: text,
		})
		_, google := oidc.NewGoogleIdentityProvider(ctx, "a", &oidc.GoogleIdentityProviderArgs{
			Realm: text, ClientId: text, ClientSecret: text,
		})
		_, other := saml.NewIdentityProvider(ctx, "a", &saml.IdentityProviderArgs{
			Realm: text, Alias: text, EntityId: text, SingleSignOnServiceUrl: text,
		})
		return errors.Join(realm, role, user, client, scope, scopes, claim, audience, id, google, other)
	}, pulumi.WithMocks("p", "s", &seen))
	if err != nil {
		t.Fatal(err)
	}
	p := offline(t)
	for token := range seen {
		if _, err := p.Check(t, token, props{}); err == nil || strings.Contains(err.Error(), "does not serve") {
			t.Errorf("%s: %v", token, err)
		}
	}
	if len(seen) != 11 {
		t.Errorf("the SDK registered %d types: %v", len(seen), seen)
	}
}

// tokens are the types that a program registers.
type tokens map[string]bool

func (s *tokens) NewResource(args pulumi.MockResourceArgs) (string, resource.PropertyMap, error) {
	if *s == nil {
		*s = tokens{}
	}
	(*s)[args.TypeToken] = true
	return "id", args.Inputs, nil
}

func (s *tokens) Call(pulumi.MockCallArgs) (resource.PropertyMap, error) {
	return nil, context.Canceled
}
