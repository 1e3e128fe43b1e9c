package keycloak

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"

	"plattr.dev/plattr/internal/testutil"
)

// TestLogin holds that one token is enough for everybody, that it is renewed in time, and once when it is refused.
func TestLogin(t *testing.T) {
	t.Parallel()
	k := testutil.Keycloak(t)
	realm := newRealm(t, k, newProvider(t, k, "mine"))
	t.Run("Shared", func(t *testing.T) {
		t.Parallel()
		bad := newBadNetwork(t, k, func(*http.Request) fault { return pass })
		p := testutil.NewProvider(t, New(), "mine", bad.through(k))
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				if _, err := p.Create(t, roleToken, props{"realmId": realm, "name": testutil.Unique("role")}); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if n := bad.logins.Load(); n != 1 {
			t.Errorf("20 operations logged in %d times", n)
		}
	})
	t.Run("Refused", func(t *testing.T) {
		t.Parallel()
		bad := newBadNetwork(t, k, once(http.StatusUnauthorized, http.MethodPost))
		p := testutil.NewProvider(t, New(), "mine", bad.through(k))
		p.MustCreate(t, roleToken, props{"realmId": realm, "name": testutil.Unique("role")})
		if n := bad.logins.Load(); n != 2 {
			t.Errorf("logged in %d times, want once more", n)
		}
	})
	t.Run("RefusedAlways", func(t *testing.T) {
		t.Parallel()
		bad := newBadNetwork(t, k, func(*http.Request) fault { return http.StatusUnauthorized })
		p := testutil.NewProvider(t, New(), "mine", bad.through(k))
		_, err := p.Create(t, roleToken, props{"realmId": realm, "name": "x"})
		wantErr(t, err, `look for role "x" in realm`, "answered 401")
		if n := bad.calls.Load(); n != 2 {
			t.Errorf("tried %d times, want 2", n)
		}
	})
	t.Run("Password", func(t *testing.T) {
		t.Parallel()
		p := testutil.NewProvider(t, New(), "mine", props{
			"url": k.URL + "/", "basePath": "/", "clientId": "admin-cli", "username": k.Admin, "password": k.AdminPassword,
		})
		p.MustCreate(t, roleToken, props{"realmId": realm, "name": testutil.Unique("role")})
	})
}

// TestWrongCredentials holds that a refused administrator is one attempt and one clear error, for all operations.
func TestWrongCredentials(t *testing.T) {
	t.Parallel()
	k := testutil.Keycloak(t)
	cases := map[string]struct {
		config props
		want   string
	}{
		"Secret":   {props{"clientSecret": "planted-wrong"}, "refuses the administrator plattr: Invalid client or Invalid client credentials"},
		"Client":   {props{"clientId": "nobody", "clientSecret": "planted-wrong"}, "refuses the administrator nobody: Invalid client"},
		"Password": {props{"clientId": "admin-cli", "clientSecret": nil, "username": "admin", "password": "planted-wrong"}, "refuses the administrator admin: Invalid user credentials"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bad := newBadNetwork(t, k, func(*http.Request) fault { return pass })
			p := testutil.NewProvider(t, New(), "mine", merged(bad.through(k), tc.config))
			var all sync.WaitGroup
			for range 20 {
				all.Go(func() {
					_, err := p.Create(t, realmToken, props{"realm": "never"})
					wantErr(t, err, `read realm "never": Keycloak at `, tc.want)
					var login *LoginError
					if !errors.As(err, &login) || !strings.Contains(login.Hint(), "administrator "+login.Name+", and that it is in realm master") {
						t.Errorf("%T %v is no LoginError with a hint", err, err)
					}
					if strings.Contains(err.Error(), "planted") {
						t.Errorf("a secret is in an error: %v", err)
					}
				})
			}
			all.Wait()
			if n := bad.logins.Load(); n != 1 {
				t.Errorf("tried to log in %d times", n)
			}
		})
	}
	p := testutil.NewProvider(t, New(), "mine", merged(settings(k), props{"realm": "nosuch"}))
	_, err := p.Create(t, realmToken, props{"realm": "never"})
	wantErr(t, err, "log in to Keycloak as plattr", "answered 404: Realm does not exist")
}

// TestForbidden holds that an error names the role that the administrator lacks.
func TestForbidden(t *testing.T) {
	t.Parallel()
	k := testutil.Keycloak(t)
	realm := testutil.Unique("realm")
	dropRealm(t, k, realm)
	newPerson(t, k).Must(http.MethodPost, "", props{
		"realm": realm, "enabled": true, "attributes": props{markKey: "plattr/mine"},
		"clients": []any{
			props{"clientId": "viewer", "secret": "planted", "serviceAccountsEnabled": true, "publicClient": false},
			props{"clientId": "nobody", "secret": "planted", "serviceAccountsEnabled": true, "publicClient": false},
		},
		"users": []any{
			props{
				"username": "service-account-viewer", "enabled": true, "serviceAccountClientId": "viewer",
				"clientRoles": props{"realm-management": []any{"view-realm", "view-clients", "view-users", "view-identity-providers"}},
			},
			props{
				"username": "service-account-nobody", "enabled": true, "serviceAccountClientId": "nobody",
				"clientRoles": props{"realm-management": []any{"query-clients"}},
			},
		},
	})
	cases := map[string]struct {
		client, token string
		in            props
		want          string
	}{
		"Realm":   {"viewer", realmToken, props{"realm": testutil.Unique("realm")}, "create-realm"},
		"Client":  {"viewer", clientToken, props{"realmId": realm, "clientId": "x", "accessType": "PUBLIC"}, "manage-clients"},
		"User":    {"viewer", userToken, props{"realmId": realm, "username": "xyz"}, "manage-users"},
		"Role":    {"viewer", roleToken, props{"realmId": realm, "name": "x"}, "manage-realm"},
		"Visible": {"nobody", userToken, props{"realmId": realm, "username": "xyz"}, "view-realm"},
		"IDP":     {"viewer", googleToken, props{"realm": realm, "clientId": "a", "clientSecret": "b"}, "manage-identity-providers"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := testutil.NewProvider(t, New(), "mine", props{
				"url": k.URL, "realm": realm, "clientId": tc.client, "clientSecret": "planted",
			})
			_, err := p.Create(t, tc.token, tc.in)
			wantErr(t, err, "refuses this to the administrator "+tc.client+", who lacks the role "+tc.want)
		})
	}
}
