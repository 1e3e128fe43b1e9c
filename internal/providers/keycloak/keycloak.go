// Package keycloak serves the types of the official pulumi-keycloak plugin that plattr's components use, from this
// process and against the admin REST API of Keycloak 26. Tokens, inputs, outputs and IDs are the plugin's.
//
// What is created carries the owner mark, an attribute that is sent with the creating request, so a killed run leaves
// nothing that the next run does not know as its own, and nothing that another stack or a person made is ever adopted,
// changed or deleted. See [markKey] for the exact rule.
package keycloak

import (
	"context"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"

	"plattr.dev/plattr/internal/providers/embedded"
	"plattr.dev/plattr/internal/providers/keycloak/admin"
)

// Version is the version of the official plugin whose types are served.
const Version = "5.1.0"

// LoginError says that Keycloak refuses the administrator. It has a hint.
type LoginError = admin.LoginError

// Config is the provider's configuration as the official SDK writes it. Settings that are not here are refused.
type Config struct {
	// URL is the server's, BasePath what follows it; nothing since Keycloak 17.
	URL      string `json:"url,omitempty"`
	BasePath string `json:"basePath,omitempty"`
	// Realm is the administrator's own; master when left out.
	Realm string `json:"realm,omitempty"`
	// ClientID and ClientSecret log in as the client's service account; without a secret Username and Password do.
	ClientID     string `json:"clientId,omitempty"`
	ClientSecret string `json:"clientSecret,omitempty"`
	Username     string `json:"username,omitempty"`
	Password     string `json:"password,omitempty"`
	// ClientTimeout limits one request, in seconds; 15 when left out.
	ClientTimeout int `json:"clientTimeout,omitempty"`
	// InitialLogin is accepted for the official plugin's sake: here the first request logs in.
	InitialLogin *bool `json:"initialLogin,omitempty"`
	// RootCACertificate is certificates in PEM to trust.
	RootCACertificate     string `json:"rootCaCertificate,omitempty"`
	TLSInsecureSkipVerify bool   `json:"tlsInsecureSkipVerify,omitempty"`
}

// New returns an instance of the provider.
func New() plugin.Provider {
	return embedded.New(embedded.Spec[Config, *admin.Client]{
		Package: "keycloak", Version: Version, Bridged: true,
		Configure: configure,
		Close:     (*admin.Client).Close,
		Resources: []embedded.Resource[*admin.Client]{
			realmType(), clientType(), clientScopeType(), defaultScopesType(), hardcodedClaimType(), audienceType(),
			roleType(), userType(), oidcType(), googleType(), samlType(),
		},
	})
}

func configure(_ context.Context, c Config) (*admin.Client, error) {
	if c.Realm == "" {
		c.Realm = masterRealm
	}
	return admin.New(admin.Config{
		URL: c.URL, BasePath: c.BasePath, Realm: c.Realm,
		ClientID: c.ClientID, ClientSecret: c.ClientSecret, Username: c.Username, Password: c.Password,
		Timeout: time.Duration(c.ClientTimeout) * time.Second,
		RootCA:  c.RootCACertificate, InsecureSkipVerify: c.TLSInsecureSkipVerify,
	})
}
