package admin

import (
	"context"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// scripted is a server that answers the n-th call of the admin API as it is told. It stands in for what is between the
// client and Keycloak when that is broken; Keycloak itself is in the tests of the package above.
func scripted(t *testing.T, answer func(n int64, w http.ResponseWriter, r *http.Request)) (*Client, *atomic.Int64) {
	t.Helper()
	var calls atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/token") {
			_, _ = w.Write([]byte(`{"access_token":"planted-token","expires_in":60}`))
			return
		}
		answer(calls.Add(1), w, r)
	}))
	t.Cleanup(s.Close)
	return at(t, s.URL), &calls
}

func at(t *testing.T, url string) *Client {
	t.Helper()
	c, err := New(Config{URL: url, Realm: "master", ClientID: "plattr", ClientSecret: "planted-secret", Timeout: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	c.patience = time.Second
	t.Cleanup(c.Close)
	return c
}

func status(code int, body string) func(int64, http.ResponseWriter, *http.Request) {
	return func(_ int64, w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		_, _ = w.Write([]byte(body))
	}
}

func hangUp(int64, http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

func silent(_ int64, _ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body) // else the server does not notice that the client hangs up
	<-r.Context().Done()
}

// TestGivesUp holds that a server which is not there is one clear error after the patience, never sooner for what may
// be sent again, and at once for what may not.
func TestGivesUp(t *testing.T) {
	t.Parallel()
	get := func(ctx context.Context, c *Client) error { _, err := c.GetRealm(ctx, "shop"); return err }
	post := func(ctx context.Context, c *Client) error { return c.CreateRole(ctx, "shop", "", Object{"name": "r"}) }
	cases := map[string]struct {
		answer func(int64, http.ResponseWriter, *http.Request)
		do     func(context.Context, *Client) error
		want   string
		lost   bool
	}{
		"Unavailable":     {status(503, `{"error":"starting"}`), get, `read realm "shop": Keycloak at HOST cannot be reached, in 1s of trying: it answered 503: starting`, false},
		"UnavailablePost": {status(503, ""), post, `create role "r" in realm "shop": Keycloak at HOST cannot be reached, in 1s of trying: it answered 503: nothing`, false},
		"Gateway":         {status(502, "<html>\nbad  gateway"), get, "it answered 502: <html> bad gateway", false},
		"GatewayPost":     {status(502, ""), post, `create role "r" in realm "shop": the answer of Keycloak at HOST was lost: it answered 502: nothing`, true},
		"HangUp":          {hangUp, get, "cannot be reached, in 1s of trying: it closed the connection", false},
		"HangUpPost":      {hangUp, post, "was lost: it closed the connection", true},
		"Silent":          {silent, get, "cannot be reached, in 1s of trying: no answer within 200ms", false},
		"SilentPost":      {silent, post, "was lost: no answer within 200ms", true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, calls := scripted(t, tc.answer)
			err := tc.do(t.Context(), c)
			if err == nil || !strings.Contains(err.Error(), strings.ReplaceAll(tc.want, "HOST", c.host)) {
				t.Errorf("error %v, want one with %q", err, tc.want)
			}
			var gone *UnreachableError
			if errors.As(err, &gone) == tc.lost || IsLost(err) != tc.lost {
				t.Errorf("%T: lost is %t", err, IsLost(err))
			}
			if tc.lost != (calls.Load() == 1) {
				t.Errorf("sent %d times", calls.Load())
			}
		})
	}
}

// TestAnswers holds that an answer is final, and that its text is Keycloak's.
func TestAnswers(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		code       int
		body, want string
	}{
		"Message":  {409, `{"errorMessage":"Client web already exists"}`, "answered 409: Client web already exists"},
		"OAuth":    {400, `{"error":"invalid_input","error_description":"A redirect URI is not a valid URI"}`, "answered 400: A redirect URI is not a valid URI"},
		"Code":     {404, `{"error":"Realm not found."}`, "answered 404: Realm not found."},
		"Failed":   {500, `{"error":"unknown_error","error_description":"For more on this error consult the server log."}`, "answered 500: For more on this error consult the server log."},
		"Fields":   {400, `{"errors":[{"field":"b","errorMessage":"error-invalid-email"},{"field":"a","errorMessage":"error-invalid-length-too-long","params":["a",null,255]}]}`, "answered 400: a: must have from 0 to 255 characters; b: is no e-mail address"},
		"Unknown":  {400, `{"field":"a","errorMessage":"error-new-rule"}`, "answered 400: a: error-new-rule"},
		"Required": {400, `{"field":"a","errorMessage":"error-user-attribute-required"}`, "a: is required by the realm's user profile"},
		"Lines":    {400, `{"error":"a\nb"}`, "answered 400: a b"},
		"NoJSON":   {500, "<h1>" + strings.Repeat("ü", 200), "answered 500: <h1>" + strings.Repeat("ü", 98) + "..."},
		"Empty":    {500, "", "answered 500: nothing"},
		"Success":  {200, `<html>`, "answered with no JSON"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, calls := scripted(t, status(tc.code, tc.body))
			err := c.CreateRole(t.Context(), "shop", "", Object{"name": "r"})
			if tc.code == http.StatusOK {
				_, err = c.GetRole(t.Context(), "shop", "uuid")
			}
			if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v, want one with %q", err, tc.want)
			}
			if n := calls.Load(); n != 1 && tc.code != http.StatusOK {
				t.Errorf("asked %d times", n)
			}
		})
	}
}

// TestForbidden holds that a refusal is believed in the end, and only then: a realm that is being deleted refuses
// everything for a while.
func TestForbidden(t *testing.T) {
	t.Parallel()
	c, calls := scripted(t, status(403, `{"error":"HTTP 403 Forbidden"}`))
	c.vanishing = 300 * time.Millisecond
	const want = "refuses this to the administrator plattr, who lacks the role manage-realm"
	if err := c.CreateRole(t.Context(), "shop", "", Object{"name": "r"}); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want one with %q", err, want)
	}
	if n := calls.Load(); n < 2 || n > 4 {
		t.Errorf("asked %d times", n)
	}
	deleted, calls := scripted(t, func(n int64, w http.ResponseWriter, _ *http.Request) {
		switch n {
		case 1:
			_, _ = w.Write([]byte(`{"realm":"shop"}`)) // what is shown to who may not see the realm
		case 2:
			w.WriteHeader(http.StatusForbidden)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	})
	if realm, err := deleted.GetRealm(t.Context(), "shop"); realm != nil || err != nil || calls.Load() != 3 {
		t.Errorf("a realm that vanishes: %v, %v, asked %d times", realm, err, calls.Load())
	}
}

// TestTrouble holds that what may be sent twice is tried again when Keycloak fails, and not for ever.
func TestTrouble(t *testing.T) {
	t.Parallel()
	script := func(good int64) func(int64, http.ResponseWriter, *http.Request) {
		return func(n int64, w http.ResponseWriter, r *http.Request) {
			if n < good {
				status(500, `{"error":"unknown_error"}`)(n, w, r)
				return
			}
			_, _ = w.Write([]byte("{}"))
		}
	}
	remove := func(c *Client) error { return c.DeleteRole(t.Context(), "shop", "uuid") }
	change := func(c *Client) error { return c.UpdateRole(t.Context(), "shop", "uuid", Object{}) }
	create := func(c *Client) error { return c.CreateRole(t.Context(), "shop", "", Object{}) }
	read := func(c *Client) error { _, err := c.GetRole(t.Context(), "shop", "uuid"); return err }
	const never = 99
	cases := map[string]struct {
		do   func(*Client) error
		good int64 // the call that is answered well
		once bool  // it must not be repeated
	}{
		"Read":          {do: read, good: 3},
		"ReadForEver":   {do: read, good: never},
		"Delete":        {do: remove, good: 4},
		"DeleteForEver": {do: remove, good: never},
		"Change":        {do: change, good: 2},
		"ChangeForEver": {do: change, good: never},
		"Create":        {do: create, good: never, once: true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, calls := scripted(t, script(tc.good))
			c.patience, c.troubled = time.Minute, 30*time.Second
			if tc.good == never {
				c.troubled = 300 * time.Millisecond
			}
			err := tc.do(c)
			switch n := calls.Load(); {
			case tc.once && (n != 1 || !IsTroubled(err)):
				t.Errorf("%v after %d calls, want one call", err, n)
			case tc.good == never && !tc.once && (n < 2 || n > 20 || !IsTroubled(err)):
				t.Errorf("%v after %d calls, want some", err, n)
			case tc.good != never && (n != tc.good || err != nil):
				t.Errorf("%v after %d calls, want %d", err, n, tc.good)
			}
		})
	}
}

func TestRedirect(t *testing.T) {
	t.Parallel()
	c, _ := scripted(t, func(_ int64, w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "https://elsewhere.example.org/x?token=planted")
		w.WriteHeader(http.StatusFound)
	})
	_, err := c.GetRealm(t.Context(), "shop")
	if err == nil || !strings.HasSuffix(err.Error(), "answered 302: it redirects to https://elsewhere.example.org/x") {
		t.Errorf("error %v", err)
	}
}

// TestHost holds that a name that nobody knows is an error at once.
func TestHost(t *testing.T) {
	t.Parallel()
	began := time.Now()
	_, err := at(t, "http://nowhere.invalid").GetRealm(t.Context(), "shop")
	var gone *UnreachableError
	if !errors.As(err, &gone) || !strings.Contains(err.Error(), "nowhere.invalid") {
		t.Errorf("error %v", err)
	}
	if gone != nil && gone.For == 0 && time.Since(began) > time.Second {
		t.Errorf("it took %s", time.Since(began))
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"access_token":"x","expires_in":60,"id":"shop"}`))
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // it complains of clients that do not trust it
	s.StartTLS()
	t.Cleanup(s.Close)
	root := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	cases := map[string]struct {
		change func(*Config)
		want   string
	}{
		"Unknown":  {func(*Config) {}, "certificate signed by unknown authority"},
		"Trusted":  {func(c *Config) { c.RootCA = string(root) }, ""},
		"Skipped":  {func(c *Config) { c.InsecureSkipVerify = true }, ""},
		"NoTLS":    {func(c *Config) { c.URL = strings.Replace(c.URL, "https", "http", 1) }, "is it Keycloak?"},
		"BasePath": {func(c *Config) { c.RootCA, c.BasePath = string(root), "/auth/" }, ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := Config{URL: s.URL, Realm: "master", ClientID: "a", ClientSecret: "b"}
			tc.change(&cfg)
			c, err := New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			_, err = c.GetRealm(t.Context(), "shop")
			if tc.want == "" && err != nil || tc.want != "" && err == nil {
				t.Errorf("error %v, want %q", err, tc.want)
			}
			if name == "BasePath" && !strings.HasSuffix(c.base, "/auth") {
				t.Errorf("base is %s", c.base)
			}
		})
	}
}

// TestRenewal holds that a token is renewed before it ends.
func TestRenewal(t *testing.T) {
	t.Parallel()
	var logins atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/token") {
			logins.Add(1)
			_, _ = w.Write([]byte(`{"access_token":"x","expires_in":0.4}`))
			return
		}
		_, _ = w.Write([]byte(`{"id":"shop"}`))
	}))
	t.Cleanup(s.Close)
	c := at(t, s.URL)
	began := time.Now()
	for time.Since(began) < time.Second {
		if _, err := c.GetRealm(t.Context(), "shop"); err != nil {
			t.Fatal(err)
		}
	}
	if n := logins.Load(); n < 3 || n > 5 {
		t.Errorf("logged in %d times in a second, with tokens that last 400 ms", n)
	}
}

// TestSegments holds that a name cannot become another call.
func TestSegments(t *testing.T) {
	t.Parallel()
	c := at(t, "http://127.0.0.1:1")
	for _, id := range []string{"", ".", ".."} {
		err := c.DeleteUser(t.Context(), "shop", id)
		if err == nil || !strings.Contains(err.Error(), "cannot be part of an address") {
			t.Errorf("%q: %v", id, err)
		}
	}
	r, err := c.request(call{path: []string{"a/b", "ü", "?x#", "%2e"}})
	if err != nil || r.address != "http://127.0.0.1:1/admin/realms/a%2Fb/%C3%BC/%3Fx%23/%252e" {
		t.Errorf("%s, %v", r.address, err)
	}
}

// TestWaits holds that waiting for the server ends with the context.
func TestWaits(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	c := at(t, "http://"+l.Addr().String())
	c.patience = time.Minute
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err = c.GetRealm(ctx, "shop")
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > time.Second {
		t.Errorf("%v after %s", err, time.Since(began))
	}
}
