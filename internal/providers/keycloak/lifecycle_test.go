package keycloak

import (
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"plattr.dev/plattr/internal/testutil"
)

// at is where a life cycle happens.
type at struct {
	person *testutil.Console
	// thing is what lives, once it does.
	thing *testutil.Resource
	// client and scope are UUIDs.
	realm, client, scope  string
	clientPath, scopePath string
}

// lifecycle is one resource type's way through create, adoption, drift, change, replacement and delete.
type lifecycle struct {
	token string
	// inputs are all inputs, with other values than the defaults where there is a choice; changed are some other ones,
	// and minimal those that are required.
	inputs, changed, minimal func(w at) props
	// replaces are inputs that make a new thing, with a new value.
	replaces props
	// path is where the thing is in the admin API.
	path func(w at) string
	// drift is what a person does to it, wantDrift what the next run sees.
	drift     func(o props)
	wantDrift []string
	// mark changes the owner mark by hand; nil for things that have none.
	mark func(o props, owner any)
	// list is where the API lists the thing, by key and value.
	list func(w at) (path, key, value string)
}

func markAttribute(o props, owner any) { sub(o, "attributes")[markKey] = owner }
func markConfig(o props, owner any)    { sub(o, "config")[markKey] = owner }
func markList(o props, owner any)      { sub(o, "attributes")[markKey] = []any{owner} }

func lifecycles() map[string]lifecycle {
	return map[string]lifecycle{
		"Client":         clientLife(),
		"ClientScope":    scopeLife(),
		"HardcodedClaim": claimLife(),
		"Audience":       audienceLife(),
		"AudienceScope":  scopeAudienceLife(),
		"RealmRole":      realmRoleLife(),
		"ClientRole":     clientRoleLife(),
		"User":           userLife(),
		"OIDC":           oidcLife(),
		"GitHub":         githubLife(),
		"Google":         googleLife(),
		"SAML":           samlLife(),
	}
}

func TestLifecycle(t *testing.T) {
	t.Parallel()
	k := testutil.Keycloak(t)
	p := newProvider(t, k, "mine")
	realm := newRealm(t, k, p)
	for name, tc := range lifecycles() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, scope := newClient(t, p, realm), p.MustCreate(t, scopeToken, props{"realmId": realm, "name": testutil.Unique("scope")})
			w := at{person: newPerson(t, k), realm: realm, client: string(client.ID), scope: string(scope.ID)}
			w.clientPath, w.scopePath = realm+"/clients/"+w.client, realm+"/client-scopes/"+w.scope
			runLifecycle(t, k, p, tc, w)
		})
	}
}

func runLifecycle(t *testing.T, k *testutil.KeycloakServer, p *testutil.Provider, tc lifecycle, w at) {
	t.Helper()
	in, changed, minimal := tc.inputs(w), tc.changed(w), tc.minimal(w)
	th := p.MustCreate(t, tc.token, in)
	same(t, th, in)
	again := p.MustCreate(t, tc.token, in) // after a run that was killed before it wrote its state
	if again.ID != th.ID {
		t.Errorf("second create: ID %q, first %q", again.ID, th.ID)
	}
	adopted := p.MustCreate(t, tc.token, changed) // and the program is another one by then
	if adopted.ID != th.ID {
		t.Errorf("third create: ID %q, first %q", adopted.ID, th.ID)
	}
	same(t, adopted, changed)
	w.thing = adopted
	if path, key, value := tc.list(w); w.person.Count(path, key, value) != 1 {
		t.Errorf("%s has %d of %s", path, w.person.Count(path, key, value), value)
	}
	for _, next := range []props{in, minimal, in} { // what is taken back goes, what is added comes
		change(t, adopted, next)
		same(t, adopted, next)
	}
	for input, value := range tc.replaces {
		if got := adopted.Diff(merged(in, props{input: value})); !slices.Equal(got, []string{"!" + input}) {
			t.Errorf("a new %s is %q, want a replacement", input, got)
		}
	}
	w.person.Edit(tc.path(w), tc.drift)
	same(t, adopted, in, tc.wantDrift...)
	change(t, adopted, in)
	same(t, adopted, in)
	foreign(t, k, tc, w)
	remove(t, adopted)
	if adopted.Refresh() {
		t.Error("still there after delete")
	}
	remove(t, adopted)
	if err := adopted.Update(in); err == nil {
		t.Error("what is gone was updated")
	}
	vanish := p.MustCreate(t, tc.token, in)
	w.thing = vanish
	w.person.Must(http.MethodDelete, tc.path(w), nil)
	if vanish.Refresh() {
		t.Error("what a person deleted was read")
	}
	remove(t, vanish)
}

// foreign holds that things of another stack, and of a person, are left alone in every way.
func foreign(t *testing.T, k *testutil.KeycloakServer, tc lifecycle, w at) {
	t.Helper()
	in := tc.minimal(w)
	theirs := newProvider(t, k, "theirs")
	_, err := theirs.Create(t, tc.token, in)
	wantErr(t, err, "belongs to another stack (plattr/mine)")
	if tc.mark == nil {
		return
	}
	mine := newProvider(t, k, "mine")
	for owner, want := range map[string]string{"plattr/theirs": ofTheirStack, "": byAPerson} {
		w.person.Edit(tc.path(w), func(o props) { tc.mark(o, owner) })
		before := w.person.Get(tc.path(w))
		_, err := mine.Create(t, tc.token, in)
		wantErr(t, err, want)
		wantErr(t, w.thing.Update(in), want)
		gone := *w.thing
		if gone.Refresh() {
			t.Errorf("a thing of %q was read as ours", owner)
		}
		remove(t, w.thing)
		unchanged(t, before, w.person.Get(tc.path(w)))
	}
	w.person.Edit(tc.path(w), func(o props) { tc.mark(o, "plattr/mine") })
}

// unchanged compares two readings. The order of lists is the server's mood.
func unchanged(t *testing.T, before, after props) {
	t.Helper()
	sorted := cmpopts.SortSlices(func(a, b any) bool { return fmt.Sprint(a) < fmt.Sprint(b) })
	if diff := cmp.Diff(before, after, sorted); diff != "" {
		t.Errorf("a thing that is not ours was changed (-before +after):\n%s", diff)
	}
}
