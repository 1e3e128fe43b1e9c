package keycloak

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"plattr.dev/plattr/internal/testutil"
)

func TestClientSecret(t *testing.T) {
	t.Parallel()
	k := testutil.Keycloak(t)
	p, hand := newProvider(t, k, "mine"), newPerson(t, k)
	realm := newRealm(t, k, p)
	in := props{"realmId": realm, "clientId": "shop", "accessType": "CONFIDENTIAL", "serviceAccountsEnabled": true}
	client := p.MustCreate(t, clientToken, in)
	secret, _ := client.Output("clientSecret").(string)
	if len(secret) < 20 || !client.Outputs["clientSecret"].IsSecret() {
		t.Errorf("the secret %q that Keycloak made is not read back as one", secret)
	}
	change(t, client, merged(in, props{"description": "x"}))
	if client.Output("clientSecret") != secret {
		t.Error("a change of something else made a new secret")
	}
	same(t, client, in, "description")
	withSecret := merged(in, props{"clientSecret": "planted-secret"})
	change(t, client, withSecret)
	same(t, client, withSecret)
	status, _ := hand.Form(realm, url.Values{
		"grant_type": {"client_credentials"}, "client_id": {"shop"}, "client_secret": {"planted-secret"},
	})
	if status != http.StatusOK || !client.Outputs["clientSecret"].IsSecret() {
		t.Errorf("log in with the new secret: %d; secret in the state: %t", status, client.Outputs["clientSecret"].IsSecret())
	}
	if id, _ := client.Output("serviceAccountUserId").(string); id == "" || client.Output("resourceServerId") != "" {
		t.Errorf("service account %q, resource server %v", id, client.Output("resourceServerId"))
	}
	public := props{"realmId": realm, "clientId": "shop", "accessType": "PUBLIC"}
	change(t, client, public)
	same(t, client, public)
	if client.Output("clientSecret") != nil || client.Output("serviceAccountUserId") != "" {
		t.Errorf("a public client has the secret %v and the account %v", client.Output("clientSecret"), client.Output("serviceAccountUserId"))
	}
	bearer := props{"realmId": realm, "clientId": "api", "accessType": "BEARER-ONLY"}
	same(t, p.MustCreate(t, clientToken, bearer), bearer)
}

// TestRootURL holds that Keycloak's derived addresses do not slip in.
func TestRootURL(t *testing.T) {
	t.Parallel()
	k := testutil.Keycloak(t)
	p, hand := newProvider(t, k, "mine"), newPerson(t, k)
	realm := newRealm(t, k, p)
	in := props{"realmId": realm, "clientId": "shop", "accessType": "PUBLIC", "rootUrl": "https://shop.example.org"}
	client := p.MustCreate(t, clientToken, in)
	same(t, client, in)
	o := hand.Get(realm + "/clients/" + string(client.ID))
	if len(o["redirectUris"].([]any)) != 0 || len(o["webOrigins"].([]any)) != 0 || o["adminUrl"] == "https://shop.example.org" {
		t.Errorf("redirects %v, origins %v, admin URL %v", o["redirectUris"], o["webOrigins"], o["adminUrl"])
	}
}

// TestClientUpdateLeavesMappers holds that a change of a client does not undo what other resources do to it at the time.
func TestClientUpdateLeavesMappers(t *testing.T) {
	t.Parallel()
	k := testutil.Keycloak(t)
	p, hand := newProvider(t, k, "mine"), newPerson(t, k)
	realm := newRealm(t, k, p)
	client := newClient(t, p, realm)
	path := realm + "/clients/" + string(client.ID)
	names := make(chan string)
	go func() {
		defer close(names)
		for range 10 {
			name := testutil.Unique("mapper")
			if _, err := p.Create(t, claimToken, props{
				"realmId": realm, "clientId": string(client.ID), "name": name, "claimName": "a", "claimValue": "b",
			}); err != nil {
				t.Error(err)
				return
			}
			names <- name
		}
	}()
	var made []string
	for name := range names {
		made = append(made, name)
		change(t, client, props{
			"realmId": realm, "clientId": client.Output("clientId"), "accessType": "CONFIDENTIAL", "description": name,
		})
	}
	for _, name := range made {
		if hand.Count(path+"/protocol-mappers/models", "name", name) != 1 {
			t.Errorf("mapper %s is gone", name)
		}
	}
}

// TestToken holds that what the mappers are for is in a token, and that the scopes decide about the rest.
func TestToken(t *testing.T) {
	t.Parallel()
	k := testutil.Keycloak(t)
	p, hand := newProvider(t, k, "mine"), newPerson(t, k)
	realm := newRealm(t, k, p)
	client := p.MustCreate(t, clientToken, props{
		"realmId": realm, "clientId": "shop", "accessType": "CONFIDENTIAL", "clientSecret": "planted", "serviceAccountsEnabled": true,
	})
	on := props{"realmId": realm, "clientId": string(client.ID)}
	p.MustCreate(t, claimToken, merged(on, props{"name": "claim", "claimName": "role", "claimValue": "shop_user"}))
	p.MustCreate(t, audToken, merged(on, props{"name": "audience", "includedCustomAudience": "https://api.example.org"}))
	p.MustCreate(t, scopesToken, merged(on, props{"defaultScopes": []any{"basic"}}))
	_, answer := hand.Form(realm, url.Values{
		"grant_type": {"client_credentials"}, "client_id": {"shop"}, "client_secret": {"planted"},
	})
	token, _ := answer["access_token"].(string)
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("no token: %v", answer)
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var claims props
	if err := json.Unmarshal(raw, &claims); err != nil {
		t.Fatal(err)
	}
	if claims["role"] != "shop_user" || claims["aud"] != "https://api.example.org" || claims["sub"] == nil || claims["email_verified"] != nil {
		t.Errorf("claims are %v", claims)
	}
}

func TestDefaultScopes(t *testing.T) {
	t.Parallel()
	k := testutil.Keycloak(t)
	p, hand := newProvider(t, k, "mine"), newPerson(t, k)
	realm := newRealm(t, k, p)
	client := newClient(t, p, realm)
	path := realm + "/clients/" + string(client.ID)
	ids := map[string]string{}
	for _, e := range hand.Get(realm + "/client-scopes")["list"].([]any) {
		ids[e.(props)["name"].(string)] = e.(props)["id"].(string)
	}
	in := props{"realmId": realm, "clientId": string(client.ID), "defaultScopes": []any{"profile", "email", "basic", "phone"}}
	scopes := p.MustCreate(t, scopesToken, in) // phone is one of the optional ones before
	if string(scopes.ID) != realm+"/"+string(client.ID) {
		t.Errorf("ID is %q", scopes.ID)
	}
	same(t, scopes, in)
	same(t, p.MustCreate(t, scopesToken, in), in)
	imported := *scopes
	imported.Inputs, imported.Outputs = nil, nil
	same(t, &imported, in)

	hand.Must(http.MethodDelete, path+"/default-client-scopes/"+ids["email"], nil)
	same(t, scopes, in, "defaultScopes")
	hand.Must(http.MethodPut, path+"/default-client-scopes/"+ids["roles"], nil)
	change(t, scopes, in)
	same(t, scopes, in)
	hand.Must(http.MethodPut, path+"/default-client-scopes/"+ids["roles"], nil)
	same(t, scopes, in, "defaultScopes")
	change(t, scopes, in)

	// Keycloak gives a client with a service account a scope of its own, again and again.
	service := props{"realmId": realm, "clientId": client.Output("clientId"), "accessType": "CONFIDENTIAL", "serviceAccountsEnabled": true}
	change(t, client, service)
	same(t, scopes, in)
	none := merged(in, props{"defaultScopes": []any{}})
	change(t, scopes, none)
	same(t, scopes, none)
	same(t, client, service)
	_, err := p.Create(t, scopesToken, merged(in, props{"defaultScopes": []any{"nosuch"}}))
	wantErr(t, err, "client scope nosuch does not exist in realm "+realm)
	_, err = p.Create(t, scopesToken, merged(in, props{"clientId": "00000000-0000-0000-0000-000000000000"}))
	wantErr(t, err, "does not exist in realm "+realm)

	change(t, scopes, in)
	_, err = newProvider(t, k, "theirs").Create(t, scopesToken, none)
	wantErr(t, err, "belongs to another stack (plattr/mine)")
	remove(t, scopes)
	if got := hand.Get(path)["defaultClientScopes"].([]any); !slices.Equal(got, []any{"service_account"}) {
		t.Errorf("after delete the client has %v", got)
	}
	change(t, scopes, in)
	remove(t, client)
	if scopes.Refresh() {
		t.Error("scopes outlive their client")
	}
	remove(t, scopes)
}
