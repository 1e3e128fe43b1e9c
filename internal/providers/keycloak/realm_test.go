package keycloak

import (
	"net/http"
	"slices"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"

	"plattr.dev/plattr/internal/testutil"
)

// fullRealm is a realm with all inputs, none of which is what Keycloak takes by itself.
func fullRealm(name string) props {
	return props{
		"realm": name, "internalId": name, "enabled": true, "displayName": "Läden", "displayNameHtml": "<b>Läden</b>",
		"registrationAllowed": true, "registrationEmailAsUsername": true, "editUsernameAllowed": true,
		"resetPasswordAllowed": true, "rememberMe": true, "verifyEmail": true, "loginWithEmailAllowed": true,
		"duplicateEmailsAllowed": false, "userManagedAccess": true, "sslRequired": "none", "loginTheme": "keycloak",
		"accountTheme": "keycloak.v3", "adminTheme": "keycloak.v2", "emailTheme": "keycloak",
		"defaultSignatureAlgorithm": "ES256", "revokeRefreshToken": true, "refreshTokenMaxReuse": 2,
		"accessTokenLifespan": "10m", "accessTokenLifespanForImplicitFlow": "11m", "ssoSessionIdleTimeout": "1h",
		"ssoSessionIdleTimeoutRememberMe": "2h", "ssoSessionMaxLifespan": "12h", "ssoSessionMaxLifespanRememberMe": "24h",
		"offlineSessionIdleTimeout": "240h", "offlineSessionMaxLifespan": "480h", "offlineSessionMaxLifespanEnabled": true,
		"clientSessionIdleTimeout": "30m", "clientSessionMaxLifespan": "5h", "accessCodeLifespan": "2m",
		"accessCodeLifespanLogin": "40m", "accessCodeLifespanUserAction": "6m", "actionTokenGeneratedByUserLifespan": "7m",
		"actionTokenGeneratedByAdminLifespan": "13h", "oauth2DeviceCodeLifespan": "9m", "oauth2DevicePollingInterval": 6,
		"passwordPolicy": "length(8) and notUsername(undefined)",
		"attributes":     props{markKey: "plattr/mine", "one": "1", "number": 7, "yes": true},
		"securityDefenses": props{
			"headers": props{
				"contentSecurityPolicy": "frame-src 'self'; object-src 'none';", "contentSecurityPolicyReportOnly": "default-src 'self'",
				"strictTransportSecurity": "max-age=1", "xContentTypeOptions": "", "xFrameOptions": "DENY", "xRobotsTag": "all",
				"xXssProtection": "0",
			},
			"bruteForceDetection": props{
				"failureResetTimeSeconds": 100, "maxFailureWaitSeconds": 101, "maxLoginFailures": 5, "minimumQuickLoginWaitSeconds": 62,
				"permanentLockout": true, "quickLoginCheckMilliSeconds": 1003, "waitIncrementSeconds": 64,
			},
		},
	}
}

func TestRealmLifecycle(t *testing.T) {
	t.Parallel()
	k := testutil.Keycloak(t)
	p, hand := newProvider(t, k, "mine"), newPerson(t, k)
	name := testutil.Unique("realm")
	dropRealm(t, k, name)
	minimal, in := props{"realm": name}, fullRealm(name)
	changed := merged(minimal, props{
		"accessTokenLifespan": "1m", "displayName": "Other", "enabled": false, "attributes": props{"two": "2"},
		"securityDefenses": props{"headers": props{"xFrameOptions": "DENY"}},
	})
	realm := p.MustCreate(t, realmToken, in)
	if realm.ID != "" && string(realm.ID) != name || realm.Output("internalId") != name {
		t.Errorf("ID %q, internal ID %v, want %q", realm.ID, realm.Output("internalId"), name)
	}
	same(t, realm, in)
	imported := *realm
	imported.Inputs, imported.Outputs = nil, nil
	if !imported.Refresh() || imported.Output("displayName") != "Läden" {
		t.Errorf("imported %v", imported.Outputs)
	}
	realm = p.MustCreate(t, realmToken, changed) // after a run that was killed, and with another program
	same(t, realm, changed)
	for _, next := range []props{in, minimal, in} {
		change(t, realm, next)
		same(t, realm, next)
	}
	want := []string{"!internalId"}
	if got := realm.Diff(merged(in, props{"internalId": "other"})); !slices.Equal(got, want) {
		t.Errorf("a new internal ID is %q, want %q", got, want)
	}
	hand.Edit(name, func(o props) {
		o["accessTokenLifespan"], o["sslRequired"], o["bruteForceProtected"], o["passwordPolicy"] = 61, "all", false, ""
		sub(o, "attributes")["one"] = "by hand"
		sub(o, "browserSecurityHeaders")["xFrameOptions"] = "ALLOW"
	})
	same(t, realm, in, "accessTokenLifespan", "attributes", "passwordPolicy", "securityDefenses", "sslRequired")
	change(t, realm, in)
	same(t, realm, in)
	remove(t, realm)
	if realm.Refresh() {
		t.Error("still there after delete")
	}
	remove(t, realm)
	if n := hand.Count("master/clients", "clientId", name+"-realm"); n != 0 {
		t.Errorf("the realm left %d clients in the master realm", n)
	}
}

func TestRealmOwnership(t *testing.T) {
	t.Parallel()
	k := testutil.Keycloak(t)
	hand, mine := newPerson(t, k), newProvider(t, k, "mine")
	name := testutil.Unique("realm")
	in := props{"realm": name}
	dropRealm(t, k, name)
	hand.Must(http.MethodPost, "", props{"realm": name, "enabled": true})
	for owner, want := range map[any]string{nil: byAPerson, "plattr/theirs": ofTheirStack} {
		hand.Edit(name, func(o props) { sub(o, "attributes")[markKey] = owner })
		before := hand.Get(name)
		_, err := mine.Create(t, realmToken, in)
		wantErr(t, err, "realm "+name, want)
		_, err = mine.Create(t, userToken, props{"realmId": name, "username": "somebody"})
		wantErr(t, err, "realm "+name, want)
		unchanged(t, before, hand.Get(name))
	}
	hand.Edit(name, func(o props) { sub(o, "attributes")[markKey] = "plattr/mine" })
	realm := mine.MustCreate(t, realmToken, in) // the person gave it to the stack
	user := mine.MustCreate(t, userToken, props{"realmId": name, "username": "somebody"})
	hand.Edit(name, func(o props) { delete(sub(o, "attributes"), markKey) })
	wantErr(t, realm.Update(in), byAPerson)
	remove(t, user)
	remove(t, realm)
	if hand.Count(name+"/users", "username", "somebody") != 1 {
		t.Error("the user of a realm that is not ours any more was deleted")
	}
	if realm.Refresh() || user.Refresh() {
		t.Error("a realm that is not ours any more was read")
	}
	_, err := mine.Create(t, realmToken, props{"realm": name, "attributes": props{markKey: "plattr/theirs"}})
	wantErr(t, err, `attribute plattr.owner is "plattr/theirs" in the program, but this stack is "plattr/mine"`)
}

// TestMaster holds that Keycloak's own realm is left alone, whatever a state or a mark says.
func TestMaster(t *testing.T) {
	t.Parallel()
	k := testutil.Keycloak(t)
	p, hand := newProvider(t, k, "mine"), newPerson(t, k)
	_, err := p.Create(t, realmToken, props{"realm": "master"})
	wantErr(t, err, "realm: master is Keycloak's own")

	own := testutil.Unique("realm") // a realm in which an administrator of its own lives
	dropRealm(t, k, own)
	hand.Must(http.MethodPost, "", props{
		"realm": own, "enabled": true, "attributes": props{markKey: "plattr/mine"},
		"clients": []any{props{"clientId": "admin", "secret": "planted", "serviceAccountsEnabled": true, "publicClient": false}},
		"users": []any{props{
			"username": "service-account-admin", "enabled": true, "serviceAccountClientId": "admin",
			"clientRoles": props{"realm-management": []any{"realm-admin"}},
		}},
	})
	inside := testutil.NewProvider(t, New(), "mine", props{
		"url": k.URL, "realm": own, "clientId": "admin", "clientSecret": "planted",
	})
	_, err = inside.Create(t, realmToken, props{"realm": own})
	wantErr(t, err, "realm "+own)
	realm := p.MustCreate(t, realmToken, props{"realm": own}) // the administrator of all may
	state := *realm
	if _, err := inside.Delete(t.Context(), plugin.DeleteRequest{
		URN: state.URN, ID: state.ID, Inputs: state.Inputs, Outputs: state.Outputs,
	}); err != nil {
		t.Errorf("a realm that is left alone is no error: %v", err)
	}
	if !realm.Refresh() {
		t.Fatal("an administrator deleted the realm that it lives in")
	}
	inside.MustCreate(t, userToken, props{"realmId": own, "username": "somebody"}) // but it works in it
}

// TestRealmParts holds that what the program does not declare stays as Keycloak or a person made it.
func TestRealmParts(t *testing.T) {
	t.Parallel()
	k := testutil.Keycloak(t)
	p, hand := newProvider(t, k, "mine"), newPerson(t, k)
	name := testutil.Unique("realm")
	dropRealm(t, k, name)
	in := props{"realm": name, "attributes": props{"one": "1", "two": "2"}}
	realm := p.MustCreate(t, realmToken, in)
	before := hand.Get(name)
	hand.Edit(name, func(o props) {
		o["bruteForceProtected"], o["failureFactor"], o["smtpServer"] = true, 9, props{"host": "mail.example.org", "from": "a@example.org", "password": "kept", "user": "u", "auth": "true"}
		o["loginWithEmailAllowed"], o["accessTokenLifespan"] = true, 77
		sub(o, "attributes")["theirs"] = "by hand"
		sub(o, "browserSecurityHeaders")["referrerPolicy"] = "origin"
	})
	same(t, realm, in)
	in = props{"realm": name, "displayName": "Shop", "attributes": props{"one": "1"}}
	change(t, realm, in)
	same(t, realm, in)
	after := hand.Get(name)
	kept := props{"bruteForceProtected": true, "failureFactor": 9.0, "loginWithEmailAllowed": true, "accessTokenLifespan": 77.0}
	for key, want := range kept {
		if after[key] != want {
			t.Errorf("%s is %v, want %v", key, after[key], want)
		}
	}
	attributes := sub(after, "attributes")
	if attributes["theirs"] != "by hand" || attributes["one"] != "1" || attributes["two"] != nil || attributes[markKey] != "plattr/mine" {
		t.Errorf("attributes are %v", attributes)
	}
	if sub(after, "smtpServer")["host"] != "mail.example.org" || sub(after, "browserSecurityHeaders")["referrerPolicy"] != "origin" {
		t.Errorf("mail server %v, headers %v", after["smtpServer"], after["browserSecurityHeaders"])
	}
	if got := stored(t, "SELECT value FROM realm_smtp_config JOIN realm ON id = realm_id WHERE realm.name = $1 AND realm_smtp_config.name = 'password'", name); got != "kept" {
		t.Errorf("the mail server's password is %q", got)
	}
	defended := merged(in, props{"securityDefenses": props{
		"headers": props{"xFrameOptions": "DENY"}, "bruteForceDetection": props{"maxLoginFailures": 3},
	}})
	change(t, realm, defended)
	same(t, realm, defended)
	change(t, realm, in)
	same(t, realm, in)
	after = hand.Get(name)
	if sub(after, "browserSecurityHeaders")["xFrameOptions"] != sub(before, "browserSecurityHeaders")["xFrameOptions"] || after["bruteForceProtected"] != false {
		t.Errorf("defenses that were taken back are %v, %v", after["browserSecurityHeaders"], after["bruteForceProtected"])
	}
}

// TestDurations holds that one length of time has many forms, and that other texts are texts.
func TestDurations(t *testing.T) {
	t.Parallel()
	k := testutil.Keycloak(t)
	p := newProvider(t, k, "mine")
	name := testutil.Unique("realm")
	dropRealm(t, k, name)
	in := props{"realm": name, "displayName": "5m", "ssoSessionMaxLifespan": "10h", "accessTokenLifespan": "300s"}
	realm := p.MustCreate(t, realmToken, in)
	same(t, realm, in)
	same(t, realm, merged(in, props{"ssoSessionMaxLifespan": "10h0m0s", "accessTokenLifespan": "5m"}))
	same(t, realm, merged(in, props{"displayName": "300s"}), "displayName")
	same(t, realm, merged(in, props{"accessTokenLifespan": "301s"}), "accessTokenLifespan")
}
