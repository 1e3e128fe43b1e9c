package keycloak

import (
	"context"
	"unicode/utf8"

	"plattr.dev/plattr/internal/providers/embedded"
	"plattr.dev/plattr/internal/providers/keycloak/admin"
)

// realmArgs are the inputs, and as each can be read back also the state, of a realm.
//
// Mail server, languages, flows and the policies of second factors are not supported: Keycloak's stay as they are.
type realmArgs struct {
	Realm string `json:"realm" kc:"realm"`
	// InternalID is Keycloak's own ID, which other APIs show; the realm's name when left out.
	InternalID      string `json:"internalId,omitempty"`
	Enabled         *bool  `json:"enabled,omitempty" kc:"enabled" default:"true"`
	DisplayName     string `json:"displayName,omitempty" kc:"displayName"`
	DisplayNameHTML string `json:"displayNameHtml,omitempty" kc:"displayNameHtml"`

	UserManagedAccess           *bool  `json:"userManagedAccess,omitempty" kc:"userManagedAccessAllowed" default:"false"`
	RegistrationAllowed         *bool  `json:"registrationAllowed,omitempty" kc:"registrationAllowed,kept"`
	RegistrationEmailAsUsername *bool  `json:"registrationEmailAsUsername,omitempty" kc:"registrationEmailAsUsername,kept"`
	EditUsernameAllowed         *bool  `json:"editUsernameAllowed,omitempty" kc:"editUsernameAllowed,kept"`
	ResetPasswordAllowed        *bool  `json:"resetPasswordAllowed,omitempty" kc:"resetPasswordAllowed,kept"`
	RememberMe                  *bool  `json:"rememberMe,omitempty" kc:"rememberMe,kept"`
	VerifyEmail                 *bool  `json:"verifyEmail,omitempty" kc:"verifyEmail,kept"`
	LoginWithEmailAllowed       *bool  `json:"loginWithEmailAllowed,omitempty" kc:"loginWithEmailAllowed,kept"`
	DuplicateEmailsAllowed      *bool  `json:"duplicateEmailsAllowed,omitempty" kc:"duplicateEmailsAllowed,kept"`
	SSLRequired                 string `json:"sslRequired,omitempty" kc:"sslRequired" default:"external"`

	LoginTheme   string `json:"loginTheme,omitempty" kc:"loginTheme"`
	AccountTheme string `json:"accountTheme,omitempty" kc:"accountTheme"`
	AdminTheme   string `json:"adminTheme,omitempty" kc:"adminTheme"`
	EmailTheme   string `json:"emailTheme,omitempty" kc:"emailTheme"`

	realmTokens

	PasswordPolicy   string            `json:"passwordPolicy,omitempty" kc:"passwordPolicy"`
	Attributes       attributes        `json:"attributes,omitempty"`
	SecurityDefenses *securityDefenses `json:"securityDefenses,omitempty"`
}

// realmTokens are how long tokens and sessions of a realm last.
type realmTokens struct {
	DefaultSignatureAlgorithm string `json:"defaultSignatureAlgorithm,omitempty" kc:"defaultSignatureAlgorithm,kept"`
	RevokeRefreshToken        *bool  `json:"revokeRefreshToken,omitempty" kc:"revokeRefreshToken" default:"false"`
	RefreshTokenMaxReuse      *int   `json:"refreshTokenMaxReuse,omitempty" kc:"refreshTokenMaxReuse" default:"0"`

	AccessTokenLifespan                string `json:"accessTokenLifespan,omitempty" kc:"accessTokenLifespan,seconds,kept"`
	AccessTokenLifespanForImplicitFlow string `json:"accessTokenLifespanForImplicitFlow,omitempty" kc:"accessTokenLifespanForImplicitFlow,seconds,kept"`

	SsoSessionIdleTimeout           string `json:"ssoSessionIdleTimeout,omitempty" kc:"ssoSessionIdleTimeout,seconds,kept"`
	SsoSessionIdleTimeoutRememberMe string `json:"ssoSessionIdleTimeoutRememberMe,omitempty" kc:"ssoSessionIdleTimeoutRememberMe,seconds,kept"`
	SsoSessionMaxLifespan           string `json:"ssoSessionMaxLifespan,omitempty" kc:"ssoSessionMaxLifespan,seconds,kept"`
	SsoSessionMaxLifespanRememberMe string `json:"ssoSessionMaxLifespanRememberMe,omitempty" kc:"ssoSessionMaxLifespanRememberMe,seconds,kept"`

	OfflineSessionIdleTimeout        string `json:"offlineSessionIdleTimeout,omitempty" kc:"offlineSessionIdleTimeout,seconds,kept"`
	OfflineSessionMaxLifespan        string `json:"offlineSessionMaxLifespan,omitempty" kc:"offlineSessionMaxLifespan,seconds,kept"`
	OfflineSessionMaxLifespanEnabled *bool  `json:"offlineSessionMaxLifespanEnabled,omitempty" kc:"offlineSessionMaxLifespanEnabled" default:"false"`
	ClientSessionIdleTimeout         string `json:"clientSessionIdleTimeout,omitempty" kc:"clientSessionIdleTimeout,seconds,kept"`
	ClientSessionMaxLifespan         string `json:"clientSessionMaxLifespan,omitempty" kc:"clientSessionMaxLifespan,seconds,kept"`

	AccessCodeLifespan                  string `json:"accessCodeLifespan,omitempty" kc:"accessCodeLifespan,seconds,kept"`
	AccessCodeLifespanLogin             string `json:"accessCodeLifespanLogin,omitempty" kc:"accessCodeLifespanLogin,seconds,kept"`
	AccessCodeLifespanUserAction        string `json:"accessCodeLifespanUserAction,omitempty" kc:"accessCodeLifespanUserAction,seconds,kept"`
	ActionTokenGeneratedByUserLifespan  string `json:"actionTokenGeneratedByUserLifespan,omitempty" kc:"actionTokenGeneratedByUserLifespan,seconds,kept"`
	ActionTokenGeneratedByAdminLifespan string `json:"actionTokenGeneratedByAdminLifespan,omitempty" kc:"actionTokenGeneratedByAdminLifespan,seconds,kept"`

	Oauth2DeviceCodeLifespan    string `json:"oauth2DeviceCodeLifespan,omitempty" kc:"oauth2DeviceCodeLifespan,seconds,kept"`
	Oauth2DevicePollingInterval *int   `json:"oauth2DevicePollingInterval,omitempty" kc:"oauth2DevicePollingInterval,kept"`
}

func realmType() embedded.Resource[*admin.Client] {
	k := &kind[realmArgs, realmArgs]{
		token: "keycloak:index/realm:Realm", what: "realm", imports: true,
		// A new internal ID is a new realm of the old one's name.
		replace: []string{"realm", "internalId"}, deleteFirst: true,
		check: checkRealm,
		equal: sameDuration(&realmArgs{}),

		inputs: func(s *realmArgs) *realmArgs { return s },
		realm:  func(in *realmArgs) string { return in.Realm },
		name:   func(in *realmArgs) string { return in.Realm },
		id:     func(o admin.Object) string { return o.Text("realm") },

		mark: inAttributes, declared: func(in *realmArgs) attributes { return in.Attributes },
		protected: func(c *admin.Client, in *realmArgs) bool { return in.Realm == masterRealm || in.Realm == c.Realm() },

		write: writeRealm, read: readRealm,

		find: func(ctx context.Context, c *admin.Client, in *realmArgs) (admin.Object, error) {
			return c.GetRealm(ctx, in.Realm)
		},
		get: func(ctx context.Context, c *admin.Client, in *realmArgs, id string) (admin.Object, error) {
			in.Realm = id // all that an import knows
			return c.GetRealm(ctx, id)
		},
		post: func(ctx context.Context, c *admin.Client, in *realmArgs, o admin.Object) error {
			return c.CreateRealm(ctx, in.Realm, o)
		},
		put: func(ctx context.Context, c *admin.Client, _ *realmArgs, id string, o admin.Object) error {
			return c.UpdateRealm(ctx, id, o)
		},
		remove: func(ctx context.Context, c *admin.Client, _ *realmArgs, id string) error {
			return c.DeleteRealm(ctx, id)
		},
	}
	return k.resource()
}

// maxInternalID is the length of Keycloak's column for IDs.
const maxInternalID = 36

func checkRealm(in *realmArgs) []embedded.Problem {
	fill(in)
	var c checks
	c.texts(in)
	c.realmName("realm", in.Realm)
	if in.Realm == masterRealm {
		c.add("realm", "master is Keycloak's own: choose another name")
	}
	if in.InternalID != "" {
		c.word("internalId", in.InternalID)
		if n := utf8.RuneCountInString(in.InternalID); n > maxInternalID {
			c.add("internalId", "has %d characters, Keycloak takes %d", n, maxInternalID)
		}
	}
	c.oneOf("sslRequired", in.SSLRequired, "none", "external", "all")
	c.durations(in)
	if *in.RefreshTokenMaxReuse < 0 {
		c.add("refreshTokenMaxReuse", "must not be negative")
	}
	if isTrue(in.DuplicateEmailsAllowed) && isTrue(in.LoginWithEmailAllowed) {
		c.add("duplicateEmailsAllowed", "cannot be true together with loginWithEmailAllowed")
	}
	if isTrue(in.DuplicateEmailsAllowed) && isTrue(in.RegistrationEmailAsUsername) {
		c.add("duplicateEmailsAllowed", "cannot be true together with registrationEmailAsUsername")
	}
	c.defenses(in.SecurityDefenses)
	return c
}

func isTrue(b *bool) bool { return b != nil && *b }

func writeRealm(in, before *realmArgs, o admin.Object) {
	write(in, o)
	if o.Text("id") == "" {
		switch {
		case in.InternalID != "":
			o["id"] = in.InternalID
		case utf8.RuneCountInString(in.Realm) <= maxInternalID:
			o["id"] = in.Realm
		}
	}
	var declared attributes
	var defended *securityDefenses
	if before != nil {
		declared, defended = before.Attributes, before.SecurityDefenses
	}
	in.Attributes.write(o.Sub("attributes"), declared, form{})
	in.SecurityDefenses.write(o, defended)
}

func readRealm(_ context.Context, _ *admin.Client, o admin.Object, in realmArgs) (realmArgs, error) {
	out := realmArgs{InternalID: o.Text("id")}
	read(o, &out)
	out.Attributes = in.Attributes.read(o.Sub("attributes"))
	out.SecurityDefenses = in.SecurityDefenses.read(o)
	return out, nil
}
