package localdev

import (
	"errors"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"plattr.dev/plattr/internal/deploy"
	"plattr.dev/plattr/internal/environ"
	"plattr.dev/plattr/internal/providers/plattr/redisclient"
	"plattr.dev/plattr/operator/api/v1alpha1"
)

// TestDiscard holds that data which were discarded are gone, on a Redis that stays as well.
func TestDiscard(t *testing.T) {
	t.Parallel()
	app := shop()
	app.Spec.Redis = &v1alpha1.RedisSpec{Enabled: true}
	d := newDev(t, app)
	first := up(t, d)
	conn := connect(t, first.Connections.DatabaseURL)
	exec(t, conn, "create table item ()")
	if err := redisOf(t, first.Variables).Set(t.Context(), "k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	p, err := d.platform(first.Endpoints)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Unserve(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Deployer().Discard(t.Context(), d.application(first.Endpoints), p, deploy.Options{}); err != nil {
		t.Fatal(err)
	}
	again := up(t, d)
	if got, err := redisOf(t, again.Variables).Get(t.Context(), "k").Result(); !errors.Is(err, redis.Nil) {
		t.Errorf("Redis has %q, %v", got, err)
	}
	var there bool
	err = connect(t, again.Connections.DatabaseURL).QueryRow(t.Context(), "select to_regclass('item') is not null").Scan(&there)
	if err != nil || there {
		t.Errorf("the table is there: %t, %v", there, err)
	}
}

// redisOf is an application's Redis, as the application reaches it.
func redisOf(t *testing.T, vars []environ.Variable) *redis.Client {
	t.Helper()
	c, err := redisclient.Parse(variable(vars, "REDIS_URL"), 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}
