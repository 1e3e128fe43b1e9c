package search_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"plattr.dev/plattr/components/search"
	"plattr.dev/plattr/internal/providers/plattr"
	"plattr.dev/plattr/internal/providers/plattr/opensearch"
	"plattr.dev/plattr/internal/testutil"
)

// unique is a name of a test's own, as prefixes may be.
func unique() string { return strings.ReplaceAll(testutil.Unique("shop"), "_", "-") }

// place is what an application is given.
type place struct{ url, prefix, user, password string }

func apply(t *testing.T, admin string, args search.Args) (*testutil.Applied, place) {
	t.Helper()
	providers := map[string]*testutil.Provider{
		"plattr": testutil.NewProvider(t, plattr.New(), args.Prefix, map[string]any{"searchUrl": admin}),
	}
	var p place
	applied, err := testutil.Apply(t, args.Prefix, providers, func(ctx *pulumi.Context) error {
		s, err := search.New(ctx, "shop", &args)
		if err != nil {
			return err
		}
		pulumi.All(s.URL, s.Prefix, s.Username, s.Password).ApplyT(func(v []any) error {
			p = place{v[0].(string), v[1].(string), v[2].(string), v[3].(string)}
			return nil
		})
		return nil
	})
	if err != nil {
		t.Fatalf("apply: %v", err)
	}
	return applied, p
}

// as is a client with the credentials of an application.
func as(t *testing.T, p place) *opensearch.Client {
	t.Helper()
	u, err := url.Parse(p.url)
	if err != nil {
		t.Fatal(err)
	}
	if p.user != "" {
		u.User = url.UserPassword(p.user, p.password)
	}
	c, err := opensearch.New(u.String(), 30*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestConvention: without the security plugin the prefix is a name, which a deletion empties.
func TestConvention(t *testing.T) {
	t.Parallel()
	s, prefix := testutil.OpenSearch(t), unique()+"--"
	applied, p := apply(t, s.URL, search.Args{URL: s.URL, Prefix: prefix})
	if p.user != "" || p.password != "" || p.prefix != prefix {
		t.Errorf("place %+v", p)
	}
	c := as(t, p)
	if err := c.Call(t.Context(), http.MethodPut, "/"+prefix+"notes/_doc/1", map[string]any{"text": "x"}, nil); err != nil {
		t.Fatal(err)
	}
	if drift := applied.Drift(t); len(drift) > 0 {
		t.Errorf("drift at once: %v", drift)
	}
	applied.Destroy(t)
	if err := c.Call(t.Context(), http.MethodGet, "/"+prefix+"notes", nil, nil); !opensearch.IsNotFound(err) {
		t.Errorf("the indices are left: %v", err)
	}
}

// TestEnforced: with the security plugin the application has a user, whose password the plugin's rules accept.
func TestEnforced(t *testing.T) {
	t.Parallel()
	s, name := testutil.SecuredOpenSearch(t), unique()
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(s.Admin, s.AdminPassword)
	applied, p := apply(t, u.String(), search.Args{URL: s.URL, Prefix: name + "--", User: name})
	c := as(t, p)
	if err := c.Call(t.Context(), http.MethodPut, "/"+p.prefix+"notes/_doc/1", map[string]any{"text": "x"}, nil); err != nil {
		t.Errorf("its own index: %v", err)
	}
	if err := c.Call(t.Context(), http.MethodPut, "/"+name+"-other/_doc/1", map[string]any{"text": "x"}, nil); err == nil {
		t.Error("another's index can be written")
	}
	applied.Destroy(t)
	if err := c.Call(t.Context(), http.MethodGet, "/", nil, nil); !opensearch.IsUnauthorized(err) {
		t.Errorf("the user still gets in: %v", err)
	}
}
