package redis_test

import (
	"context"
	"net/url"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	goredis "github.com/redis/go-redis/v9"

	"plattr.dev/plattr/components/redis"
	"plattr.dev/plattr/internal/providers/plattr"
	"plattr.dev/plattr/internal/providers/plattr/redisclient"
	"plattr.dev/plattr/internal/testutil"
)

// apply makes the login on a server that is shared, as in a cluster, and returns its URL.
func apply(t *testing.T, s *testutil.RedisServer, user string) (*testutil.Applied, string) {
	t.Helper()
	providers := map[string]*testutil.Provider{
		"plattr": testutil.NewProvider(t, plattr.New(), user, map[string]any{"redisUrl": s.URL(s.Admin, s.AdminPassword)}),
	}
	at := ""
	applied, err := testutil.Apply(t, user, providers, func(ctx *pulumi.Context) error {
		r, err := redis.New(ctx, "shop", &redis.Args{Host: s.Host, Port: s.Port, User: user})
		if err != nil {
			return err
		}
		r.URL.ApplyT(func(v string) error { at = v; return nil })
		return nil
	})
	if err != nil {
		t.Fatalf("apply: %v", err)
	}
	return applied, at
}

// connect logs in as an application does.
func connect(t *testing.T, at string) *goredis.Client {
	t.Helper()
	c, err := redisclient.Parse(at, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// TestLogin: an application reads and writes with its URL, knows no way to administer the server, and is out when its
// login is deleted.
func TestLogin(t *testing.T) {
	t.Parallel()
	s, user := testutil.Redis(t), testutil.Unique("shop")
	applied, at := apply(t, s, user)
	c := connect(t, at)
	if err := c.Set(t.Context(), user+":k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	for _, command := range [][]any{{"acl", "list"}, {"config", "set", "maxmemory", "1"}, {"shutdown", "nosave"}, {"debug", "sleep", "0"}} {
		if err := c.Do(t.Context(), command...).Err(); err == nil {
			t.Errorf("an application may do %v", command)
		}
	}
	if drift := applied.Drift(t); len(drift) > 0 {
		t.Errorf("drift at once: %v", drift)
	}
	if u, err := url.Parse(at); err != nil || u.User.Username() != user {
		t.Errorf("the URL logs in as another user: %v", err)
	}
	applied.Destroy(t)
	if err := connect(t, at).Ping(context.WithoutCancel(t.Context())).Err(); err == nil {
		t.Error("the login still works")
	}
}
