package keycloak

import (
	"regexp"
	"slices"

	"plattr.dev/plattr/internal/providers/embedded"
)

func checkClient(in *clientArgs) []embedded.Problem {
	fill(in)
	var c checks
	c.texts(in)
	c.required("realmId", in.RealmID)
	c.name("clientId", in.ClientID)
	c.oneOf("accessType", in.AccessType, confidential, public, bearerOnly)
	c.oneOf("clientAuthenticatorType", in.ClientAuthenticatorType,
		"client-secret", "client-jwt", "client-x509", "client-secret-jwt")
	c.access(in)
	c.length("name", in.Name)
	c.length("description", in.Description)
	c.length("rootUrl", in.RootURL)
	c.length("baseUrl", in.BaseURL)
	c.length("adminUrl", in.AdminURL)
	c.length("validRedirectUris", in.ValidRedirectURIs...)
	c.length("webOrigins", in.WebOrigins...)
	c.redirects("validRedirectUris", in.ValidRedirectURIs)
	// Keycloak takes + for all of validRedirectUris and - for none.
	c.redirects("validPostLogoutRedirectUris", in.ValidPostLogoutRedirectURIs, "+", "-")
	c.origins("webOrigins", in.WebOrigins)
	c.url("rootUrl", in.RootURL)
	c.url("adminUrl", in.AdminURL)
	c.url("frontchannelLogoutUrl", in.FrontchannelLogoutURL)
	c.url("backchannelLogoutUrl", in.BackchannelLogoutURL)
	if in.PkceCodeChallengeMethod != "" {
		c.oneOf("pkceCodeChallengeMethod", in.PkceCodeChallengeMethod, "plain", "S256")
	}
	c.seconds("accessTokenLifespan", in.AccessTokenLifespan)
	c.seconds("clientSessionIdleTimeout", in.ClientSessionIdleTimeout)
	c.seconds("clientSessionMaxLifespan", in.ClientSessionMaxLifespan)
	c.seconds("clientOfflineSessionIdleTimeout", in.ClientOfflineSessionIdleTimeout)
	c.seconds("clientOfflineSessionMaxLifespan", in.ClientOfflineSessionMaxLifespan)
	c.seconds("oauth2DeviceCodeLifespan", in.Oauth2DeviceCodeLifespan)
	c.seconds("oauth2DevicePollingInterval", in.Oauth2DevicePollingInterval)
	c.extraConfig(in.ExtraConfig, keysIn(in, "attributes"))
	if isTrue(in.Import) {
		c.add("import", "is not supported: give the client the attribute %s and it is taken over", markKey)
	}
	return c
}

// access holds what Keycloak ignores, and what the official plugin refuses.
func (c *checks) access(in *clientArgs) {
	if in.ClientSecret != "" && in.AccessType != confidential {
		c.add("clientSecret", "is only for a client that is CONFIDENTIAL")
	}
	if isTrue(in.ServiceAccountsEnabled) && in.AccessType != confidential {
		c.add("serviceAccountsEnabled", "is only for a client that is CONFIDENTIAL")
	}
	flows := isTrue(in.StandardFlowEnabled) || isTrue(in.ImplicitFlowEnabled)
	if in.AccessType == bearerOnly && (flows || isTrue(in.DirectAccessGrantsEnabled)) {
		c.add("accessType", "a client that is BEARER-ONLY logs nobody in: switch its flows off")
	}
	if flows && len(in.ValidRedirectURIs) == 0 {
		c.add("validRedirectUris", "is required when standardFlowEnabled or implicitFlowEnabled is true")
	}
}

var inSeconds = regexp.MustCompile(`^\d{1,9}$`)

// seconds is a problem unless s is empty or a number of seconds, which Keycloak would notice at the first login only.
func (c *checks) seconds(input, s string) {
	if s != "" && !inSeconds.MatchString(s) {
		c.add(input, "%q is no number of seconds: write one such as 300", s)
	}
}

// extraConfig is a problem if a key has an input of its own, and both would be written.
func (c *checks) extraConfig(extra attributes, own map[string]string) {
	keys := make([]string, 0, len(extra))
	for key := range extra {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		switch input, ok := own[key]; {
		case ok:
			c.add("extraConfig", "%q has an input of its own: write %s", key, input)
		case key == "":
			c.add("extraConfig", "must not have an empty key")
		case extra[key] == "":
			c.add("extraConfig", "%q has no value, which Keycloak does not keep: leave it out", key)
		}
	}
}
