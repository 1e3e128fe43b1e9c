package auth

import (
	"fmt"

	"github.com/pulumi/pulumi-keycloak/sdk/v5/go/keycloak/oidc"
	"github.com/pulumi/pulumi-keycloak/sdk/v5/go/keycloak/saml"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"plattr.dev/plattr/internal/providers/plattr/sdk"
)

// syncMode says when a person's data are taken over from an identity provider: at every sign-in, so that they are today's.
const syncMode = "FORCE"

// addProviders declares the other places where people may have their account.
func (b *builder) addProviders() error {
	for _, p := range b.args.Providers {
		add := map[Kind]func(IdentityProvider) (pulumi.Resource, error){
			Google: b.google, GitHub: b.github, OIDC: b.oidc, SAML: b.saml,
		}[p.Kind]
		r, err := add(p)
		if err != nil {
			return fmt.Errorf("identity provider %s: %w", p.Name, err)
		}
		b.parts = append(b.parts, r)
	}
	return nil
}

func secret(value string) pulumi.StringOutput {
	return pulumi.ToSecret(pulumi.String(value)).(pulumi.StringOutput)
}

// google has an alias of its own in Keycloak, whatever the application calls it. Its addresses are verified.
func (b *builder) google(p IdentityProvider) (pulumi.Resource, error) {
	return oidc.NewGoogleIdentityProvider(b.ctx, b.name+"-"+p.Name, &oidc.GoogleIdentityProviderArgs{ //nolint:wrapcheck // the caller does
		Realm: b.realm.Realm, ClientId: pulumi.String(p.ClientID), ClientSecret: secret(p.ClientSecret),
		TrustEmail: pulumi.Bool(true), SyncMode: pulumi.String(syncMode),
	}, b.inside()...)
}

// github has no type of its own in this version of the official SDK: it is Keycloak's provider github with its addresses.
func (b *builder) github(p IdentityProvider) (pulumi.Resource, error) {
	return oidc.NewIdentityProvider(b.ctx, b.name+"-"+p.Name, &oidc.IdentityProviderArgs{ //nolint:wrapcheck // the caller does
		Realm: b.realm.Realm, Alias: pulumi.String(p.Name), ProviderId: pulumi.String("github"), DisplayName: pulumi.String("GitHub"),
		ClientId: pulumi.String(p.ClientID), ClientSecret: secret(p.ClientSecret), SyncMode: pulumi.String(syncMode),
		AuthorizationUrl: pulumi.String("https://github.com/login/oauth/authorize"),
		TokenUrl:         pulumi.String("https://github.com/login/oauth/access_token"),
		UserInfoUrl:      pulumi.String("https://api.github.com/user"),
	}, b.inside()...)
}

// metadata is what a provider says of itself.
func (b *builder) metadata(p IdentityProvider) (*sdk.IdentityMetadata, error) {
	args := &sdk.IdentityMetadataArgs{}
	if p.Issuer != "" {
		args.Issuer = pulumi.String(p.Issuer)
	}
	if p.MetadataURL != "" {
		args.MetadataURL = pulumi.String(p.MetadataURL)
	}
	return sdk.NewIdentityMetadata(b.ctx, b.name+"-"+p.Name, args, pulumi.Parent(b.parent))
}

func (b *builder) oidc(p IdentityProvider) (pulumi.Resource, error) {
	m, err := b.metadata(p)
	if err != nil {
		return nil, err
	}
	return oidc.NewIdentityProvider(b.ctx, b.name+"-"+p.Name, &oidc.IdentityProviderArgs{ //nolint:wrapcheck // the caller does
		Realm: b.realm.Realm, Alias: pulumi.String(p.Name), DisplayName: pulumi.String(p.Name),
		ClientId: pulumi.String(p.ClientID), ClientSecret: secret(p.ClientSecret), SyncMode: pulumi.String(syncMode),
		Issuer: m.EntityID, AuthorizationUrl: m.AuthorizationURL, TokenUrl: m.TokenURL, UserInfoUrl: m.UserInfoURL,
		JwksUrl: m.JWKSURL, LogoutUrl: m.LogoutURL, ValidateSignature: pulumi.Bool(true),
		DefaultScopes: pulumi.String("openid profile email"),
		ExtraConfig:   pulumi.Map{"pkceEnabled": pulumi.String("true"), "pkceMethod": pulumi.String("S256")},
	}, b.inside()...)
}

func (b *builder) saml(p IdentityProvider) (pulumi.Resource, error) {
	m, err := b.metadata(p)
	if err != nil {
		return nil, err
	}
	yes := pulumi.Bool(true)
	return saml.NewIdentityProvider(b.ctx, b.name+"-"+p.Name, &saml.IdentityProviderArgs{ //nolint:wrapcheck // the caller does
		Realm: b.realm.Realm, Alias: pulumi.String(p.Name), DisplayName: pulumi.String(p.Name), SyncMode: pulumi.String(syncMode),
		EntityId: pulumi.String(b.args.ServerURL + "/realms/" + b.args.Realm), SingleSignOnServiceUrl: m.SignOnURL,
		SingleLogoutServiceUrl: m.SignOutURL, SigningCertificate: m.Certificate, ValidateSignature: yes,
		WantAssertionsSigned: yes, PostBindingResponse: yes, PostBindingAuthnRequest: yes, PostBindingLogout: yes,
		NameIdPolicyFormat: pulumi.String("Persistent"), PrincipalType: pulumi.String("SUBJECT"),
		ExtraConfig: pulumi.Map{"idpEntityId": m.EntityID},
	}, b.inside()...)
}
