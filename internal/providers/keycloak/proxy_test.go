package keycloak

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"plattr.dev/plattr/internal/testutil"
)

// fault is what a bad network does to a request; other values are the status that something in between answers with.
type fault int

const (
	pass fault = 0
	// cut closes the connection before the server gets the request, lost after it has answered.
	cut  fault = 1
	lost fault = 2
)

// badNetwork is a proxy in front of the real Keycloak. It is no stand-in: what passes is answered by Keycloak.
type badNetwork struct {
	*httptest.Server

	logins, calls atomic.Int64
}

func isLogin(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/token") }

// newBadNetwork asks about every request but those that log in.
func newBadNetwork(t testing.TB, k *testutil.KeycloakServer, ask func(r *http.Request) fault) *badNetwork {
	t.Helper()
	b := unstarted(t, k, ask)
	b.Start()
	t.Cleanup(b.Close)
	return b
}

func unstarted(t testing.TB, k *testutil.KeycloakServer, ask func(r *http.Request) fault) *badNetwork {
	t.Helper()
	target, err := url.Parse(k.URL)
	if err != nil {
		t.Fatal(err)
	}
	b, forward := &badNetwork{}, httputil.NewSingleHostReverseProxy(target)
	b.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f := pass
		if isLogin(r) {
			b.logins.Add(1)
		} else {
			b.calls.Add(1)
			f = ask(r)
		}
		switch f {
		case pass:
			forward.ServeHTTP(w, r)
		case cut:
			panic(http.ErrAbortHandler)
		case lost:
			forward.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		default:
			http.Error(w, `{"error":"by the way"}`, int(f))
		}
	}))
	return b
}

// through is the provider's configuration by way of a proxy.
func (b *badNetwork) through(k *testutil.KeycloakServer) props {
	return merged(settings(k), props{"url": b.URL})
}

// once is a fault that happens to the first request of a kind.
func once(what fault, method string) func(*http.Request) fault {
	var done atomic.Bool
	return func(r *http.Request) fault {
		if r.Method == method && done.CompareAndSwap(false, true) {
			return what
		}
		return pass
	}
}

// closedPort is an address at which nobody listens.
func closedPort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	return l.Addr().String()
}
