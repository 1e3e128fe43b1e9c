package keycloak

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"plattr.dev/plattr/internal/testutil"
)

func mustCheck(t testing.TB, p *testutil.Provider, token string, in props) resource.PropertyMap {
	t.Helper()
	checked, err := p.Check(t, token, in)
	if err != nil {
		t.Error(err)
	}
	return checked
}

// TestServerKilled kills the server in the middle of a run, twice, and starts it again. Every operation succeeds all the
// same, and nothing is there twice.
func TestServerKilled(t *testing.T) {
	t.Parallel()
	testutil.Keycloak(t) // two servers that start at once get in each other's way on a small machine
	k := testutil.NewKeycloak(t)
	p := newProvider(t, k, "mine")
	realm := "shop"
	p.MustCreate(t, realmToken, props{"realm": realm})
	client := string(newClient(t, p, realm).ID)

	const workers, rounds = 6, 4
	var all sync.WaitGroup
	begun := make(chan int, workers*rounds)
	for worker := range workers {
		all.Go(func() {
			for round := range rounds {
				begun <- round
				liveOnce(t, p, realm, client, fmt.Sprintf("thing-%d-%d", worker, round))
			}
		})
	}
	for _, how := range []func(){k.Kill, k.Stop} {
		for range workers { // somewhere in the middle
			<-begun
		}
		time.Sleep(50 * time.Millisecond)
		how()
		if err := k.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	all.Wait()
	hand := newPerson(t, k)
	for worker := range workers {
		for round := range rounds {
			for kind, th := range everything(realm, client, fmt.Sprintf("thing-%d-%d", worker, round)) {
				want := 1
				if kind == "Role" {
					want = 0
				}
				if n := hand.Count(th.path, th.key, th.value); n != want {
					t.Errorf("there are %d of %s %s, want %d", n, kind, th.value, want)
				}
			}
		}
	}
}

// liveOnce creates, changes and reads one thing of each kind, and deletes the role again.
func liveOnce(t *testing.T, p *testutil.Provider, realm, client, name string) {
	t.Helper()
	for kind, th := range everything(realm, client, name) {
		r, err := p.Create(t, th.token, th.in)
		if err != nil {
			t.Errorf("create %s %s: %v", kind, name, err)
			continue
		}
		other := changedBit(th.token, th.in)
		if err := r.Update(other); err != nil {
			t.Errorf("change %s %s: %v", kind, name, err)
		}
		same(t, r, other)
		if kind == "Role" {
			if err := r.Delete(); err != nil {
				t.Errorf("delete %s %s: %v", kind, name, err)
			}
		}
	}
}
