package auth_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"plattr.dev/plattr/components/auth"
	"plattr.dev/plattr/internal/providers/keycloak"
	"plattr.dev/plattr/internal/providers/keycloak/admin"
	"plattr.dev/plattr/internal/providers/plattr"
	"plattr.dev/plattr/internal/testutil"
)

const appURL = "http://localhost:3000"

// app is an application's sign-in on the shared test server.
type app struct {
	t         testing.TB
	server    *testutil.KeycloakServer
	args      auth.Args
	providers map[string]*testutil.Provider
	applied   *testutil.Applied

	issuer, secret, demoPassword string
}

// newApp describes an application with a realm of its own, as on the laptop.
func newApp(t testing.TB) *app {
	t.Helper()
	k := testutil.Keycloak(t)
	realm := testutil.Unique("shop")
	return &app{t: t, server: k, args: auth.Args{
		ServerURL: k.URL, Realm: realm, DisplayName: "Shop", ClientID: "shop", AppURL: appURL,
		RedirectPaths: []string{"/auth/callback"}, RestRole: "shop_user", DirectGrants: true, DemoUser: "demo",
	}, providers: map[string]*testutil.Provider{
		"keycloak": testutil.NewProvider(t, keycloak.New(), realm, map[string]any{
			"url": k.URL, "clientId": k.AdminClient, "clientSecret": k.AdminSecret, "clientTimeout": 60,
		}),
		"plattr": testutil.NewProvider(t, plattr.New(), realm, map[string]any{}),
	}}
}

// apply makes the realm, or brings it up to changed arguments.
func (a *app) apply() *app {
	a.t.Helper()
	applied, err := testutil.Apply(a.t, a.args.Realm, a.providers, func(ctx *pulumi.Context) error {
		c, err := auth.New(ctx, "shop", &a.args)
		if err != nil {
			return err
		}
		pulumi.All(c.IssuerURL, c.ClientSecret, c.DemoPassword).ApplyT(func(v []any) error {
			a.issuer, a.secret, a.demoPassword = v[0].(string), v[1].(string), v[2].(string)
			return nil
		})
		return nil
	})
	if err != nil {
		a.t.Fatalf("apply: %v", err)
	}
	if a.applied == nil {
		a.t.Cleanup(func() { a.applied.Destroy(a.t) })
	}
	a.applied = applied
	return a
}

// signIn is the demo user's way into the application.
func (a *app) signIn() testutil.SignIn {
	return testutil.SignIn{
		Issuer: a.issuer, ClientID: a.args.ClientID, ClientSecret: a.secret, RedirectURI: a.args.AppURL + a.args.RedirectPaths[0],
		User: "demo", Password: a.demoPassword,
	}
}

// claims are what a token says.
func claims(t testing.TB, token string) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	raw, err := base64.RawURLEncoding.DecodeString(parts[min(1, len(parts)-1)])
	out := map[string]any{}
	if err == nil {
		err = json.Unmarshal(raw, &out)
	}
	if err != nil {
		t.Fatalf("token: %v", err)
	}
	return out
}

func mustSignIn(t testing.TB, s testutil.SignIn) map[string]any {
	t.Helper()
	token, err := s.AccessToken(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return claims(t, token)
}

// TestSignIn signs in through the login page, and holds what the token says: who, for whom, and as which database role.
func TestSignIn(t *testing.T) {
	t.Parallel()
	a := newApp(t).apply()
	got := mustSignIn(t, a.signIn())
	if got["iss"] != a.issuer || got["role"] != "shop_user" || got["preferred_username"] != "demo" || got["email"] != "demo@example.com" {
		t.Errorf("claims %v", got)
	}
	if sub, ok := got["sub"].(string); !ok || sub == "" {
		t.Errorf("the token says not who: %v", got)
	}
	// account is Keycloak's own client, in the audience because the demo user has its roles.
	if aud := audience(got); !slices.Contains(aud, "shop") {
		t.Errorf("audience %v", aud)
	}
	a.apply() // adopts what is there
	if drift := a.applied.Drift(t); len(drift) > 0 {
		t.Errorf("drift at once: %v", drift)
	}
	mustSignIn(t, a.signIn())
}

func audience(claims map[string]any) []string {
	switch aud := claims["aud"].(type) {
	case string:
		return []string{aud}
	case []any:
		var out []string
		for _, a := range aud {
			out = append(out, a.(string))
		}
		return out
	default:
		return nil
	}
}

// TestRefusals holds what a client must not be able to do.
func TestRefusals(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	a.args.DirectGrants = false
	a.apply()
	for name, tc := range map[string]struct{ key, value string }{
		"WithoutPKCE":   {"code_challenge", ""},
		"PlainPKCE":     {"code_challenge_method", "plain"},
		"OtherRedirect": {"redirect_uri", "https://attacker.example/auth/callback"},
		"LongerPath":    {"redirect_uri", appURL + "/auth/callback/../../x"},
		"ImplicitFlow":  {"response_type", "token"},
	} {
		query := authorization()
		query.Set(tc.key, tc.value)
		if tc.value == "" {
			query.Del(tc.key)
		}
		if status, where := authorize(t, a, query); status == http.StatusOK {
			t.Errorf("%s: the login page is shown (%s)", name, where)
		}
	}
	if status, where := authorize(t, a, authorization()); status != http.StatusOK {
		t.Errorf("the right request is answered %d, %s", status, where)
	}
	res, err := http.PostForm(a.issuer+"/protocol/openid-connect/token", url.Values{
		"grant_type": {"password"}, "client_id": {"shop"}, "client_secret": {a.secret}, "username": {"demo"}, "password": {a.demoPassword},
	})
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode/100 == 2 {
		t.Error("a password is exchanged for a token though direct grants are off")
	}
}

// authorization is a request as an application sends a browser to sign in with (RFC 6749, 4.1.1, and 7636, 4.3).
func authorization() url.Values {
	return url.Values{
		"response_type": {"code"}, "client_id": {"shop"}, "redirect_uri": {appURL + "/auth/callback"}, "scope": {"openid"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(make([]byte, 32))}, "code_challenge_method": {"S256"},
	}
}

// authorize asks for the login page without following where it leads.
func authorize(t testing.TB, a *app, query url.Values) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, a.issuer+"/protocol/openid-connect/auth?"+query.Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	return res.StatusCode, res.Header.Get("Location")
}

// TestPublicClient signs in to an application that runs in the browser: no secret, but PKCE.
func TestPublicClient(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	a.args.Public, a.args.RestRole, a.args.DirectGrants = true, "", false
	a.apply()
	if a.secret != "" {
		t.Error("a public client has a secret")
	}
	got := mustSignIn(t, a.signIn())
	if _, has := got["role"]; has {
		t.Errorf("without a REST API the token names the role %v", got["role"])
	}
}

// TestIdentityProviders signs people in whose account is elsewhere: with OpenID Connect and with SAML, in another realm
// that knows nothing of plattr. Google and GitHub cannot be reached by a test; that they are asked is held.
func TestIdentityProviders(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	company := newCompany(t, a)
	a.args.Providers = []auth.IdentityProvider{
		{Name: "google", Kind: auth.Google, ClientID: "google-id", ClientSecret: "google-secret"},
		{Name: "github", Kind: auth.GitHub, ClientID: "github-id", ClientSecret: "github-secret"},
		{Name: "company", Kind: auth.OIDC, Issuer: company.issuer, ClientID: "shop", ClientSecret: "the-company-gave-this"},
		{Name: "school", Kind: auth.SAML, MetadataURL: company.issuer + "/protocol/saml/descriptor"},
	}
	a.apply()
	if drift := a.applied.Drift(t); len(drift) > 0 {
		t.Errorf("drift at once: %v", drift)
	}
	for provider, user := range map[string]string{"company": "ümit", "school": "zoë"} {
		s := a.signIn()
		s.Provider, s.User, s.Password = provider, user, company.password
		s.Profile = url.Values{"username": {user}, "email": {provider + "@example.com"}, "firstName": {"Zoë"}, "lastName": {"Łukasiewicz"}}
		got := mustSignIn(t, s)
		if got["iss"] != a.issuer || got["role"] != "shop_user" || got["preferred_username"] != user {
			t.Errorf("%s: claims %v", provider, got)
		}
	}
	for provider, host := range map[string]string{"google": "accounts.google.com", "github": "github.com"} {
		if got := leadsTo(t, a, provider); got.Host != host || got.Query().Get("client_id") != provider+"-id" {
			t.Errorf("%s leads to %s", provider, got.Redacted())
		}
	}
	a.args.Providers = a.args.Providers[:1]
	a.applied.Destroy(t) // without an engine nothing else would take the others away
	a.apply()
}

// company is an organisation with people in a realm of its own, that signs them in with OpenID Connect and SAML.
type company struct{ issuer, password string }

func newCompany(t testing.TB, a *app) company {
	t.Helper()
	k := a.server
	c, err := admin.New(admin.Config{URL: k.URL, Realm: "master", ClientID: k.AdminClient, ClientSecret: k.AdminSecret})
	if err != nil {
		t.Fatal(err)
	}
	realm := testutil.Unique("company")
	broker := k.URL + "/realms/" + a.args.Realm + "/broker/"
	out := company{issuer: k.URL + "/realms/" + realm, password: "their own password"}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(c.CreateRealm(t.Context(), realm, admin.Object{"realm": realm, "enabled": true}))
	t.Cleanup(func() { _ = c.DeleteRealm(t.Context(), realm); c.Close() })
	must(c.CreateClient(t.Context(), realm, admin.Object{
		"clientId": "shop", "secret": "the-company-gave-this", "redirectUris": []string{broker + "company/endpoint"},
		"attributes": admin.Object{"pkce.code.challenge.method": "S256"},
	}))
	must(c.CreateClient(t.Context(), realm, admin.Object{
		"clientId": k.URL + "/realms/" + a.args.Realm, "protocol": "saml", "redirectUris": []string{broker + "school/endpoint"},
		"frontchannelLogout": true,
		"attributes": admin.Object{
			"saml.authnstatement": "true", "saml.server.signature": "true", "saml.assertion.signature": "true",
			"saml.client.signature": "false", "saml.force.post.binding": "true", "saml_name_id_format": "username",
			"saml_force_name_id_format": "true",
		},
	}))
	for _, name := range []string{"ümit", "zoë"} {
		must(c.CreateUser(t.Context(), realm, admin.Object{
			"username": name, "enabled": true, "email": string([]rune(name)[1:]) + "@company.example", "firstName": "Ümit", "lastName": "Łukasiewicz",
			"emailVerified": true, "credentials": []admin.Object{admin.Password(out.password, false)},
		}))
	}
	return out
}

// leadsTo is the first page of another server that a browser comes to which asks for an identity provider.
func leadsTo(t testing.TB, a *app, provider string) *url.URL {
	t.Helper()
	query := authorization()
	query.Set("kc_idp_hint", provider)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: jar, CheckRedirect: func(req *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(req.URL.String(), a.server.URL) {
			return nil
		}
		return http.ErrUseLastResponse
	}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, a.issuer+"/protocol/openid-connect/auth?"+query.Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	where, err := res.Location()
	if err != nil {
		t.Fatalf("%s leads nowhere: %v", provider, err)
	}
	return where
}
