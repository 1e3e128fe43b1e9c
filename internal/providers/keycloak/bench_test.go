package keycloak

import (
	"sync"
	"testing"

	"plattr.dev/plattr/internal/testutil"
)

// BenchmarkRefresh reads what an application's login is made of: a realm with a client, two mappers, its default scopes
// and a user. One after the other, and all at once as the engine does.
func BenchmarkRefresh(b *testing.B) {
	k := testutil.Keycloak(b)
	p := newProvider(b, k, "mine")
	name := testutil.Unique("realm")
	realm := p.MustCreate(b, realmToken, props{"realm": name})
	dropRealm(b, k, name)
	client := p.MustCreate(b, clientToken, props{
		"realmId": name, "clientId": "shop", "accessType": "CONFIDENTIAL", "standardFlowEnabled": true,
		"validRedirectUris": []any{"http://localhost:3000/*"},
	})
	on := props{"realmId": name, "clientId": string(client.ID)}
	all := []*testutil.Resource{
		realm, client,
		p.MustCreate(b, claimToken, merged(on, props{"name": "claim", "claimName": "role", "claimValue": "shop_user"})),
		p.MustCreate(b, audToken, merged(on, props{"name": "audience", "includedCustomAudience": "shop"})),
		p.MustCreate(b, scopesToken, merged(on, props{"defaultScopes": []any{"basic", "email"}})),
		p.MustCreate(b, userToken, props{"realmId": name, "username": "anna", "initialPassword": props{"value": "x"}}),
	}
	refresh := func(r *testutil.Resource) {
		if !r.Refresh() {
			b.Errorf("%s is gone", r.URN.Type())
		}
	}
	b.Run("OneByOne", func(b *testing.B) {
		for b.Loop() {
			for _, r := range all {
				refresh(r)
			}
		}
	})
	b.Run("AtOnce", func(b *testing.B) {
		for b.Loop() {
			var group sync.WaitGroup
			for _, r := range all {
				group.Go(func() { refresh(r) })
			}
			group.Wait()
		}
	})
}
