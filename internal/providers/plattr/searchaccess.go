package plattr

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
)

// security is where the plugin's API lies (https://docs.opensearch.org/latest/security/access-control/api/).
const security = "/_plugins/_security/api/"

// searchRole is what a user may do: everything with the indices of one prefix, and what clients ask of the cluster.
func searchRole(prefix string) map[string]any {
	return map[string]any{
		"cluster_permissions": []any{"cluster_composite_ops", "cluster_monitor"},
		"index_permissions": []any{map[string]any{
			"index_patterns": []any{prefix + "*"}, "allowed_actions": []any{"indices_all"},
		}},
	}
}

// grant makes user, role and the mapping between them.
func (s *searchServer) grant(ctx context.Context, a SearchSpaceArgs) error {
	name := url.PathEscape(a.Username)
	for _, put := range []struct {
		path string
		body any
	}{
		{"internalusers/" + name, map[string]any{"password": a.Password, "description": "made by plattr"}},
		{"roles/" + name, searchRole(a.Prefix)},
		{"rolesmapping/" + name, map[string]any{"users": []string{a.Username}}},
	} {
		if err := s.call(ctx, http.MethodPut, security+put.path, put.body, nil); err != nil {
			return fmt.Errorf("grant access to user %s: %w", a.Username, err)
		}
	}
	return nil
}

// granted tells what of the access is missing.
func (s *searchServer) granted(ctx context.Context, a SearchSpaceArgs) (string, error) {
	var missing []string
	as := &searchServer{base: s.base, user: a.Username, password: a.Password, http: s.http}
	switch err := as.call(ctx, http.MethodGet, "/_plugins/_security/authinfo", nil, nil); {
	case isUnauthorized(err):
		missing = append(missing, "login")
	case err != nil:
		return "", err
	}
	var roles map[string]map[string]any
	if err := ignoreNotFound(s.call(ctx, http.MethodGet, security+"roles/"+url.PathEscape(a.Username), nil, &roles)); err != nil {
		return "", err
	}
	for key, want := range searchRole(a.Prefix) {
		if !covers(roles[a.Username][key], want) {
			missing = append(missing, key)
		}
	}
	var mappings map[string]struct{ Users []string }
	if err := ignoreNotFound(s.call(ctx, http.MethodGet, security+"rolesmapping/"+url.PathEscape(a.Username), nil, &mappings)); err != nil {
		return "", err
	}
	if !slices.Equal(mappings[a.Username].Users, []string{a.Username}) {
		missing = append(missing, "rolesmapping")
	}
	if len(missing) == 0 {
		return accessGranted, nil
	}
	slices.Sort(missing)
	return "differs: " + strings.Join(missing, ", "), nil
}

// covers compares what the server says with what was asked for; the server adds keys of its own to objects.
func covers(have, want any) bool {
	switch w := want.(type) {
	case map[string]any:
		h, ok := have.(map[string]any)
		for k := range w {
			ok = ok && covers(h[k], w[k])
		}
		return ok
	case []any:
		h, ok := have.([]any)
		if !ok || len(h) != len(w) {
			return false
		}
		for i := range w {
			if !covers(h[i], w[i]) {
				return false
			}
		}
		return true
	default:
		return reflect.DeepEqual(have, want)
	}
}

// revoke removes user, role and mapping.
func (s *searchServer) revoke(ctx context.Context, a SearchSpaceArgs) error {
	for _, kind := range []string{"rolesmapping/", "roles/", "internalusers/"} {
		if err := ignoreNotFound(s.call(ctx, http.MethodDelete, security+kind+url.PathEscape(a.Username), nil, nil)); err != nil {
			return fmt.Errorf("take access from user %s: %w", a.Username, err)
		}
	}
	return nil
}
