package keycloak

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
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
	t.Cleanup(func() { newPerson(t, k).send(http.MethodDelete, name, nil) })
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

// person is who works with the admin API by hand: the eyes of the tests, and the hands that change things.
type person struct {
	t     testing.TB
	k     *testutil.KeycloakServer
	token string
}

func newPerson(t testing.TB, k *testutil.KeycloakServer) *person {
	t.Helper()
	p := &person{t: t, k: k}
	p.logInAgain()
	return p
}

func (p *person) logInAgain() {
	p.t.Helper()
	_, answer := p.form("master", url.Values{
		"grant_type": {"password"}, "client_id": {"admin-cli"}, "username": {p.k.Admin}, "password": {p.k.AdminPassword},
	})
	p.token, _ = answer["access_token"].(string)
}

// form posts to a realm's token endpoint.
func (p *person) form(realm string, form url.Values) (int, props) {
	p.t.Helper()
	return p.do(http.MethodPost, p.k.URL+"/realms/"+url.PathEscape(realm)+"/protocol/openid-connect/token",
		"application/x-www-form-urlencoded", []byte(form.Encode()))
}

// logIn says whether a user gets a token by a public client with direct access.
func (p *person) logIn(realm, client, user, password string) bool {
	p.t.Helper()
	status, _ := p.form(realm, url.Values{
		"grant_type": {"password"}, "client_id": {client}, "username": {user}, "password": {password},
	})
	return status == http.StatusOK
}

// send calls the admin API below /admin/realms and returns the status and the answer; a list is under "list".
func (p *person) send(method, path string, body any) (int, props) {
	p.t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		p.t.Fatal(err)
	}
	if body == nil {
		raw = nil
	}
	status, out := p.do(method, p.k.URL+"/admin/realms/"+path, "application/json", raw)
	if status == http.StatusUnauthorized { // a token lasts a minute, a test on a busy machine may last longer
		p.logInAgain()
		return p.do(method, p.k.URL+"/admin/realms/"+path, "application/json", raw)
	}
	return status, out
}

func (p *person) do(method, address, contentType string, body []byte) (int, props) {
	p.t.Helper()
	req, err := http.NewRequestWithContext(context.WithoutCancel(p.t.Context()), method, address, bytes.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("Authorization", "Bearer "+p.token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Logf("%s %s: %v", method, address, err) // a server that was killed for good, at the end of a test
		return 0, nil
	}
	defer res.Body.Close()
	raw, _ := io.ReadAll(res.Body)
	var answer any
	_ = json.Unmarshal(raw, &answer)
	if list, ok := answer.([]any); ok {
		return res.StatusCode, props{"list": list}
	}
	out, _ := answer.(props)
	return res.StatusCode, out
}

// get is what is there now.
func (p *person) get(path string) props {
	p.t.Helper()
	status, out := p.send(http.MethodGet, path, nil)
	if status != http.StatusOK {
		p.t.Fatalf("GET %s: %d %v", path, status, out)
	}
	return out
}

// edit changes what is at a path, as the console does.
func (p *person) edit(path string, change func(o props)) {
	p.t.Helper()
	o := p.get(path)
	change(o)
	p.must(http.MethodPut, path, o)
}

func (p *person) must(method, path string, body any) props {
	p.t.Helper()
	status, out := p.send(method, path, body)
	if status >= http.StatusMultipleChoices {
		p.t.Fatalf("%s %s: %d %v", method, path, status, out)
	}
	return out
}

// count is the number of things in a list that have a value under a key.
func (p *person) count(path, key, value string) int {
	p.t.Helper()
	n := 0
	for _, e := range p.get(path)["list"].([]any) {
		if e.(props)[key] == value {
			n++
		}
	}
	return n
}

// sub is an object within a representation.
func sub(o props, key string) props {
	if inner, ok := o[key].(props); ok {
		return inner
	}
	o[key] = props{}
	return o[key].(props)
}
