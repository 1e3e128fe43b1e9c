package keycloak

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"plattr.dev/plattr/internal/testutil"
)

// Tokens of the served types.
const (
	realmToken   = "keycloak:index/realm:Realm"
	clientToken  = "keycloak:openid/client:Client"
	scopeToken   = "keycloak:openid/clientScope:ClientScope"
	scopesToken  = "keycloak:openid/clientDefaultScopes:ClientDefaultScopes"
	claimToken   = "keycloak:openid/hardcodedClaimProtocolMapper:HardcodedClaimProtocolMapper"
	audToken     = "keycloak:openid/audienceProtocolMapper:AudienceProtocolMapper"
	roleToken    = "keycloak:index/role:Role"
	userToken    = "keycloak:index/user:User"
	oidcToken    = "keycloak:oidc/identityProvider:IdentityProvider"
	googleToken  = "keycloak:oidc/googleIdentityProvider:GoogleIdentityProvider"
	samlToken    = "keycloak:saml/identityProvider:IdentityProvider"
	byAPerson    = "was made by a person"
	ofTheirStack = "belongs to another stack (plattr/theirs)"
)

type props = map[string]any

// settings are the provider's inputs, as the SDK sends them: all but strings as JSON inside strings.
func settings(k *testutil.KeycloakServer) props {
	return props{
		"url": k.URL, "clientId": k.AdminClient, "clientSecret": k.AdminSecret, "clientTimeout": "30",
		"initialLogin": "false", "tlsInsecureSkipVerify": "false",
	}
}

func newProvider(t testing.TB, k *testutil.KeycloakServer, stack string) *testutil.Provider {
	t.Helper()
	return testutil.NewProvider(t, New(), stack, settings(k))
}

// merged is a with the changes of b; nil removes.
func merged(a, b props) props {
	out := maps.Clone(a)
	for k, v := range b {
		if out[k] = v; v == nil {
			delete(out, k)
		}
	}
	return out
}

// newRealm makes a realm of the test's own and deletes it at the end, whatever became of it.
func newRealm(t testing.TB, k *testutil.KeycloakServer, p *testutil.Provider) string {
	t.Helper()
	name := testutil.Unique("realm")
	p.MustCreate(t, realmToken, props{"realm": name})
	dropRealm(t, k, name)
	return name
}

func dropRealm(t testing.TB, k *testutil.KeycloakServer, name string) {
	t.Helper()
	t.Cleanup(func() { newPerson(t, k).Send(http.MethodDelete, name, nil) })
}

func newClient(t testing.TB, p *testutil.Provider, realm string) *testutil.Resource {
	t.Helper()
	return p.MustCreate(t, clientToken, props{"realmId": realm, "clientId": testutil.Unique("client"), "accessType": "CONFIDENTIAL"})
}

func remove(t testing.TB, r *testutil.Resource) {
	t.Helper()
	if err := r.Delete(); err != nil {
		t.Fatalf("delete %s: %v", r.URN.Type(), err)
	}
}

func change(t testing.TB, r *testutil.Resource, in props) {
	t.Helper()
	if err := r.Update(in); err != nil {
		t.Fatalf("update %s: %v", r.URN.Type(), err)
	}
}

// same fails unless a refresh and a diff to in find just the differences that are wanted.
func same(t testing.TB, r *testutil.Resource, in props, want ...string) {
	t.Helper()
	if !r.Refresh() {
		t.Fatalf("%s is gone", r.URN.Type())
	}
	if got := r.Diff(in); !slices.Equal(got, want) {
		t.Errorf("after a refresh %q differ, want %q\ninputs  %v\noutputs %v", got, want, r.Inputs, r.Outputs)
	}
}

// wantErr checks an error's text for fragments; none means success.
func wantErr(t testing.TB, err error, fragments ...string) {
	t.Helper()
	if len(fragments) == 0 || fragments[0] == "" {
		if err != nil {
			t.Fatalf("unexpected error: %v", err)
		}
		return
	}
	if err == nil {
		t.Fatalf("no error, want one with %q", fragments)
	}
	for _, f := range fragments {
		if !strings.Contains(err.Error(), f) {
			t.Errorf("error %q lacks %q", err, f)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("error %q has more than one line", err)
	}
	if strings.Contains(err.Error(), "planted") {
		t.Errorf("error %q has a secret of the test in it", err)
	}
}

// newPerson is who works with the admin API by hand: the eyes of the tests, and the hands that change things.
func newPerson(t testing.TB, k *testutil.KeycloakServer) *testutil.Console {
	t.Helper()
	return testutil.NewConsole(t, k.URL, k.Admin, k.AdminPassword)
}

// sub is an object within a representation.
func sub(o props, key string) props {
	if inner, ok := o[key].(props); ok {
		return inner
	}
	o[key] = props{}
	return o[key].(props)
}
