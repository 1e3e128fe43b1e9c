package keycloak

import (
	"context"

	"plattr.dev/plattr/internal/providers/embedded"
	"plattr.dev/plattr/internal/providers/keycloak/admin"
)

// clientArgs are the inputs of an OpenID Connect client. Authorization services and flows of its own are not supported.
//
// What the program leaves out is empty, false, or the official plugin's default, also when a person set it.
type clientArgs struct {
	RealmID     string `json:"realmId"`
	ClientID    string `json:"clientId" kc:"clientId"`
	Name        string `json:"name,omitempty" kc:"name"`
	Description string `json:"description,omitempty" kc:"description"`
	Enabled     *bool  `json:"enabled,omitempty" kc:"enabled" default:"true"`
	// AccessType is CONFIDENTIAL, PUBLIC or BEARER-ONLY.
	AccessType              string `json:"accessType"`
	ClientAuthenticatorType string `json:"clientAuthenticatorType,omitempty" kc:"clientAuthenticatorType" default:"client-secret"`
	// ClientSecret is made by Keycloak, and read back, when it is left out.
	ClientSecret string `json:"clientSecret,omitempty"`

	StandardFlowEnabled       *bool `json:"standardFlowEnabled,omitempty" kc:"standardFlowEnabled"`
	ImplicitFlowEnabled       *bool `json:"implicitFlowEnabled,omitempty" kc:"implicitFlowEnabled"`
	DirectAccessGrantsEnabled *bool `json:"directAccessGrantsEnabled,omitempty" kc:"directAccessGrantsEnabled"`
	ServiceAccountsEnabled    *bool `json:"serviceAccountsEnabled,omitempty" kc:"serviceAccountsEnabled"`
	FullScopeAllowed          *bool `json:"fullScopeAllowed,omitempty" kc:"fullScopeAllowed" default:"true"`
	ConsentRequired           *bool `json:"consentRequired,omitempty" kc:"consentRequired"`

	ValidRedirectURIs           []string `json:"validRedirectUris,omitempty" kc:"redirectUris"`
	ValidPostLogoutRedirectURIs []string `json:"validPostLogoutRedirectUris,omitempty" kc:"attributes/post.logout.redirect.uris,hashes"`
	WebOrigins                  []string `json:"webOrigins,omitempty" kc:"webOrigins"`
	RootURL                     string   `json:"rootUrl,omitempty" kc:"rootUrl"`
	BaseURL                     string   `json:"baseUrl,omitempty" kc:"baseUrl"`
	AdminURL                    string   `json:"adminUrl,omitempty" kc:"adminUrl"`

	clientAttributes

	LoginTheme  string     `json:"loginTheme,omitempty" kc:"attributes/login_theme"`
	ExtraConfig attributes `json:"extraConfig,omitempty"`
	// Import takes over what a person made in the official plugin. Here it must be false: the owner mark decides.
	Import *bool `json:"import,omitempty" default:"false"`
}

// clientAttributes are the inputs that are attributes in Keycloak. Times are texts with a number of seconds.
type clientAttributes struct {
	PkceCodeChallengeMethod string `json:"pkceCodeChallengeMethod,omitempty" kc:"attributes/pkce.code.challenge.method"`

	AccessTokenLifespan             string `json:"accessTokenLifespan,omitempty" kc:"attributes/access.token.lifespan"`
	ClientSessionIdleTimeout        string `json:"clientSessionIdleTimeout,omitempty" kc:"attributes/client.session.idle.timeout"`
	ClientSessionMaxLifespan        string `json:"clientSessionMaxLifespan,omitempty" kc:"attributes/client.session.max.lifespan"`
	ClientOfflineSessionIdleTimeout string `json:"clientOfflineSessionIdleTimeout,omitempty" kc:"attributes/client.offline.session.idle.timeout"`
	ClientOfflineSessionMaxLifespan string `json:"clientOfflineSessionMaxLifespan,omitempty" kc:"attributes/client.offline.session.max.lifespan"`

	UseRefreshTokens                      *bool  `json:"useRefreshTokens,omitempty" kc:"attributes/use.refresh.tokens,quoted" default:"true"`
	UseRefreshTokensClientCredentials     *bool  `json:"useRefreshTokensClientCredentials,omitempty" kc:"attributes/client_credentials.use_refresh_token,quoted" default:"false"`
	ExcludeSessionStateFromAuthResponse   *bool  `json:"excludeSessionStateFromAuthResponse,omitempty" kc:"attributes/exclude.session.state.from.auth.response,quoted"`
	Oauth2DeviceAuthorizationGrantEnabled *bool  `json:"oauth2DeviceAuthorizationGrantEnabled,omitempty" kc:"attributes/oauth2.device.authorization.grant.enabled,quoted" default:"false"`
	Oauth2DeviceCodeLifespan              string `json:"oauth2DeviceCodeLifespan,omitempty" kc:"attributes/oauth2.device.code.lifespan"`
	Oauth2DevicePollingInterval           string `json:"oauth2DevicePollingInterval,omitempty" kc:"attributes/oauth2.device.polling.interval"`

	FrontchannelLogoutEnabled              *bool  `json:"frontchannelLogoutEnabled,omitempty" kc:"frontchannelLogout"`
	FrontchannelLogoutURL                  string `json:"frontchannelLogoutUrl,omitempty" kc:"attributes/frontchannel.logout.url"`
	BackchannelLogoutURL                   string `json:"backchannelLogoutUrl,omitempty" kc:"attributes/backchannel.logout.url"`
	BackchannelLogoutSessionRequired       *bool  `json:"backchannelLogoutSessionRequired,omitempty" kc:"attributes/backchannel.logout.session.required,quoted" default:"true"`
	BackchannelLogoutRevokeOfflineSessions *bool  `json:"backchannelLogoutRevokeOfflineSessions,omitempty" kc:"attributes/backchannel.logout.revoke.offline.tokens,quoted"`

	DisplayOnConsentScreen *bool  `json:"displayOnConsentScreen,omitempty" kc:"attributes/display.on.consent.screen,quoted"`
	ConsentScreenText      string `json:"consentScreenText,omitempty" kc:"attributes/consent.screen.text"`
}

type clientState struct {
	clientArgs

	// ResourceServerID is the client's UUID when a person has switched authorization services on.
	ResourceServerID string `json:"resourceServerId"`
	// ServiceAccountUserID is the user that the client is when it logs in by itself.
	ServiceAccountUserID string `json:"serviceAccountUserId"`
}

func clientType() embedded.Resource[*admin.Client] {
	k := &kind[clientArgs, clientState]{
		token: "keycloak:openid/client:Client", what: "client",
		replace: []string{"realmId", "clientId"},
		secret:  []string{"clientSecret"},
		check:   checkClient,
		equal:   func(_ string, a, b any) bool { return sameSet(a, b) },

		inputs: func(s *clientState) *clientArgs { return &s.clientArgs },
		realm:  func(in *clientArgs) string { return in.RealmID },
		name:   func(in *clientArgs) string { return in.ClientID },
		id:     func(o admin.Object) string { return o.Text("id") },

		mark: inAttributes, declared: func(in *clientArgs) attributes { return in.ExtraConfig },

		write: writeClient, read: readClient,
		// Mappers and scopes are other resources' business, who may be at work at the same time.
		omit: []string{"protocolMappers", "defaultClientScopes", "optionalClientScopes", "access"},

		find: func(ctx context.Context, c *admin.Client, in *clientArgs) (admin.Object, error) {
			return c.FindClient(ctx, in.RealmID, in.ClientID)
		},
		get: func(ctx context.Context, c *admin.Client, in *clientArgs, id string) (admin.Object, error) {
			return c.GetClient(ctx, in.RealmID, id)
		},
		post: func(ctx context.Context, c *admin.Client, in *clientArgs, o admin.Object) error {
			return c.CreateClient(ctx, in.RealmID, o)
		},
		put: func(ctx context.Context, c *admin.Client, in *clientArgs, id string, o admin.Object) error {
			return c.UpdateClient(ctx, in.RealmID, id, o)
		},
		remove: func(ctx context.Context, c *admin.Client, in *clientArgs, id string) error {
			return c.DeleteClient(ctx, in.RealmID, id)
		},
	}
	return k.resource()
}

// The values of accessType.
const (
	confidential = "CONFIDENTIAL"
	public       = "PUBLIC"
	bearerOnly   = "BEARER-ONLY"
)

func writeClient(in, before *clientArgs, o admin.Object) {
	write(in, o)
	o["protocol"] = "openid-connect"
	o["publicClient"] = in.AccessType == public
	o["bearerOnly"] = in.AccessType == bearerOnly
	if in.ClientSecret != "" {
		o["secret"] = in.ClientSecret
	}
	var declared attributes
	if before != nil {
		declared = before.ExtraConfig
	}
	in.ExtraConfig.write(o.Sub("attributes"), declared, form{null: true})
}

func readClient(ctx context.Context, c *admin.Client, o admin.Object, in clientArgs) (clientState, error) {
	var out clientState
	read(o, &out.clientArgs)
	out.RealmID, out.Import = in.RealmID, in.Import
	switch {
	case o.Bool("publicClient"):
		out.AccessType = public
	case o.Bool("bearerOnly"):
		out.AccessType = bearerOnly
	default:
		out.AccessType = confidential
		out.ClientSecret = o.Text("secret")
	}
	out.ExtraConfig = in.ExtraConfig.read(o.Sub("attributes"))
	if o.Bool("authorizationServicesEnabled") {
		out.ResourceServerID = o.Text("id")
	}
	if o.Bool("serviceAccountsEnabled") {
		user, err := c.ServiceAccount(ctx, in.RealmID, o.Text("id"))
		if err != nil {
			return out, err
		}
		out.ServiceAccountUserID = user.Text("id")
	}
	return out, nil
}
