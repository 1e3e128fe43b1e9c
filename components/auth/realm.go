package auth

import (
	"fmt"
	"slices"

	"github.com/pulumi/pulumi-keycloak/sdk/v5/go/keycloak"
	"github.com/pulumi/pulumi-keycloak/sdk/v5/go/keycloak/openid"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"plattr.dev/plattr/internal/providers/plattr/sdk"
)

// passwordPolicy is Keycloak's language for rules: long rather than complicated (NIST SP 800-63B, 3.1.1.2).
const passwordPolicy = "length(12) and notUsername(undefined) and notEmail(undefined)"

// defaultScopes are what a token of the client says without being asked: who (basic), from where (web-origins), with which
// roles, and the person's name and address.
func defaultScopes() []string {
	return []string{"acr", "basic", "email", "profile", "roles", "web-origins"}
}

// builder registers the parts, in the order of build.
type builder struct {
	ctx    *pulumi.Context
	name   string
	args   *Args
	parent pulumi.Resource

	realm        *keycloak.Realm
	client       *openid.Client
	demoPassword pulumi.StringOutput
	parts        []pulumi.Resource // all that the outputs wait for
}

func (b *builder) build() error {
	for _, step := range []func() error{b.addRealm, b.addClient, b.addScopes, b.addMappers, b.addProviders, b.addDemoUser} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// inside are the options of what is in the realm, which takes it along when it goes.
func (b *builder) inside() []pulumi.ResourceOption {
	return []pulumi.ResourceOption{pulumi.Parent(b.parent), pulumi.DeletedWith(b.realm)}
}

func (b *builder) mark() pulumi.Map {
	return pulumi.Map{OwnerAttribute: pulumi.String(b.ctx.Project() + "/" + b.ctx.Stack())}
}

// addRealm makes a realm in which nobody can register by themselves, guessing is slowed down and sessions end.
func (b *builder) addRealm() (err error) {
	yes, no := pulumi.Bool(true), pulumi.Bool(false)
	b.realm, err = keycloak.NewRealm(b.ctx, b.name, &keycloak.RealmArgs{
		Realm: pulumi.String(b.args.Realm), Enabled: yes, DisplayName: pulumi.String(b.args.DisplayName), Attributes: b.mark(),
		RegistrationAllowed: no, LoginWithEmailAllowed: yes, DuplicateEmailsAllowed: no, RememberMe: yes,
		ResetPasswordAllowed: no, VerifyEmail: no, EditUsernameAllowed: no, SslRequired: pulumi.String("external"),
		PasswordPolicy: pulumi.String(passwordPolicy), DefaultSignatureAlgorithm: pulumi.String("RS256"),
		AccessTokenLifespan: pulumi.String("5m0s"), AccessCodeLifespan: pulumi.String("1m0s"),
		AccessCodeLifespanLogin: pulumi.String("30m0s"), AccessCodeLifespanUserAction: pulumi.String("5m0s"),
		SsoSessionIdleTimeout: pulumi.String("30m0s"), SsoSessionMaxLifespan: pulumi.String("10h0m0s"),
		// A refresh token that lies in a browser is good once: a stolen one is noticed.
		RevokeRefreshToken: pulumi.Bool(b.args.Public), RefreshTokenMaxReuse: pulumi.Int(0),
		SecurityDefenses: &keycloak.RealmSecurityDefensesArgs{
			BruteForceDetection: &keycloak.RealmSecurityDefensesBruteForceDetectionArgs{
				PermanentLockout: no, MaxLoginFailures: pulumi.Int(10), WaitIncrementSeconds: pulumi.Int(60),
				MaxFailureWaitSeconds: pulumi.Int(900), FailureResetTimeSeconds: pulumi.Int(43200),
				QuickLoginCheckMilliSeconds: pulumi.Int(1000), MinimumQuickLoginWaitSeconds: pulumi.Int(60),
			},
		},
	}, pulumi.Parent(b.parent))
	if err != nil {
		return fmt.Errorf("realm: %w", err)
	}
	return nil
}

// addClient makes the application's client: the authorization code flow with PKCE, and addresses without wildcards, which
// Keycloak 26.6 refuses in hosts anyway.
func (b *builder) addClient() (err error) {
	a := b.args
	access := "CONFIDENTIAL"
	if a.Public {
		access = "PUBLIC"
	}
	redirects, ends, origins := pulumi.StringArray{}, pulumi.StringArray{}, pulumi.StringArray{}
	for _, at := range append([]string{a.AppURL}, a.AlsoAt...) {
		for _, path := range slices.Sorted(slices.Values(a.RedirectPaths)) {
			redirects = append(redirects, pulumi.String(at+path))
		}
		ends = append(ends, pulumi.String(at), pulumi.String(at+"/"))
		origins = append(origins, pulumi.String(at))
	}
	yes, no := pulumi.Bool(true), pulumi.Bool(false)
	b.client, err = openid.NewClient(b.ctx, b.name, &openid.ClientArgs{
		RealmId: b.realm.Realm, ClientId: pulumi.String(a.ClientID), Name: pulumi.String(a.DisplayName), Enabled: yes,
		AccessType: pulumi.String(access), StandardFlowEnabled: yes, ImplicitFlowEnabled: no, ServiceAccountsEnabled: no,
		DirectAccessGrantsEnabled: pulumi.Bool(a.DirectGrants), PkceCodeChallengeMethod: pulumi.String("S256"),
		ConsentRequired: no, FullScopeAllowed: yes, RootUrl: pulumi.String(a.AppURL), BaseUrl: pulumi.String("/"),
		ValidRedirectUris:           redirects,
		ValidPostLogoutRedirectUris: ends,
		WebOrigins:                  origins,
		ExtraConfig:                 b.mark(),
	}, append(b.inside(), pulumi.AdditionalSecretOutputs([]string{"clientSecret"}))...)
	if err != nil {
		return fmt.Errorf("client: %w", err)
	}
	b.parts = append(b.parts, b.client)
	return nil
}

func (b *builder) addScopes() error {
	scopes, err := openid.NewClientDefaultScopes(b.ctx, b.name, &openid.ClientDefaultScopesArgs{
		RealmId: b.realm.Realm, ClientId: b.client.ID(), DefaultScopes: pulumi.ToStringArray(defaultScopes()),
	}, b.inside()...)
	if err != nil {
		return fmt.Errorf("default scopes: %w", err)
	}
	b.parts = append(b.parts, scopes)
	return nil
}

// addMappers puts the client into the audience of its tokens, and the database role into a claim: a fixed value, never
// something that a user can set.
func (b *builder) addMappers() error {
	audience, err := openid.NewAudienceProtocolMapper(b.ctx, b.name, &openid.AudienceProtocolMapperArgs{
		RealmId: b.realm.Realm, ClientId: b.client.ID(), Name: pulumi.String("audience"),
		IncludedClientAudience: b.client.ClientId, AddToIdToken: pulumi.Bool(false), AddToAccessToken: pulumi.Bool(true),
	}, b.inside()...)
	if err != nil {
		return fmt.Errorf("audience: %w", err)
	}
	b.parts = append(b.parts, audience)
	if b.args.RestRole == "" {
		return nil
	}
	role, err := openid.NewHardcodedClaimProtocolMapper(b.ctx, b.name+"-role", &openid.HardcodedClaimProtocolMapperArgs{
		RealmId: b.realm.Realm, ClientId: b.client.ID(), Name: pulumi.String("database-role"),
		ClaimName: pulumi.String(RoleClaim), ClaimValue: pulumi.String(b.args.RestRole), ClaimValueType: pulumi.String("String"),
		AddToIdToken: pulumi.Bool(false), AddToAccessToken: pulumi.Bool(true), AddToUserinfo: pulumi.Bool(false),
	}, b.inside()...)
	if err != nil {
		return fmt.Errorf("claim of the database role: %w", err)
	}
	b.parts = append(b.parts, role)
	return nil
}

// addDemoUser makes a user with everything that the realm wants to know of one, so that the first sign-in asks nothing.
func (b *builder) addDemoUser() error {
	b.demoPassword = pulumi.String("").ToStringOutput()
	if b.args.DemoUser == "" {
		return nil
	}
	password, err := sdk.NewSecret(b.ctx, b.name+"-demo-password", &sdk.SecretArgs{Length: pulumi.Int(16)}, pulumi.Parent(b.parent))
	if err != nil {
		return err
	}
	user, err := keycloak.NewUser(b.ctx, b.name+"-demo", &keycloak.UserArgs{
		RealmId: b.realm.Realm, Username: pulumi.String(b.args.DemoUser), Enabled: pulumi.Bool(true),
		Email: pulumi.String(b.args.DemoUser + "@example.com"), EmailVerified: pulumi.Bool(true),
		FirstName: pulumi.String("Demo"), LastName: pulumi.String("User"),
		InitialPassword: &keycloak.UserInitialPasswordArgs{Value: password.Value, Temporary: pulumi.Bool(false)},
	}, b.inside()...)
	if err != nil {
		return fmt.Errorf("demo user: %w", err)
	}
	b.parts = append(b.parts, user)
	b.demoPassword = password.Value
	return nil
}

// outputs are known when all parts are there: whoever uses one can sign in.
func (b *builder) outputs(a *Auth) {
	ready := make([]any, 0, len(b.parts)+1)
	ready = append(ready, b.realm.Realm)
	for _, p := range b.parts {
		ready = append(ready, p.URN())
	}
	done := pulumi.All(ready...)
	under := func(server string) pulumi.StringOutput {
		return done.ApplyT(func(v []any) string { return server + "/realms/" + v[0].(string) }).(pulumi.StringOutput)
	}
	internal := b.args.InternalURL
	if internal == "" {
		internal = b.args.ServerURL
	}
	a.IssuerURL, a.InternalURL = under(b.args.ServerURL), under(internal)
	a.Realm, a.ClientID, a.DemoPassword = b.realm.Realm, b.client.ClientId, b.demoPassword
	a.ClientSecret = pulumi.String("").ToStringOutput()
	if !b.args.Public {
		a.ClientSecret = pulumi.ToSecret(b.client.ClientSecret).(pulumi.StringOutput)
	}
}
