package opensearch

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

// role is what a user may do: everything with the indices of one prefix, and what clients ask of the cluster.
func role(prefix string) map[string]any {
	return map[string]any{
		"cluster_permissions": []any{"cluster_composite_ops", "cluster_monitor"},
		"index_permissions": []any{map[string]any{
			"index_patterns": []any{prefix + "*"}, "allowed_actions": []any{"indices_all"},
		}},
	}
}

// Granted is what [Client.Granted] says where nothing differs.
const Granted = "granted"

// User is a login of the security plugin, which may use the indices of one prefix.
type User struct{ Name, Password, Prefix string }

// Grant makes user, role and the mapping between them.
func (c *Client) Grant(ctx context.Context, u User) error {
	name := url.PathEscape(u.Name)
	for _, put := range []struct {
		path string
		body any
	}{
		{"internalusers/" + name, map[string]any{"password": u.Password, "description": "made by plattr"}},
		{"roles/" + name, role(u.Prefix)},
		{"rolesmapping/" + name, map[string]any{"users": []string{u.Name}}},
	} {
		if err := c.Call(ctx, http.MethodPut, security+put.path, put.body, nil); err != nil {
			return fmt.Errorf("grant access to user %s: %w", u.Name, err)
		}
	}
	return nil
}

// Granted tells what of the access is missing.
func (c *Client) Granted(ctx context.Context, u User) (string, error) {
	var missing []string
	as := &Client{base: c.base, user: u.Name, password: u.Password, http: c.http}
	switch err := as.Call(ctx, http.MethodGet, "/_plugins/_security/authinfo", nil, nil); {
	case IsUnauthorized(err):
		missing = append(missing, "login")
	case err != nil:
		return "", err
	}
	var roles map[string]map[string]any
	if err := ignoreNotFound(c.Call(ctx, http.MethodGet, security+"roles/"+url.PathEscape(u.Name), nil, &roles)); err != nil {
		return "", err
	}
	for key, want := range role(u.Prefix) {
		if !covers(roles[u.Name][key], want) {
			missing = append(missing, key)
		}
	}
	var mappings map[string]struct{ Users []string }
	if err := ignoreNotFound(c.Call(ctx, http.MethodGet, security+"rolesmapping/"+url.PathEscape(u.Name), nil, &mappings)); err != nil {
		return "", err
	}
	if !slices.Equal(mappings[u.Name].Users, []string{u.Name}) {
		missing = append(missing, "rolesmapping")
	}
	if len(missing) == 0 {
		return Granted, nil
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

// Revoke removes user, role and mapping.
func (c *Client) Revoke(ctx context.Context, u User) error {
	for _, kind := range []string{"rolesmapping/", "roles/", "internalusers/"} {
		if err := ignoreNotFound(c.Call(ctx, http.MethodDelete, security+kind+url.PathEscape(u.Name), nil, nil)); err != nil {
			return fmt.Errorf("take access from user %s: %w", u.Name, err)
		}
	}
	return nil
}
