package plattr

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plattr.dev/plattr/internal/providers/plattr/opensearch"
	"plattr.dev/plattr/internal/providers/plattr/sdk"
	"plattr.dev/plattr/internal/testutil"
)

func searchProvider(t *testing.T, url, stack string) *testutil.Provider {
	t.Helper()
	return testutil.NewProvider(t, New(), stack, inputs{"searchUrl": url})
}

func searchAt(t *testing.T, url string) *opensearch.Client {
	t.Helper()
	s, err := opensearch.New(url, 20*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// put sends documents and settings, as an application would.
func put(t *testing.T, s *opensearch.Client, path string, body any) {
	t.Helper()
	if err := s.Call(context.WithoutCancel(t.Context()), http.MethodPut, path, body, nil); err != nil {
		t.Fatalf("PUT %s: %v", path, err)
	}
}

func have(t *testing.T, s *opensearch.Client, prefix string) []string {
	t.Helper()
	names, err := s.Indices(t.Context(), prefix)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	return names
}

func uniquePrefix() string { return strings.ReplaceAll(testutil.Unique("shop"), "_", "-") }

// TestSearchSpace is a space's life; a neighbour whose name begins alike never notices.
func TestSearchSpace(t *testing.T) {
	t.Parallel()
	url := testutil.OpenSearch(t).URL
	s := searchAt(t, url)
	p, name := searchProvider(t, url, "mine"), uniquePrefix()
	in, near := inputs{"prefix": name + "--"}, inputs{"prefix": name + "-app--"}
	space, neighbour := p.MustCreate(t, sdk.SearchSpaceType, in), searchProvider(t, url, "near").MustCreate(t, sdk.SearchSpaceType, near)
	document := map[string]any{"text": "hello"}
	for _, index := range []string{name + "--notes", name + "--old", "." + name + "--hidden", name + "-app--notes"} {
		put(t, s, "/"+index+"/_doc/1", document)
	}
	put(t, s, "/_index_template/"+name+"--t", map[string]any{"index_patterns": []string{name + "--t*"}})
	put(t, s, "/_ingest/pipeline/"+name+"--p", map[string]any{"processors": []any{}})
	if err := s.Call(t.Context(), http.MethodPost, "/"+name+"--old/_close", nil, nil); err != nil {
		t.Fatal(err)
	}
	p.MustCreate(t, sdk.SearchSpaceType, in) // a run that was killed before it could note what it made
	if !space.Refresh() || len(space.Diff(in)) > 0 {
		t.Errorf("unchanged, but %v differ", space.Diff(in))
	}
	if got := have(t, s, name+"--"); !slices.Equal(got, []string{name + "--notes", name + "--old"}) {
		t.Errorf("the prefix has %v", got)
	}
	for range 2 {
		if err := space.Delete(); err != nil {
			t.Fatal(err)
		}
	}
	if space.Refresh() || len(have(t, s, name+"--")) > 0 {
		t.Errorf("left after the delete: %v", have(t, s, name+"--"))
	}
	for _, path := range []string{"/_index_template/" + name + "--t", "/_ingest/pipeline/" + name + "--p", "/_component_template/plattr-owner-" + name + "--"} {
		if err := s.Call(t.Context(), http.MethodGet, path, nil, nil); !opensearch.IsNotFound(err) {
			t.Errorf("%s is left: %v", path, err)
		}
	}
	if got := have(t, s, name+"-app--"); !neighbour.Refresh() || len(got) != 1 {
		t.Errorf("the neighbour has %v", got)
	}
	if err := errors.Join(neighbour.Delete(), s.Call(t.Context(), http.MethodDelete, "/."+name+"--hidden", nil, nil)); err != nil {
		t.Error(err)
	}
}

func TestSearchSpaceOfOthers(t *testing.T) {
	t.Parallel()
	url := testutil.OpenSearch(t).URL
	s := searchAt(t, url)
	theirs, persons := uniquePrefix()+"--", uniquePrefix()+"--"
	other := searchProvider(t, url, "other").MustCreate(t, sdk.SearchSpaceType, inputs{"prefix": theirs})
	t.Cleanup(func() { _ = other.Delete() })
	put(t, s, "/"+persons+"notes/_doc/1", map[string]any{"a": 1})
	for _, prefix := range []string{theirs, persons} {
		_, err := searchProvider(t, url, "mine").Create(t, sdk.SearchSpaceType, inputs{"prefix": prefix})
		var foreign *ForeignError
		if !errors.As(err, &foreign) {
			t.Errorf("%s: %v, want it refused", prefix, err)
		}
	}
	if len(have(t, s, persons)) != 1 || !other.Refresh() {
		t.Error("others' things were touched")
	}
}

func TestSearchBadInput(t *testing.T) {
	t.Parallel()
	p := testutil.NewProvider(t, New(), "mine", inputs{})
	for name, tc := range map[string]struct {
		in   inputs
		want string
	}{
		"NoServer":  {inputs{"prefix": "a--"}, "no searchUrl"},
		"OneHyphen": {inputs{"prefix": "a-"}, "prefix"},
		"Star":      {inputs{"prefix": "*--"}, "prefix"},
		"Capital":   {inputs{"prefix": "A--"}, "prefix"},
		"Half":      {inputs{"prefix": "a--", "username": "a"}, "belong together"},
	} {
		if _, err := p.Create(t, sdk.SearchSpaceType, tc.in); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
	}
	if _, err := opensearch.New("ftp://u:very-secret@h", time.Second); err == nil || strings.Contains(err.Error(), "very-secret") {
		t.Errorf("a URL that cannot be read: %v", err)
	}
}

// TestSearchAccess: where the security plugin runs, the prefix is enforced.
func TestSearchAccess(t *testing.T) {
	t.Parallel()
	server := testutil.SecuredOpenSearch(t)
	url := func(user, password string) string {
		return strings.Replace(server.URL, "://", "://"+user+":"+password+"@", 1)
	}
	admin := searchAt(t, url(server.Admin, server.AdminPassword))
	p, name := searchProvider(t, url(server.Admin, server.AdminPassword), "mine"), uniquePrefix()
	in := inputs{"prefix": name + "--", "username": name, "password": "Correct-Horse-7"}
	space := p.MustCreate(t, sdk.SearchSpaceType, in)
	t.Cleanup(func() { _ = space.Delete() })
	put(t, admin, "/"+name+"-app--notes/_doc/1", map[string]any{"a": 1})
	me := searchAt(t, url(name, "Correct-Horse-7"))
	put(t, me, "/"+name+"--notes/_doc/1?refresh=true", map[string]any{"text": "hello"})
	for what, try := range map[string]struct {
		method, path string
		want         int
	}{
		"OwnSearch":   {http.MethodGet, "/" + name + "--notes/_search", 200},
		"OwnWildcard": {http.MethodGet, "/" + name + "--*/_search", 200},
		"Health":      {http.MethodGet, "/_cluster/health", 200},
		"OthersRead":  {http.MethodGet, "/" + name + "-app--notes/_search", 403},
		"OthersWrite": {http.MethodPut, "/" + name + "-app--notes/_doc/2", 403},
		"OthersDrop":  {http.MethodDelete, "/" + name + "-app--notes", 403},
		"Users":       {http.MethodGet, "/_plugins/_security/api/" + "internalusers", 403},
	} {
		var body any
		if try.method == http.MethodPut {
			body = map[string]any{"a": 2}
		}
		err := me.Call(t.Context(), try.method, try.path, body, nil)
		var refused *opensearch.Error
		if got := 200; errors.As(err, &refused) && refused.Status != try.want || err == nil && try.want != got {
			t.Errorf("%s: %v, want %d", what, err, try.want)
		}
	}
	if !space.Refresh() || len(space.Diff(in)) > 0 {
		t.Errorf("unchanged, but %v differ", space.Diff(in))
	}
	wide := map[string]any{"index_permissions": []any{map[string]any{"index_patterns": []any{"*"}, "allowed_actions": []any{"indices_all"}}}}
	put(t, admin, "/_plugins/_security/api/"+"roles/"+name, wide)
	if !space.Refresh() || !slices.Equal(space.Diff(in), []string{"access"}) {
		t.Errorf("a wider role: %v differ", space.Diff(in))
	}
	put(t, admin, "/_plugins/_security/api/"+"internalusers/"+name, map[string]any{"password": "Another-Horse-8"})
	if err := space.Update(in); err != nil {
		t.Fatal(err)
	}
	if !space.Refresh() || len(space.Diff(in)) > 0 {
		t.Errorf("after the repair %v differ", space.Diff(in))
	}
	put(t, me, "/"+name+"--notes/_doc/2", map[string]any{"text": "again"})
	if err := space.Delete(); err != nil {
		t.Fatal(err)
	}
	if err := me.Call(t.Context(), http.MethodGet, "/", nil, nil); !opensearch.IsUnauthorized(err) {
		t.Errorf("the user still gets in: %v", err)
	}
	var left map[string]any
	if err := admin.Call(t.Context(), http.MethodGet, "/_plugins/_security/api/"+"roles/"+name, nil, &left); !opensearch.IsNotFound(err) {
		t.Errorf("the role is left: %v %v", left, err)
	}
}

// TestSearchThatStarts: a run begins while the server is still starting.
func TestSearchThatStarts(t *testing.T) {
	t.Parallel()
	s := testutil.NewOpenSearch(t)
	p := searchProvider(t, s.URL, "mine")
	s.Kill()
	var wg sync.WaitGroup
	wg.Go(func() { p.MustCreate(t, sdk.SearchSpaceType, inputs{"prefix": "shop--"}) })
	time.Sleep(200 * time.Millisecond)
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
}

// TestIdentityMetadata reads what real servers say of themselves: a Keycloak is an identity provider of both kinds.
func TestIdentityMetadata(t *testing.T) {
	t.Parallel()
	url := testutil.Keycloak(t).URL + "/realms/master"
	p := testutil.NewProvider(t, New(), "mine", inputs{})
	oidc := p.MustCreate(t, sdk.IdentityMetadataType, inputs{"issuer": url})
	for key, want := range map[string]string{
		"entityId": url, "authorizationUrl": url + "/protocol/openid-connect/auth", "tokenUrl": url + "/protocol/openid-connect/token",
		"jwksUrl": url + "/protocol/openid-connect/certs", "userInfoUrl": url + "/protocol/openid-connect/userinfo",
		"logoutUrl": url + "/protocol/openid-connect/logout", "certificate": "",
	} {
		if diff := cmp.Diff(want, oidc.Output(key)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", key, diff)
		}
	}
	saml := p.MustCreate(t, sdk.IdentityMetadataType, inputs{"metadataUrl": url + "/protocol/saml/descriptor"})
	if saml.Output("entityId") != url || saml.Output("singleSignOnUrl") != url+"/protocol/saml" || len(saml.Output("certificate").(string)) < 500 {
		t.Errorf("SAML: %v", saml.Outputs.Mappable())
	}
	if !saml.Refresh() || len(saml.Diff(inputs{"metadataUrl": url + "/protocol/saml/descriptor"})) > 0 {
		t.Error("a refresh changes it")
	}
}

func TestIdentityMetadataRefused(t *testing.T) {
	t.Parallel()
	pages := map[string]string{
		"/other/.well-known/openid-configuration": `{"issuer": "https://elsewhere", "authorization_endpoint": "a", "token_endpoint": "b", "jwks_uri": "c"}`,
		"/less/.well-known/openid-configuration":  `{"issuer": "x"}`,
		"/html":                                   "<html><body>hello</body></html>",
		"/text":                                   "hello",
	}
	site := httpPages(t, pages)
	p := testutil.NewProvider(t, New(), "mine", inputs{})
	for name, tc := range map[string]struct {
		in   inputs
		want string
	}{
		"Nothing":      {inputs{}, "one of them"},
		"Both":         {inputs{"issuer": "https://a", "metadataUrl": "https://a"}, "one of them"},
		"NoTLS":        {inputs{"issuer": "http://a.example"}, "https://"},
		"NoURL":        {inputs{"metadataUrl": "corp"}, "https://"},
		"OtherIssuer":  {inputs{"issuer": site + "/other"}, "it says that it is issuer"},
		"Incomplete":   {inputs{"issuer": site + "/less"}, "it has no"},
		"Missing":      {inputs{"issuer": site + "/gone"}, "404"},
		"HTML":         {inputs{"metadataUrl": site + "/html"}, "no SAML identity provider"},
		"Text":         {inputs{"metadataUrl": site + "/text"}, "neither JSON nor XML"},
		"NobodyListen": {inputs{"metadataUrl": "http://127.0.0.1:1/x"}, "connection refused"},
	} {
		if _, err := p.Create(t, sdk.IdentityMetadataType, tc.in); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
	}
}

func httpPages(t *testing.T, pages map[string]string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, ok := pages[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		_, _ = fmt.Fprint(w, text)
	}))
	t.Cleanup(s.Close)
	return s.URL
}
