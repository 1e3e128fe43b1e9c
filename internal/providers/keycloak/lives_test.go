package keycloak

import (
	"strings"

	"plattr.dev/plattr/internal/testutil"
)

func clientLife() lifecycle {
	name := testutil.Unique("life")
	minimal := func(w at) props {
		return props{"realmId": w.realm, "clientId": name, "accessType": "CONFIDENTIAL", "clientSecret": "planted-secret"}
	}
	return lifecycle{
		token: clientToken, minimal: minimal,
		inputs: func(w at) props {
			return merged(minimal(w), props{
				"name": "Läden", "description": "Our shop", "enabled": true, "standardFlowEnabled": true,
				"implicitFlowEnabled": true, "directAccessGrantsEnabled": true, "serviceAccountsEnabled": true,
				"validRedirectUris":           []any{"http://localhost:3000/*", "https://shop.example.org/callback", "org.example.shop:/callback"},
				"validPostLogoutRedirectUris": []any{"https://shop.example.org/bye", "http://localhost:3000/*"},
				"webOrigins":                  []any{"https://shop.example.org", "+", "http://localhost:3000"},
				"rootUrl":                     "https://shop.example.org", "baseUrl": "/start", "adminUrl": "https://shop.example.org/admin",
				"pkceCodeChallengeMethod": "S256", "fullScopeAllowed": false, "consentRequired": true,
				"frontchannelLogoutEnabled": true, "frontchannelLogoutUrl": "https://shop.example.org/out",
				"backchannelLogoutUrl": "https://shop.example.org/back", "backchannelLogoutSessionRequired": false,
				"backchannelLogoutRevokeOfflineSessions": true, "useRefreshTokens": false,
				"useRefreshTokensClientCredentials": true, "accessTokenLifespan": "300", "clientSessionIdleTimeout": "600",
				"clientSessionMaxLifespan": "700", "clientOfflineSessionIdleTimeout": "800",
				"clientOfflineSessionMaxLifespan": "900", "loginTheme": "keycloak", "clientAuthenticatorType": "client-secret-jwt",
				"excludeSessionStateFromAuthResponse": true, "oauth2DeviceAuthorizationGrantEnabled": true,
				"oauth2DeviceCodeLifespan": "601", "oauth2DevicePollingInterval": "6", "displayOnConsentScreen": true,
				"consentScreenText": "May we?", "extraConfig": props{markKey: "plattr/mine", "my.key": "x", "my.number": 7, "my.yes": true},
			})
		},
		changed: func(w at) props {
			return merged(minimal(w), props{
				"clientSecret": "planted-other", "enabled": false, "standardFlowEnabled": true, "validRedirectUris": []any{"https://other.example.org/*"},
				"rootUrl": "https://other.example.org", "extraConfig": props{"my.key": "y"},
			})
		},
		replaces: props{"realmId": "elsewhere", "clientId": "other"},
		path:     func(w at) string { return w.realm + "/clients/" + string(w.thing.ID) },
		drift: func(o props) {
			o["directAccessGrantsEnabled"], o["secret"], o["redirectUris"] = false, "planted-by-hand", []any{"https://evil.example.org/*"}
			sub(o, "attributes")["access.token.lifespan"], sub(o, "attributes")["my.key"] = "86400", "z"
		},
		wantDrift: []string{"accessTokenLifespan", "clientSecret", "directAccessGrantsEnabled", "extraConfig", "validRedirectUris"},
		mark:      markAttribute,
		list:      func(w at) (string, string, string) { return w.realm + "/clients", "clientId", name },
	}
}

func scopeLife() lifecycle {
	name := testutil.Unique("life")
	minimal := func(w at) props { return props{"realmId": w.realm, "name": name} }
	return lifecycle{
		token: scopeToken, minimal: minimal,
		inputs: func(w at) props {
			return merged(minimal(w), props{
				"description": "Rechte für Läden", "consentScreenText": "Läden sehen", "includeInTokenScope": false, "guiOrder": 3,
			})
		},
		changed:  func(w at) props { return merged(minimal(w), props{"description": "other", "guiOrder": 4}) },
		replaces: props{"realmId": "elsewhere"},
		path:     func(w at) string { return w.realm + "/client-scopes/" + string(w.thing.ID) },
		drift: func(o props) {
			o["description"] = "by hand"
			sub(o, "attributes")["include.in.token.scope"] = "true"
		},
		wantDrift: []string{"description", "includeInTokenScope"},
		mark:      markAttribute,
		list:      func(w at) (string, string, string) { return w.realm + "/client-scopes", "name", name },
	}
}

func claimLife() lifecycle {
	name := testutil.Unique("life")
	minimal := func(w at) props {
		return props{"realmId": w.realm, "clientId": w.client, "name": name, "claimName": "shop.name", "claimValue": "Läden"}
	}
	return lifecycle{
		token: claimToken, minimal: minimal,
		inputs: func(w at) props {
			return merged(minimal(w), props{
				"claimValue": `{"a":1}`, "claimValueType": "JSON", "addToIdToken": false, "addToAccessToken": true, "addToUserinfo": false,
			})
		},
		changed:   func(w at) props { return merged(minimal(w), props{"claimName": "other", "addToAccessToken": false}) },
		replaces:  props{"realmId": "elsewhere", "clientId": "other", "name": "other"},
		path:      func(w at) string { return w.clientPath + "/protocol-mappers/models/" + string(w.thing.ID) },
		drift:     func(o props) { sub(o, "config")["claim.value"] = "admin" },
		wantDrift: []string{"claimValue"},
		mark:      markConfig,
		list: func(w at) (string, string, string) {
			return w.clientPath + "/protocol-mappers/models", "name", name
		},
	}
}

func audienceLife() lifecycle {
	life := claimLife()
	name := testutil.Unique("life")
	life.token = audToken
	life.minimal = func(w at) props {
		return props{"realmId": w.realm, "clientId": w.client, "name": name, "includedCustomAudience": "https://api.example.org"}
	}
	life.inputs = func(w at) props {
		return merged(life.minimal(w), props{
			"includedCustomAudience": nil, "includedClientAudience": "account", "addToIdToken": false, "addToAccessToken": true,
		})
	}
	life.changed = func(w at) props { return merged(life.minimal(w), props{"addToAccessToken": false}) }
	life.drift = func(o props) { sub(o, "config")["included.client.audience"] = "broker" }
	life.wantDrift = []string{"includedClientAudience"}
	list := life.list
	life.list = func(w at) (string, string, string) { path, key, _ := list(w); return path, key, name }
	return life
}

func scopeAudienceLife() lifecycle {
	life := audienceLife()
	on := func(inputs func(at) props) func(at) props {
		return func(w at) props { return merged(inputs(w), props{"clientId": nil, "clientScopeId": w.scope}) }
	}
	life.inputs, life.changed, life.minimal = on(life.inputs), on(life.changed), on(life.minimal)
	life.replaces = props{"realmId": "elsewhere", "clientScopeId": "other", "name": "other"}
	life.path = func(w at) string { return w.scopePath + "/protocol-mappers/models/" + string(w.thing.ID) }
	list := life.list
	life.list = func(w at) (string, string, string) {
		_, key, value := list(w)
		return w.scopePath + "/protocol-mappers/models", key, value
	}
	return life
}

func realmRoleLife() lifecycle {
	name := testutil.Unique("life")
	minimal := func(w at) props { return props{"realmId": w.realm, "name": name + "/Läden %"} }
	return lifecycle{
		token: roleToken, minimal: minimal,
		inputs: func(w at) props {
			return merged(minimal(w), props{"description": "Für Läden", "attributes": props{"one": "1", "many": "a##b"}})
		},
		changed:  func(w at) props { return merged(minimal(w), props{"attributes": props{"one": "2"}}) },
		replaces: props{"realmId": "elsewhere", "clientId": "other"},
		path:     func(w at) string { return w.realm + "/roles-by-id/" + string(w.thing.ID) },
		drift: func(o props) {
			o["description"] = "by hand"
			sub(o, "attributes")["many"] = []any{"a"}
		},
		wantDrift: []string{"attributes", "description"},
		mark:      markList,
		list:      func(w at) (string, string, string) { return w.realm + "/roles", "name", name + "/Läden %" },
	}
}

func clientRoleLife() lifecycle {
	life := realmRoleLife()
	on := func(inputs func(at) props) func(at) props {
		return func(w at) props { return merged(inputs(w), props{"clientId": w.client}) }
	}
	life.inputs, life.changed, life.minimal = on(life.inputs), on(life.changed), on(life.minimal)
	list := life.list
	life.list = func(w at) (string, string, string) {
		_, key, value := list(w)
		return w.clientPath + "/roles", key, value
	}
	return life
}

func userLife() lifecycle {
	name := strings.ToLower(testutil.Unique("łukasz"))
	minimal := func(w at) props { return props{"realmId": w.realm, "username": name} }
	return lifecycle{
		token: userToken, minimal: minimal,
		inputs: func(w at) props {
			return merged(minimal(w), props{
				"email": "Lukasz." + name + "@Example.org", "emailVerified": true, "enabled": true, "firstName": "Łukasz", "lastName": "李 O'Brien",
				"initialPassword": props{"value": "pässword 1", "temporary": false},
			})
		},
		changed: func(w at) props {
			return merged(minimal(w), props{"enabled": false, "firstName": "Other", "initialPassword": props{"value": "other", "temporary": true}})
		},
		replaces: props{"realmId": "elsewhere", "username": "other"},
		path:     func(w at) string { return w.realm + "/users/" + string(w.thing.ID) },
		drift: func(o props) {
			o["email"], o["enabled"] = "by@hand.example.org", false
		},
		wantDrift: []string{"email", "enabled"},
		list:      func(w at) (string, string, string) { return w.realm + "/users?max=1000", "username", name },
	}
}
