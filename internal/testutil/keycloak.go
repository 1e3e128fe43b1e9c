package testutil

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"plattr.dev/plattr/localdev/javaserver"
)

// KeycloakServer is a Keycloak of this test binary, with its data in the test binary's PostgreSQL.
type KeycloakServer struct {
	process

	// URL is where it listens, and the beginning of its issuers.
	URL string
	// Admin is a user, AdminClient a client with a service account; both manage every realm.
	Admin, AdminPassword     string
	AdminClient, AdminSecret string
}

//nolint:gochecknoglobals // one server per test binary: it takes seconds to start
var sharedKeycloak = sync.OnceValues(func() (*KeycloakServer, error) { return newKeycloak(context.Background()) })

// Keycloak returns the server that the tests of this binary share: use realms of your own. The first call starts it, in
// some ten seconds.
func Keycloak(t testing.TB) *KeycloakServer {
	t.Helper()
	return must(t, "Keycloak", sharedKeycloak)
}

// NewKeycloak starts a server of the test's own, which may be killed and started again.
func NewKeycloak(t testing.TB) *KeycloakServer {
	t.Helper()
	k := must(t, "Keycloak", func() (*KeycloakServer, error) { return newKeycloak(t.Context()) })
	t.Cleanup(k.remove)
	return k
}

func newKeycloak(ctx context.Context) (*KeycloakServer, error) {
	server, java, err := javaProgram(ctx, "keycloak", 320)
	if err != nil {
		return nil, err
	}
	pg, err := sharedPostgres()
	if err != nil {
		return nil, err
	}
	database, password := Unique("keycloak"), random()
	err = errors.Join(
		pg.query(ctx, fmt.Sprintf("CREATE ROLE %s LOGIN PASSWORD '%s'", database, password)),
		pg.query(ctx, fmt.Sprintf("CREATE DATABASE %s OWNER %s", database, database)))
	if err != nil {
		return nil, err
	}
	dir, err := newDir("keycloak")
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	url := "http://127.0.0.1:" + strconv.Itoa(port)
	k := &KeycloakServer{URL: url, Admin: "admin", AdminPassword: random(), AdminClient: "plattr", AdminSecret: random()}
	k.title, k.dir = "Keycloak", dir
	k.ready = func(ctx context.Context) error { return get(ctx, url+"/realms/master") }
	k.how, err = javaserver.Keycloak{
		Java: java, Home: filepath.Dir(server.Dir), Dir: dir, Host: "127.0.0.1", Port: port, Hostname: url,
		Database: pg.Address() + "/" + database, DatabaseUser: database, DatabasePassword: password,
		Admin: k.Admin, AdminPassword: k.AdminPassword, AdminClient: k.AdminClient, AdminSecret: k.AdminSecret,
	}.Prepare()
	if err != nil {
		return nil, err
	}
	return k, k.Start(ctx)
}
