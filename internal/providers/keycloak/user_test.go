package keycloak

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"plattr.dev/plattr/internal/testutil"
)

// TestUnicodeUsers holds that users log in whose names have letters beyond ASCII. Keycloak's user profile takes those of
// the Latin script, and what is of no script, in user names; in first and last names any.
func TestUnicodeUsers(t *testing.T) {
	t.Parallel()
	k := testutil.Keycloak(t)
	p, hand := newProvider(t, k, "mine"), newPerson(t, k)
	realm := newRealm(t, k, p)
	p.MustCreate(t, clientToken, props{
		"realmId": realm, "clientId": "cli", "accessType": "PUBLIC", "directAccessGrantsEnabled": true,
	})
	names := map[string]string{
		"łukasz.żółć": "Łukasz", "müller@example.org": "Müller", "straße": "李小龙", "😀😀😀": "😀", "anna-maría_1": "Иван",
		strings.Repeat("ü", 255): "أحمد",
	}
	for name, first := range names {
		in := props{
			"realmId": realm, "username": name, "firstName": first, "lastName": "O'Brien " + first, "email": testutil.Unique("u") + "@exämple.org",
			"emailVerified": true, "initialPassword": props{"value": "pä ss😀" + first},
		}
		user := p.MustCreate(t, userToken, in)
		same(t, user, in)
		if !hand.LogIn(realm, "cli", name, "pä ss😀"+first) {
			t.Errorf("user %q cannot log in", name)
		}
		if again := p.MustCreate(t, userToken, in); again.ID != user.ID {
			t.Errorf("user %q was made twice", name)
		}
	}
	for name, want := range map[string]string{
		"иван": "username: holds a character that the realm's user profile does not allow",
		"ab":   "username: must have from 3 to 255 characters",
		"a b":  "username: holds a character",
	} {
		_, err := p.Create(t, userToken, props{"realmId": realm, "username": name})
		wantErr(t, err, "create user", want)
	}
	_, err := p.Create(t, userToken, props{"realmId": realm, "username": "names", "firstName": "<b>", "lastName": "a\"b", "email": "none"})
	wantErr(t, err, "email: is no e-mail address; firstName: holds a character", "; lastName: holds a character")
}

func TestInitialPassword(t *testing.T) {
	t.Parallel()
	k := testutil.Keycloak(t)
	p, hand := newProvider(t, k, "mine"), newPerson(t, k)
	realm := newRealm(t, k, p)
	p.MustCreate(t, clientToken, props{
		"realmId": realm, "clientId": "cli", "accessType": "PUBLIC", "directAccessGrantsEnabled": true,
	})
	in := func(password string, temporary bool) props {
		return props{
			"realmId": realm, "username": "anna", "email": "anna@example.org", "firstName": "A", "lastName": "B", "emailVerified": true,
			"initialPassword": props{"value": password, "temporary": temporary},
		}
	}
	user := p.MustCreate(t, userToken, in("one", false))
	if !user.Outputs["initialPassword"].IsSecret() {
		t.Error("the password is plain in the state")
	}
	logsIn := func(password string, want bool) {
		t.Helper()
		if hand.LogIn(realm, "cli", "anna", password) != want {
			t.Errorf("log in with %q: %t, want %t", password, !want, want)
		}
	}
	logsIn("one", true)
	path := realm + "/users/" + string(user.ID)
	hand.Must(http.MethodPut, path+"/reset-password", props{"type": "password", "value": "hers"})
	same(t, user, in("one", false))
	change(t, user, merged(in("one", false), props{"firstName": "Anna"}))
	logsIn("hers", true) // a change of something else leaves her password alone
	same(t, user, in("two", false), "firstName", "initialPassword")
	change(t, user, in("two", false))
	logsIn("two", true)
	change(t, user, in("three", true))
	if actions := hand.Get(path)["requiredActions"].([]any); !slices.Equal(actions, []any{"UPDATE_PASSWORD"}) {
		t.Errorf("with a temporary password she must %v", actions)
	}
	change(t, user, merged(in("three", true), props{"firstName": "Anna"}))
	if actions := hand.Get(path)["requiredActions"].([]any); len(actions) != 1 {
		t.Error("a change of something else took back what she must do")
	}
	p.MustCreate(t, userToken, in("four", false)) // after a killed run
	logsIn("four", true)
	hand.Edit(realm, func(o props) { o["passwordPolicy"] = "length(8)" })
	wantErr(t, user.Update(in("planted", false)), "set the password of user", "Invalid password: minimum length 8.")
}

// TestUserAttributes holds that an attribute which Keycloak drops is an error, instead of drift for ever.
func TestUserAttributes(t *testing.T) {
	t.Parallel()
	k := testutil.Keycloak(t)
	p, hand := newProvider(t, k, "mine"), newPerson(t, k)
	realm := newRealm(t, k, p)
	in := props{"realmId": realm, "username": "anna", "attributes": props{"phone": "1##2", "number": 7}}
	_, err := p.Create(t, userToken, in)
	wantErr(t, err, "user anna: Keycloak dropped the attribute number, which the user profile of realm "+realm)
	hand.Edit(realm+"/users/profile", func(o props) { o["unmanagedAttributePolicy"] = "ENABLED" })
	user := p.MustCreate(t, userToken, in)
	same(t, user, in)
	path := realm + "/users/" + string(user.ID)
	hand.Edit(path, func(o props) {
		sub(o, "attributes")["phone"], sub(o, "attributes")["hers"] = []any{"3"}, []any{"x"}
	})
	same(t, user, in, "attributes")
	change(t, user, merged(in, props{"attributes": props{"number": 8}}))
	attributes := sub(hand.Get(path), "attributes")
	if attributes["phone"] != nil || attributes["hers"] == nil || attributes["number"].([]any)[0] != "8" {
		t.Errorf("attributes are %v", attributes)
	}
	plain := merged(in, props{"attributes": nil})
	change(t, user, plain)
	same(t, user, plain)
}

func TestUserConflicts(t *testing.T) {
	t.Parallel()
	k := testutil.Keycloak(t)
	p := newProvider(t, k, "mine")
	realm := newRealm(t, k, p)
	p.MustCreate(t, userToken, props{"realmId": realm, "username": "anna", "email": "anna@example.org"})
	_, err := p.Create(t, userToken, props{"realmId": realm, "username": "other", "email": "Anna@example.org"})
	wantErr(t, err, `create user "other" in realm`, "answered 409: User exists with same email")
	_, err = p.Create(t, userToken, props{"realmId": realm + "x", "username": "other"})
	wantErr(t, err, "realm "+realm+"x does not exist")
}

// TestProviderSecret holds that the secret which Keycloak does not show is what the program says, in its database.
func TestProviderSecret(t *testing.T) {
	t.Parallel()
	k := testutil.Keycloak(t)
	p := newProvider(t, k, "mine")
	realm := newRealm(t, k, p)
	in := props{
		"realm": realm, "alias": testutil.Unique("idp"), "clientId": "shop", "clientSecret": testutil.Unique("planted"),
		"authorizationUrl": "https://id.example.org/auth", "tokenUrl": "https://id.example.org/token",
	}
	provider := p.MustCreate(t, oidcToken, in)
	hasSecret := func(in props) {
		t.Helper()
		got := stored(t, `SELECT value FROM identity_provider_config JOIN identity_provider ON internal_id = identity_provider_id
			WHERE provider_alias = $1 AND name = 'clientSecret'`, in["alias"])
		if got != in["clientSecret"] {
			t.Errorf("Keycloak has the secret %q, want %q", got, in["clientSecret"])
		}
	}
	hasSecret(in)
	if !provider.Outputs["clientSecret"].IsSecret() || provider.Output("clientSecret") != in["clientSecret"] || provider.Output("internalId") == "" {
		t.Errorf("outputs are %v", provider.Outputs)
	}
	in = merged(in, props{"displayName": "Other"})
	change(t, provider, in)
	hasSecret(in)
	in = merged(in, props{"clientSecret": testutil.Unique("planted")})
	same(t, provider, in, "clientSecret")
	change(t, provider, in)
	hasSecret(in)
	in = merged(in, props{"clientSecret": testutil.Unique("planted")})
	same(t, p.MustCreate(t, oidcToken, in), in) // adopted after a killed run
	hasSecret(in)
}

// stored is a text in the databases of this test binary's Keycloaks.
func stored(t *testing.T, sql string, args ...any) string {
	t.Helper()
	pg := testutil.Postgres(t)
	c := pg.Connect(t, pg.SuperURL("postgres"))
	rows, err := c.Query(t.Context(), "SELECT datname FROM pg_database WHERE datname LIKE 'keycloak%'")
	if err != nil {
		t.Fatal(err)
	}
	databases, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	for _, database := range databases {
		var text string
		if pg.Connect(t, pg.SuperURL(database)).QueryRow(t.Context(), sql, args...).Scan(&text) == nil {
			return text
		}
	}
	return ""
}
