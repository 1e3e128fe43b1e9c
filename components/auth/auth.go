// Package auth gives an application its sign-in: a Keycloak realm, one client in it with exact addresses, the identity
// providers, and on the laptop a user to try it with.
package auth

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Type is the Pulumi type token; changing it replaces every deployed realm.
const Type = "plattr:components:Auth"

// OwnerAttribute is the attribute of realm and client that says which stack, as project/stack, they belong to. The
// embedded provider refuses what carries another; it stands in the program so that the official plugin writes it too.
const OwnerAttribute = "plattr.owner"

// RoleClaim is the claim of a token that PostgREST reads the role from, with a fixed value.
const RoleClaim = "role"

// Args is what an Auth needs. The component takes its providers, keycloak and plattr, from its resource options.
type Args struct {
	// ServerURL is Keycloak's address as browsers see it, and the beginning of the issuer; InternalURL the one from where
	// the application runs, empty if that is the same.
	ServerURL, InternalURL string
	// Realm holds everything; DisplayName is what people read when they sign in.
	Realm, DisplayName string
	// ClientID is the application's name in the realm.
	ClientID string
	// Public makes a client without a secret, for an application that runs in the browser.
	Public bool
	// AppURL is the application's address, without a slash at the end; RedirectPaths are where sign-in returns to.
	AppURL        string
	RedirectPaths []string
	// AlsoAt are other addresses of the same application, to which sign-in returns, too.
	AlsoAt []string
	// RestRole is the database role that requests with a token run as; empty where there is no REST API.
	RestRole string
	// Providers are other places where people may have their account.
	Providers []IdentityProvider
	// DirectGrants lets the client exchange a password for a token, which tests like. Only for the laptop.
	DirectGrants bool
	// DemoUser is a user to try it with; empty: none.
	DemoUser string
}

// IdentityProvider is one other place where people may have their account.
type IdentityProvider struct {
	// Name is its alias in the realm, Kind one of the constants.
	Name string
	Kind Kind
	// Issuer or MetadataURL say where a provider of OIDC or SAML describes itself.
	Issuer, MetadataURL string
	// ClientID and ClientSecret are what the provider knows the realm by; SAML needs none.
	ClientID, ClientSecret string
}

// Kind is the kind of an identity provider.
type Kind string

// The kinds of identity providers.
const (
	Google Kind = "google"
	GitHub Kind = "github"
	OIDC   Kind = "oidc"
	SAML   Kind = "saml"
)

// Auth is an application's sign-in.
type Auth struct {
	pulumi.ResourceState

	// IssuerURL is what tokens say; InternalURL is the same realm from where the application runs. Both are known when the
	// realm is complete.
	IssuerURL, InternalURL pulumi.StringOutput
	Realm                  pulumi.StringOutput
	ClientID               pulumi.StringOutput
	// ClientSecret is secret; empty for a public client.
	ClientSecret pulumi.StringOutput
	// DemoPassword is secret; empty without a demo user.
	DemoPassword pulumi.StringOutput
}

// New registers an Auth and its parts.
func New(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*Auth, error) {
	if err := args.validate(); err != nil {
		return nil, fmt.Errorf("auth %q: %w", name, err)
	}
	a := &Auth{}
	if err := ctx.RegisterComponentResource(Type, name, a, opts...); err != nil {
		return nil, fmt.Errorf("register auth %q: %w", name, err)
	}
	b := &builder{ctx: ctx, name: name, args: args, parent: a}
	if err := b.build(); err != nil {
		return nil, fmt.Errorf("auth %q: %w", name, err)
	}
	b.outputs(a)
	return a, ctx.RegisterResourceOutputs(a, pulumi.Map{ //nolint:wrapcheck // there is nothing to add
		"issuerUrl": a.IssuerURL, "internalUrl": a.InternalURL, "realm": a.Realm, "clientId": a.ClientID,
		"clientSecret": a.ClientSecret, "demoPassword": a.DemoPassword,
	})
}

// validate finds what would only fail half-way through a run.
func (a *Args) validate() error {
	var errs []error
	for _, f := range []struct{ name, value string }{
		{"Realm", a.Realm}, {"ClientID", a.ClientID},
	} {
		if f.value == "" {
			errs = append(errs, fmt.Errorf("%s is required", f.name))
		}
	}
	urls := []struct{ name, value string }{{"ServerURL", a.ServerURL}, {"AppURL", a.AppURL}}
	for _, u := range a.AlsoAt {
		urls = append(urls, struct{ name, value string }{"AlsoAt", u})
	}
	for _, f := range urls {
		if u, err := url.Parse(f.value); err != nil || u.Host == "" || strings.HasSuffix(f.value, "/") {
			errs = append(errs, fmt.Errorf("%s: %q is no URL without a slash at the end", f.name, f.value))
		}
	}
	if len(a.RedirectPaths) == 0 {
		errs = append(errs, errors.New("RedirectPaths: sign-in has nowhere to return to"))
	}
	for _, p := range a.RedirectPaths {
		if !strings.HasPrefix(p, "/") || strings.ContainsAny(p, "*#") {
			errs = append(errs, fmt.Errorf("RedirectPaths: %q is no exact path", p))
		}
	}
	for _, p := range a.Providers {
		errs = append(errs, p.validate())
	}
	return errors.Join(errs...)
}

func (p IdentityProvider) validate() error {
	described := p.Issuer != "" || p.MetadataURL != ""
	switch {
	case p.Name == "":
		return errors.New("an identity provider has no name")
	case p.Kind == Google, p.Kind == GitHub, p.Kind == OIDC && described:
		if p.ClientID == "" || p.ClientSecret == "" {
			return fmt.Errorf("identity provider %s has no credentials", p.Name)
		}
		return nil
	case p.Kind == SAML && p.MetadataURL != "":
		return nil
	default:
		return fmt.Errorf("identity provider %s of kind %q: nothing says where it is", p.Name, p.Kind)
	}
}
