package keycloak

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plattr.dev/plattr/internal/testutil"
)

// TestHiddenInputs holds the inputs to what the bridge of the official plugin makes of them, so that a state written
// under one is continued under the other without a replacement.
// Source: pulumi-terraform-bridge, pkg/tfbridge/schema.go, and the defaults in the schemas of
// terraform-provider-keycloak 4.3.
func TestHiddenInputs(t *testing.T) {
	t.Parallel()
	none := []any{}
	provider := props{
		"addReadTokenRoleOnCreate": false, "authenticateByDefault": false, "enabled": true,
		"firstBrokerLoginFlowAlias": "first broker login", "guiOrder": "", "linkOnly": false, "postBrokerLoginFlowAlias": "",
		"storeToken": true, "syncMode": "", "trustEmail": false,
	}
	with := func(in props, more ...props) props {
		out := merged(in, nil)
		for _, m := range more {
			out = merged(out, m)
		}
		return out
	}
	// in is what the program writes, filled what Check adds.
	cases := map[string]struct {
		token      string
		in, filled props
	}{
		"Realm": {
			realmToken,
			props{"realm": "shop", "attributes": props{"a": "b"}},
			props{
				"enabled": true, "userManagedAccess": false, "sslRequired": "external", "revokeRefreshToken": false,
				"refreshTokenMaxReuse": 0.0, "offlineSessionMaxLifespanEnabled": false,
			},
		},
		"Client": {
			clientToken,
			props{"realmId": "shop", "clientId": "web", "accessType": "PUBLIC", "extraConfig": props{"a": "b"}},
			props{
				"enabled": true, "clientAuthenticatorType": "client-secret", "fullScopeAllowed": true, "useRefreshTokens": true,
				"useRefreshTokensClientCredentials": false, "oauth2DeviceAuthorizationGrantEnabled": false,
				"backchannelLogoutSessionRequired": true, "import": false,
			},
		},
		"ClientScope":   {scopeToken, props{"realmId": "shop", "name": "a"}, props{"includeInTokenScope": true}},
		"DefaultScopes": {scopesToken, props{"realmId": "shop", "clientId": "uuid", "defaultScopes": []any{"a"}}, props{}},
		"Claim": {
			claimToken,
			props{"realmId": "shop", "clientId": "uuid", "name": "a", "claimName": "b", "claimValue": "c"},
			props{"claimValueType": "String", "addToIdToken": true, "addToAccessToken": true, "addToUserinfo": true},
		},
		"Audience": {
			audToken,
			props{"realmId": "shop", "clientId": "uuid", "name": "a", "includedCustomAudience": "b"},
			props{"addToIdToken": true, "addToAccessToken": true},
		},
		"Role": {roleToken, props{"realmId": "shop", "name": "a"}, props{}},
		"User": {userToken, props{"realmId": "shop", "username": "anna"}, props{"emailVerified": false, "enabled": true}},
		"OIDC": {
			oidcToken,
			props{
				"realm": "shop", "alias": "id", "clientId": "a", "clientSecret": "b", "authorizationUrl": "https://a", "tokenUrl": "https://a",
			},
			with(provider, props{
				"acceptsPromptNoneForwardFromClient": false, "backchannelSupported": true, "defaultScopes": "openid",
				"disableUserInfo": false, "displayName": "", "hideOnLoginPage": false, "providerId": "oidc", "uiLocales": false,
				"validateSignature": false,
			}),
		},
		"Google": {
			googleToken,
			props{"realm": "shop", "clientId": "a", "clientSecret": "b"},
			with(provider, props{
				"acceptsPromptNoneForwardFromClient": false, "defaultScopes": "openid profile email", "disableUserInfo": false,
				"hideOnLoginPage": false, "providerId": "google", "requestRefreshToken": false, "useUserIpParam": false,
			}),
		},
		"SAML": {
			samlToken,
			props{"realm": "shop", "alias": "id", "entityId": "a", "singleSignOnServiceUrl": "https://a"},
			with(provider, props{
				"displayName": "", "providerId": "saml", "nameIdPolicyFormat": "", "principalType": "", "principalAttribute": "",
				"signatureAlgorithm": "", "xmlSignKeyInfoKeyNameTransformer": "",
			}),
		},
	}
	p := offline(t)
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := p.Check(t, tc.token, tc.in)
			if err != nil {
				t.Fatal(err)
			}
			want := with(tc.in, tc.filled, props{"__defaults": sortedKeys(tc.filled)})
			if diff := cmp.Diff(want, got.Mappable()); diff != "" {
				t.Errorf("inputs (-want +got):\n%s", diff)
			}
		})
	}
	nested, err := p.Check(t, userToken, props{"realmId": "shop", "username": "anna", "initialPassword": props{"value": "x"}})
	if err != nil {
		t.Fatal(err)
	}
	want := props{"__defaults": none, "value": "x", "temporary": false}
	if diff := cmp.Diff(want, nested["initialPassword"].Mappable()); diff != "" {
		t.Errorf("an object within (-want +got):\n%s", diff)
	}
}

func sortedKeys(m props) []any {
	out := []any{}
	for _, key := range slices.Sorted(maps.Keys(m)) {
		out = append(out, key)
	}
	return out
}

// TestHiddenOutputs: the official plugin finds the ID among the outputs.
func TestHiddenOutputs(t *testing.T) {
	t.Parallel()
	k := testutil.Keycloak(t)
	p := newProvider(t, k, "mine")
	realm := newRealm(t, k, p)
	google := p.MustCreate(t, googleToken, props{"realm": realm, "clientId": "a", "clientSecret": "planted"})
	for key, want := range map[string]any{"id": "google", "alias": "google", "displayName": "", "realm": realm, "clientSecret": "planted"} {
		if got := google.Output(key); got != want {
			t.Errorf("output %s is %v, want %v", key, got, want)
		}
	}
	if meta, ok := google.Outputs["__meta"]; ok {
		t.Errorf("the official plugin has no time-outs and no schema version, but __meta is %v", meta)
	}
	client := newClient(t, p, realm)
	if client.Output("id") != string(client.ID) || len(client.ID) != 36 {
		t.Errorf("ID %q, output %v", client.ID, client.Output("id"))
	}
}
