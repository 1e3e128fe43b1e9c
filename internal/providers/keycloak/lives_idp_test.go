package keycloak

import "plattr.dev/plattr/internal/testutil"

func oidcLife() lifecycle {
	alias := testutil.Unique("life")
	minimal := func(w at) props {
		return props{
			"realm": w.realm, "alias": alias, "clientId": "shop", "clientSecret": "planted-secret",
			"authorizationUrl": "https://id.example.org/auth", "tokenUrl": "https://id.example.org/token",
		}
	}
	return lifecycle{
		token: oidcToken, minimal: minimal,
		inputs: func(w at) props {
			return merged(minimal(w), props{
				"displayName": "Haus-Ausweis", "enabled": false, "storeToken": false, "linkOnly": true, "trustEmail": true,
				"authenticateByDefault": true, "guiOrder": "2", "syncMode": "FORCE", "hideOnLoginPage": true,
				"firstBrokerLoginFlowAlias": "first broker login", "postBrokerLoginFlowAlias": "browser",
				"userInfoUrl": "https://id.example.org/me", "jwksUrl": "https://id.example.org/keys", "logoutUrl": "https://id.example.org/out",
				"issuer": "https://id.example.org", "loginHint": "true", "defaultScopes": "openid email", "backchannelSupported": false,
				"validateSignature": true, "disableUserInfo": true, "uiLocales": true, "acceptsPromptNoneForwardFromClient": true,
				"extraConfig": props{"pkceEnabled": true, "pkceMethod": "S256"},
			})
		},
		changed: func(w at) props {
			return merged(minimal(w), props{"clientSecret": "planted-other", "displayName": "Other", "extraConfig": props{"pkceEnabled": false}})
		},
		replaces: props{"realm": "elsewhere", "alias": "other", "providerId": "keycloak-oidc", "addReadTokenRoleOnCreate": true},
		path:     func(w at) string { return w.realm + "/identity-provider/instances/" + string(w.thing.ID) },
		drift: func(o props) {
			o["trustEmail"] = false
			sub(o, "config")["tokenUrl"], sub(o, "config")["clientSecret"] = "https://evil.example.org/token", "${vault.theirs}"
		},
		wantDrift: []string{"clientSecret", "tokenUrl", "trustEmail"},
		mark:      markConfig,
		list: func(w at) (string, string, string) {
			return w.realm + "/identity-provider/instances", "alias", alias
		},
	}
}

func githubLife() lifecycle {
	life := oidcLife()
	for _, inputs := range []*func(at) props{&life.inputs, &life.changed, &life.minimal} {
		was := *inputs
		*inputs = func(w at) props { return merged(was(w), props{"providerId": "github"}) }
	}
	return life
}

func googleLife() lifecycle {
	life := oidcLife()
	life.token = googleToken
	life.minimal = func(w at) props {
		return props{"realm": w.realm, "clientId": "shop", "clientSecret": "planted-secret"}
	}
	life.inputs = func(w at) props {
		return merged(life.minimal(w), props{
			"enabled": false, "storeToken": false, "linkOnly": true, "trustEmail": true, "authenticateByDefault": true, "guiOrder": "2",
			"syncMode": "IMPORT", "hideOnLoginPage": true, "postBrokerLoginFlowAlias": "browser", "hostedDomain": "example.org",
			"defaultScopes": "openid email", "useUserIpParam": true, "requestRefreshToken": true, "disableUserInfo": true,
			"acceptsPromptNoneForwardFromClient": true, "extraConfig": props{"my.key": "x"},
		})
	}
	life.changed = func(w at) props { return merged(life.minimal(w), props{"hostedDomain": "other.example.org"}) }
	life.replaces = props{"realm": "elsewhere", "providerId": "other", "addReadTokenRoleOnCreate": true}
	life.drift = func(o props) {
		o["trustEmail"] = false
		sub(o, "config")["hostedDomain"] = "*"
	}
	life.wantDrift = []string{"hostedDomain", "trustEmail"}
	life.list = func(w at) (string, string, string) {
		return w.realm + "/identity-provider/instances", "alias", "google"
	}
	return life
}

func samlLife() lifecycle {
	alias := testutil.Unique("life")
	minimal := func(w at) props {
		return props{
			"realm": w.realm, "alias": alias, "entityId": "urn:example:shop", "singleSignOnServiceUrl": "https://id.example.org/sso",
		}
	}
	return lifecycle{
		token: samlToken, minimal: minimal,
		inputs: func(w at) props {
			return merged(minimal(w), props{
				"displayName": "Haus-Ausweis", "enabled": false, "storeToken": false, "linkOnly": true, "trustEmail": true,
				"authenticateByDefault": true, "guiOrder": "2", "syncMode": "LEGACY", "hideOnLoginPage": true,
				"postBrokerLoginFlowAlias": "browser", "singleLogoutServiceUrl": "https://id.example.org/out",
				"nameIdPolicyFormat": "Email", "principalType": "ATTRIBUTE", "principalAttribute": "mail", "backchannelSupported": true,
				"forceAuthn": true, "postBindingAuthnRequest": true, "postBindingLogout": true, "postBindingResponse": true,
				"validateSignature": true, "wantAssertionsEncrypted": true, "wantAssertionsSigned": true, "signingCertificate": "MIIplanted",
				"signatureAlgorithm": "RSA_SHA512", "xmlSignKeyInfoKeyNameTransformer": "CERT_SUBJECT",
				"authnContextClassRefs": []any{"urn:b", "urn:a"}, "authnContextDeclRefs": []any{"urn:c"}, "authnContextComparisonType": "minimum",
				"extraConfig": props{"allowedClockSkew": 5},
			})
		},
		changed: func(w at) props {
			return merged(minimal(w), props{"entityId": "urn:other", "nameIdPolicyFormat": "Persistent", "authnContextClassRefs": []any{"urn:a"}})
		},
		replaces: props{"realm": "elsewhere", "alias": "other", "providerId": "other", "addReadTokenRoleOnCreate": true},
		path:     func(w at) string { return w.realm + "/identity-provider/instances/" + string(w.thing.ID) },
		drift: func(o props) {
			sub(o, "config")["nameIDPolicyFormat"], sub(o, "config")["wantAssertionsSigned"] = "urn:by:hand", "false"
			sub(o, "config")["authnContextClassRefs"] = `["urn:a","urn:b"]`
		},
		wantDrift: []string{"authnContextClassRefs", "nameIdPolicyFormat", "wantAssertionsSigned"},
		mark:      markConfig,
		list: func(w at) (string, string, string) {
			return w.realm + "/identity-provider/instances", "alias", alias
		},
	}
}
