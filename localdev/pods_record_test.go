package localdev

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"plattr.dev/plattr/localdev/kind"
	"plattr.dev/plattr/localdev/ports"
	"plattr.dev/plattr/localdev/services"
)

// podsAt is a cluster whose ports are known.
func podsAt() podsSetting {
	s := podsSetting{ports: kind.Record{Node: "1", Ports: map[string]int{}}}
	for i, key := range kind.PortKeys() {
		s.ports.Ports[key] = 20000 + i
	}
	return s
}

// TestPodsRecord: what should run follows what applications need, and frees what they do not.
func TestPodsRecord(t *testing.T) {
	t.Parallel()
	r := podsRecord{Redis: map[string]int{}, PostgREST: map[string]podsREST{}}
	if err := r.need(Needs{Keycloak: true, Redis: "shop", Cluster: true}); err != nil {
		t.Fatal(err)
	}
	if !r.PostgreSQL || !r.Keycloak || !r.Applications || r.S3 || r.Redis["shop"] != 1 {
		t.Errorf("%+v: Keycloak's data are in PostgreSQL, and nobody needs S3", r)
	}
	before := r.clone()
	if err := r.need(Needs{Redis: "shop"}); err != nil || !r.same(before) {
		t.Errorf("%+v, %v: the same again is no change", r, err)
	}
	if err := r.need(Needs{Redis: "board"}); err != nil || r.Redis["board"] != 2 || before.Redis["board"] != 0 {
		t.Errorf("%+v, %v: another application has another slot, and a clone its own map", r, err)
	}
	r.remove(RedisName("shop"))
	if _, there := r.Redis["shop"]; there || !slices.Equal(r.Leftovers, []string{"redis/shop"}) {
		t.Errorf("%+v: its data are to be deleted", r)
	}
	if err := r.need(Needs{Redis: "web"}); err != nil || r.Redis["web"] != 1 {
		t.Errorf("%+v, %v: a slot that is free is taken again", r, err)
	}
	r.keep(map[string]bool{string(services.Keycloak): true})
	if !r.PostgreSQL || !r.Keycloak || r.Applications {
		t.Errorf("%+v: PostgreSQL stays for Keycloak, the ingress goes", r)
	}
	r.keep(map[string]bool{})
	if r.PostgreSQL || r.Keycloak {
		t.Errorf("%+v: nobody uses them", r)
	}
}

// TestPodsEndpoints: how services are reached is known of those in the record, without asking anybody.
func TestPodsEndpoints(t *testing.T) {
	t.Parallel()
	at := place{podsAt(), podsRecord{PostgreSQL: true, S3: true, Redis: map[string]int{"shop": 1}}}
	e := at.endpoints(Needs{PostgreSQL: true, Keycloak: true, Redis: "shop", Cluster: true})
	if e.PostgreSQL == nil || e.PostgreSQL.Port != at.ports.Port(ports.PostgreSQL, 0) || e.Redis == nil || e.Cluster == nil {
		t.Errorf("%+v: what is in the record is known", e)
	}
	if e.Keycloak != nil || e.S3 != nil {
		t.Errorf("%+v: Keycloak is not in the record, and nobody wants S3", e)
	}
}

// TestPodsSlots: there are as many ports as were mapped, and the error says what to do.
func TestPodsSlots(t *testing.T) {
	t.Parallel()
	r, at := podsRecord{Redis: map[string]int{}, PostgREST: map[string]podsREST{}}, podsAt()
	for i := range kind.Slots {
		if err := r.serve(fmt.Sprint("app", i), PostgRESTConfig{}, nil); err != nil {
			t.Fatal(err)
		}
	}
	var full *SlotsError
	if err := r.serve("more", PostgRESTConfig{}, nil); !errors.As(err, &full) || full.Hint() == "" {
		t.Errorf("one more: %v", err)
	}
	if err := r.serve("app0", PostgRESTConfig{Schema: "x"}, nil); err != nil || r.PostgREST["app0"].Settings["db-schemas"] != "x" {
		t.Errorf("a change of one that is there: %v", err)
	}
	spec, ok := r.specOf(PostgRESTName("app3"), at)
	if slot := r.PostgREST["app3"].Slot; !ok || spec.Ports[ports.PostgREST] != at.ports.Port(ports.PostgREST, slot) || slot == 0 {
		t.Errorf("%+v: it has the port of its slot", spec)
	}
}

// TestPodsInside: what pods are told of servers are addresses in the cluster.
func TestPodsInside(t *testing.T) {
	t.Parallel()
	r, at := podsRecord{Redis: map[string]int{"shop": 3}, PostgREST: map[string]podsREST{}}, podsAt()
	inside := r.inside(at)
	config := PostgRESTConfig{
		DatabaseURL: "postgres://shop_rest:x@" + at.address(ports.PostgreSQL, 0) + "/shop?sslmode=disable", Channel: "pgrst_shop",
		Settings: map[string]string{services.SettingKeys: "http://" + at.address(ports.Keycloak, 0) + "/realms/shop-local/certs"},
	}
	if err := r.serve("shop", config, inside); err != nil {
		t.Fatal(err)
	}
	got := r.PostgREST["shop"].config("shop")
	if got.DatabaseURL != "postgres://shop_rest:x@postgresql.plattr-services:5432/shop?sslmode=disable" ||
		got.KeysURL != "http://keycloak.plattr-services:8080/realms/shop-local/certs" || got.Channel != "pgrst_shop" {
		t.Errorf("%+v", got)
	}
	if _, leaks := got.Settings[settingDatabase]; leaks {
		t.Error("the login is among what is no secret")
	}
	if inside[at.address(ports.Redis, 3)] != "redis-shop.plattr-services:6379" {
		t.Errorf("Redis: %v", inside)
	}
	end := (place{at, r}).clusterEndpoint()
	if end.IngressPort != at.ports.Port(ports.Ingress, 0) || !end.Platform.Ingress.Rewrite.Traefik || end.Platform.Ingress.Class != "traefik" {
		t.Errorf("the controller is Traefik: %+v", end)
	}
}
