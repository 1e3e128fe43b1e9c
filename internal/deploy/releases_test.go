package deploy

import (
	"strings"
	"testing"

	"plattr.dev/plattr/operator/api/v1alpha1"
)

// TestUndiscarded holds for which Redis it is said that data stay: one that is neither this machine's nor the application's.
func TestUndiscarded(t *testing.T) {
	t.Parallel()
	redis := v1alpha1.ApplicationSpec{Redis: &v1alpha1.RedisSpec{Enabled: true}}
	for name, tc := range map[string]struct {
		spec   v1alpha1.ApplicationSpec
		server RedisServer
		want   string
	}{
		"None":     {v1alpha1.ApplicationSpec{}, RedisServer{Host: "cache.example.com"}, ""},
		"Managed":  {redis, RedisServer{Host: "cache.example.com"}, "what shop kept in Redis at cache.example.com stays"},
		"Laptop":   {redis, RedisServer{Host: "127.0.0.1", Own: true}, ""},
		"Instance": {redis, RedisServer{Image: "redis"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := strings.Join(undiscarded("shop", tc.spec, Platform{Redis: tc.server}), "\n")
			if (got == "") != (tc.want == "") || !strings.HasPrefix(got, tc.want) {
				t.Errorf("%q, want %q", got, tc.want)
			}
		})
	}
}
