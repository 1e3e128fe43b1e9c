package keycloak

import (
	"strconv"

	"plattr.dev/plattr/internal/providers/embedded"
	"plattr.dev/plattr/internal/providers/keycloak/admin"
)

// oidcArgs are the inputs of an identity provider that speaks OpenID Connect, or OAuth in a way that Keycloak knows by
// name (providerId github).
type oidcArgs struct {
	providerArgs

	Alias            string `json:"alias" kc:"alias"`
	ProviderID       string `json:"providerId,omitempty" kc:"providerId" default:"oidc"`
	DisplayName      string `json:"displayName" kc:"displayName" default:""`
	HideOnLoginPage  *bool  `json:"hideOnLoginPage,omitempty" kc:"hideOnLogin" default:"false"`
	ClientID         string `json:"clientId" kc:"config/clientId"`
	ClientSecret     string `json:"clientSecret"`
	AuthorizationURL string `json:"authorizationUrl" kc:"config/authorizationUrl"`
	TokenURL         string `json:"tokenUrl" kc:"config/tokenUrl"`
	UserInfoURL      string `json:"userInfoUrl,omitempty" kc:"config/userInfoUrl"`
	// JwksURL is where the provider's keys are; without it signatures cannot be validated.
	JwksURL   string `json:"jwksUrl,omitempty" kc:"config/jwksUrl"`
	LogoutURL string `json:"logoutUrl,omitempty" kc:"config/logoutUrl"`
	Issuer    string `json:"issuer,omitempty" kc:"config/issuer"`
	LoginHint string `json:"loginHint,omitempty" kc:"config/loginHint"`

	DefaultScopes        string `json:"defaultScopes,omitempty" kc:"config/defaultScope" default:"openid"`
	BackchannelSupported *bool  `json:"backchannelSupported,omitempty" kc:"config/backchannelSupported,quoted" default:"true"`
	ValidateSignature    *bool  `json:"validateSignature,omitempty" kc:"config/validateSignature,quoted" default:"false"`
	DisableUserInfo      *bool  `json:"disableUserInfo,omitempty" kc:"config/disableUserInfo,quoted" default:"false"`
	UILocales            *bool  `json:"uiLocales,omitempty" kc:"config/uiLocales,quoted" default:"false"`

	AcceptsPromptNoneForwardFromClient *bool `json:"acceptsPromptNoneForwardFromClient,omitempty" kc:"config/acceptsPromptNoneForwardFromClient,quoted" default:"false"`
}

type oidcState struct {
	oidcArgs

	InternalID string `json:"internalId"`
}

// useJwks is the key that goes with the address of the keys.
const useJwks = "useJwksUrl"

func oidcType() embedded.Resource[*admin.Client] {
	return identityProvider[oidcArgs, oidcState]{
		token:  "keycloak:oidc/identityProvider:IdentityProvider",
		inputs: func(s *oidcState) *oidcArgs { return &s.oidcArgs },
		common: func(in *oidcArgs) *providerArgs { return &in.providerArgs },
		alias:  func(in *oidcArgs) string { return in.Alias },
		kind:   func(in *oidcArgs) string { return in.ProviderID },
		check: func(in *oidcArgs, c *checks) {
			c.required("clientId", in.ClientID)
			c.required("clientSecret", in.ClientSecret)
			c.required("authorizationUrl", in.AuthorizationURL)
			c.required("tokenUrl", in.TokenURL)
			for input, address := range map[string]string{
				"authorizationUrl": in.AuthorizationURL, "tokenUrl": in.TokenURL, "userInfoUrl": in.UserInfoURL,
				"jwksUrl": in.JwksURL, "logoutUrl": in.LogoutURL,
			} {
				c.url(input, address)
			}
			if isTrue(in.ValidateSignature) && in.JwksURL == "" {
				c.add("validateSignature", "needs jwksUrl, where the keys are")
			}
		},
		secret: func(in *oidcArgs) *string { return &in.ClientSecret },
		write: func(in *oidcArgs, config admin.Object) {
			config[useJwks] = strconv.FormatBool(in.JwksURL != "")
		},
		outputs: func(s *oidcState, o admin.Object) { s.InternalID = o.Text("internalId") },
	}.resource()
}

// googleArgs are the inputs of Google as an identity provider.
type googleArgs struct {
	providerArgs

	ProviderID      string `json:"providerId,omitempty" kc:"providerId" default:"google"`
	HideOnLoginPage *bool  `json:"hideOnLoginPage,omitempty" kc:"hideOnLogin" default:"false"`
	ClientID        string `json:"clientId" kc:"config/clientId"`
	ClientSecret    string `json:"clientSecret"`
	// HostedDomain lets in the accounts of one domain alone.
	HostedDomain        string `json:"hostedDomain,omitempty" kc:"config/hostedDomain"`
	DefaultScopes       string `json:"defaultScopes,omitempty" kc:"config/defaultScope" default:"openid profile email"`
	UseUserIPParam      *bool  `json:"useUserIpParam,omitempty" kc:"config/userIp,quoted" default:"false"`
	RequestRefreshToken *bool  `json:"requestRefreshToken,omitempty" kc:"config/offlineAccess,quoted" default:"false"`
	DisableUserInfo     *bool  `json:"disableUserInfo,omitempty" kc:"config/disableUserInfo,quoted" default:"false"`

	AcceptsPromptNoneForwardFromClient *bool `json:"acceptsPromptNoneForwardFromClient,omitempty" kc:"config/acceptsPromptNoneForwardFromClient,quoted" default:"false"`
}

type googleState struct {
	googleArgs

	Alias       string `json:"alias"`
	DisplayName string `json:"displayName"`
	InternalID  string `json:"internalId"`
}

// googleAlias is the official plugin's.
const googleAlias = "google"

func googleType() embedded.Resource[*admin.Client] {
	return identityProvider[googleArgs, googleState]{
		token:  "keycloak:oidc/googleIdentityProvider:GoogleIdentityProvider",
		inputs: func(s *googleState) *googleArgs { return &s.googleArgs },
		common: func(in *googleArgs) *providerArgs { return &in.providerArgs },
		alias:  func(*googleArgs) string { return googleAlias },
		kind:   func(in *googleArgs) string { return in.ProviderID },
		check: func(in *googleArgs, c *checks) {
			c.required("clientId", in.ClientID)
			c.required("clientSecret", in.ClientSecret)
		},
		secret: func(in *googleArgs) *string { return &in.ClientSecret },
		write:  func(_ *googleArgs, config admin.Object) { config[useJwks] = "true" },
		outputs: func(s *googleState, o admin.Object) {
			s.Alias, s.DisplayName, s.InternalID = o.Text("alias"), o.Text("displayName"), o.Text("internalId")
		},
	}.resource()
}
