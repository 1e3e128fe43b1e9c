package keycloak

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"

	"plattr.dev/plattr/internal/testutil"
)

// thing is a resource to make, and where the API lists it by key and value.
type thing struct {
	token            string
	in               props
	path, key, value string
}

// everything is one thing of each kind in a realm.
func everything(realm, client, name string) map[string]thing {
	idp := realm + "/identity-provider/instances"
	return map[string]thing{
		"Client":      {clientToken, props{"realmId": realm, "clientId": name, "accessType": "PUBLIC"}, realm + "/clients", "clientId", name},
		"ClientScope": {scopeToken, props{"realmId": realm, "name": name}, realm + "/client-scopes", "name", name},
		"Mapper": {
			claimToken,
			props{"realmId": realm, "clientId": client, "name": name, "claimName": "a", "claimValue": "b"},
			realm + "/clients/" + client + "/protocol-mappers/models", "name", name,
		},
		"Role": {roleToken, props{"realmId": realm, "name": name}, realm + "/roles", "name", name},
		"User": {
			userToken,
			props{"realmId": realm, "username": name, "initialPassword": props{"value": "planted"}},
			realm + "/users?max=1000", "username", name,
		},
		"OIDC": {oidcToken, props{
			"realm": realm, "alias": name, "clientId": "a", "clientSecret": "b", "authorizationUrl": "https://a.example.org",
			"tokenUrl": "https://a.example.org",
		}, idp, "alias", name},
	}
}

// TestLostAnswers holds that a thing is made once, whatever the network does to the request that makes it.
func TestLostAnswers(t *testing.T) {
	t.Parallel()
	k := testutil.Keycloak(t)
	p := newProvider(t, k, "mine")
	realm := newRealm(t, k, p)
	client := string(newClient(t, p, realm).ID)
	for title, what := range map[string]fault{
		"Cut": cut, "Lost": lost, "Gateway": http.StatusBadGateway, "Unavailable": http.StatusServiceUnavailable,
	} {
		for kind, th := range everything(realm, client, strings.ToLower(testutil.Unique(title))) {
			t.Run(title+kind, func(t *testing.T) {
				t.Parallel()
				hand := newPerson(t, k)
				for _, method := range []string{http.MethodPost, http.MethodGet, http.MethodPut, http.MethodDelete} {
					bad := newBadNetwork(t, k, once(what, method))
					through := testutil.NewProvider(t, New(), "mine", bad.through(k))
					r, err := through.Create(t, th.token, th.in)
					wantErr(t, err)
					if n := hand.Count(th.path, th.key, th.value); n != 1 {
						t.Fatalf("%s: there are %d", method, n)
					}
					if other := changedBit(th.token, th.in); other != nil {
						change(t, r, other)
						same(t, r, other)
					}
					remove(t, r)
					if n := hand.Count(th.path, th.key, th.value); n != 0 {
						t.Fatalf("%s: after delete there are %d", method, n)
					}
				}
			})
		}
	}
}

// changedBit is an input that can be changed in place.
func changedBit(token string, in props) props {
	key := map[string]string{
		clientToken: "description", scopeToken: "description", claimToken: "claimValue", roleToken: "description",
		userToken: "firstName", oidcToken: "displayName",
	}[token]
	return merged(in, props{key: "changed"})
}

func TestLostRealm(t *testing.T) {
	t.Parallel()
	k := testutil.Keycloak(t)
	name := testutil.Unique("realm")
	dropRealm(t, k, name)
	bad := newBadNetwork(t, k, once(lost, http.MethodPost))
	p := testutil.NewProvider(t, New(), "mine", bad.through(k))
	in := props{"realm": name, "displayName": "x"}
	realm := p.MustCreate(t, realmToken, in)
	same(t, realm, in)
	remove(t, realm)
}

// TestStarting holds that a run may begin before the server is there.
func TestStarting(t *testing.T) {
	t.Parallel()
	k := testutil.Keycloak(t)
	realm := newRealm(t, k, newProvider(t, k, "mine"))
	later := unstarted(t, k, func(*http.Request) fault { return pass })
	address := closedPort(t)
	p := testutil.NewProvider(t, New(), "mine", merged(settings(k), props{"url": "http://" + address}))
	result := make(chan error, 1)
	go func() {
		_, err := p.Create(t, roleToken, props{"realmId": realm, "name": "later"})
		result <- err
	}()
	time.Sleep(time.Second)
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	_ = later.Listener.Close()
	later.Listener = l
	later.Start()
	t.Cleanup(later.Close)
	if err := <-result; err != nil {
		t.Fatal(err)
	}
}

// TestCancel holds that an operation ends at once when the run is cancelled: while it waits for an answer, and while it
// waits for the server to be there.
func TestCancel(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	for name, address := range map[string]string{"Silent": silent.Addr().String(), "Closed": closedPort(t)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := testutil.NewProvider(t, New(), "mine", props{"url": "http://" + address, "clientId": "a", "clientSecret": "b"})
			result := make(chan error, 20)
			for range 20 { // one of them logs in, the others wait for it
				go func() {
					_, err := p.Provider.Create(context.WithoutCancel(t.Context()), plugin.CreateRequest{
						URN:        "urn:pulumi:mine::plattr::" + realmToken + "::test",
						Properties: mustCheck(t, p, realmToken, props{"realm": "never"}),
					})
					result <- err
				}()
			}
			time.Sleep(300 * time.Millisecond)
			began := time.Now()
			if err := p.SignalCancellation(t.Context()); err != nil {
				t.Fatal(err)
			}
			for range 20 {
				if err := <-result; !errors.Is(err, context.Canceled) {
					t.Errorf("error %v, want context.Canceled", err)
				}
			}
			if took := time.Since(began); took > time.Second {
				t.Errorf("cancelling took %s", took)
			}
		})
	}
}

// TestManyAtOnce makes twenty things of each kind at once, and one of each kind twenty times, and deletes them so.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	k := testutil.Keycloak(t)
	p, hand := newProvider(t, k, "mine"), newPerson(t, k)
	realm := newRealm(t, k, p)
	client := string(newClient(t, p, realm).ID)
	var all sync.WaitGroup
	made := make(chan *testutil.Resource, 2*20*6)
	one := everything(realm, client, "one-and-only")
	for n := range 20 {
		things := everything(realm, client, fmt.Sprintf("thing-%d", n))
		for _, list := range []map[string]thing{things, one} {
			for kind, th := range list {
				all.Go(func() {
					r, err := p.Create(t, th.token, th.in)
					if err != nil {
						t.Errorf("%s: %v", kind, err)
						return
					}
					made <- r
				})
			}
		}
	}
	all.Wait()
	close(made)
	maps.Copy(one, everything(realm, client, "thing-7"))
	for kind, th := range one {
		if n := hand.Count(th.path, th.key, th.value); n != 1 {
			t.Errorf("%s: there are %d of %s", kind, n, th.value)
		}
	}
	for r := range made {
		all.Go(func() {
			if err := r.Delete(); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for kind, th := range one {
		if n := hand.Count(th.path, th.key, th.value); n != 0 {
			t.Errorf("%s: there are %d of %s after delete", kind, n, th.value)
		}
	}
}

// TestMapperOnce holds that a mapper is made once by two runs at the same time, which is more than Keycloak does.
func TestMapperOnce(t *testing.T) {
	t.Parallel()
	k := testutil.Keycloak(t)
	p, hand := newProvider(t, k, "mine"), newPerson(t, k)
	realm := newRealm(t, k, p)
	client := string(newClient(t, p, realm).ID)
	path := realm + "/clients/" + client + "/protocol-mappers/models"
	for round := range 10 {
		name := fmt.Sprintf("mapper-%d", round)
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() {
				if _, err := p.Create(t, claimToken, props{
					"realmId": realm, "clientId": client, "name": name, "claimName": "a", "claimValue": "b",
				}); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if n := hand.Count(path, "name", name); n != 1 {
			t.Fatalf("there are %d of %s", n, name)
		}
	}
	// Keycloak fails to change a client that has two mappers of one name.
	hand.Edit(realm+"/clients/"+client, func(o props) { o["description"] = "x" })
}
