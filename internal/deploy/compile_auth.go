package deploy

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"plattr.dev/plattr/internal/config/names"
	"plattr.dev/plattr/operator/api/v1alpha1"
	"plattr.dev/plattr/stacks/application"
)

// NoCredentialsError says that the platform has no credentials for an identity provider.
type NoCredentialsError struct{ Provider string }

func (e *NoCredentialsError) Error() string {
	return fmt.Sprintf("identity provider %s has no credentials", e.Provider)
}

// Hint names the settings.
func (e *NoCredentialsError) Hint() string {
	client, secret := CredentialVariables(e.Provider)
	return "set " + client + " and " + secret
}

// CredentialVariables are the environment variables that hold an identity provider's credentials.
func CredentialVariables(provider string) (client, secret string) {
	prefix := "PLATTR_IDP_" + strings.ToUpper(strings.ReplaceAll(provider, "-", "_"))
	return prefix + "_CLIENT_ID", prefix + "_CLIENT_SECRET"
}

func compileAuth(app Application, n names.Names, p Platform) (*application.Auth, []string, error) {
	at := addresses(app)
	a := &application.Auth{
		ServerURL: p.Auth.URL, InternalURL: p.Auth.InternalURL, Realm: n.Realm, DisplayName: app.Name, ClientID: app.Name,
		Public: app.InBrowser, AppURL: at[0], AlsoAt: at[1:], RedirectPaths: app.Spec.Auth.RedirectPaths,
		DemoUser: p.Auth.DemoUser, DirectGrants: p.Auth.DemoUser != "",
	}
	if app.Spec.RestEnabled() {
		a.RestRole = n.UserRole
	}
	var warnings []string
	var errs []error
	for _, spec := range app.Spec.Auth.Providers {
		credentials, known := p.Auth.Providers[spec.Name]
		if !known && spec.Type != v1alpha1.ProviderSAML { // SAML has none
			err := &NoCredentialsError{spec.Name}
			if p.Auth.Lenient {
				warnings = append(warnings, err.Error()+" and is left out: "+err.Hint())
			} else {
				errs = append(errs, err)
			}
			continue
		}
		kind := map[v1alpha1.ProviderType]application.IdentityProviderKind{
			v1alpha1.ProviderGoogle: application.Google, v1alpha1.ProviderGitHub: application.GitHub,
			v1alpha1.ProviderOIDC: application.OIDC, v1alpha1.ProviderSAML: application.SAML,
		}[spec.Type]
		a.Providers = append(a.Providers, application.IdentityProvider{
			Name: spec.Name, Kind: kind, Issuer: spec.Issuer, MetadataURL: spec.MetadataURL,
			ClientID: credentials.User, ClientSecret: credentials.Secret,
		})
	}
	return a, warnings, errors.Join(errs...)
}

// addresses are those of the application, always in the same order: the client is the same, whichever of them is deployed.
func addresses(app Application) []string {
	all := append([]string{app.URL}, app.AlsoAt...)
	slices.Sort(all)
	return slices.Compact(all)
}
