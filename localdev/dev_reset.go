package localdev

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"plattr.dev/plattr/internal/deploy"
	"plattr.dev/plattr/internal/providers/plattr/opensearch"
	"plattr.dev/plattr/internal/providers/plattr/redisclient"
)

// ErrNoRedis says that the application asks for no Redis, ErrNoSearch that it asks for no search.
var (
	ErrNoRedis  = errors.New("the application has no Redis: set redis.enabled in plattr.yaml")
	ErrNoSearch = errors.New("the application has no search: set search.enabled in plattr.yaml")
)

// resetTimeout bounds each request of a reset.
const resetTimeout = 30 * time.Second

// ResetRedis deletes everything in the application's Redis, and returns how many keys there were. An application that was
// never set up gets ErrNotUp.
func (d *Dev) ResetRedis(ctx context.Context, r Reports) (keys int64, err error) {
	app := d.options.Application
	if !app.Spec.RedisEnabled() {
		return 0, ErrNoRedis
	}
	if err := d.mustBeThere(ctx, func(s deploy.Servers) bool { return s.Redis }); err != nil {
		return 0, err
	}
	e, err := d.runtime.Ensure(ctx, Needs{Redis: app.Name}, r.Services)
	if err != nil {
		return 0, err
	}
	address := net.JoinHostPort(e.Redis.Host, strconv.Itoa(e.Redis.Port))
	client := redisclient.New(address, e.Redis.Admin, e.Redis.Password, resetTimeout)
	defer client.Close() //nolint:errcheck // nothing is buffered
	keys, err = client.DBSize(ctx).Result()
	if err == nil {
		err = client.FlushAll(ctx).Err()
	}
	if err != nil {
		return 0, fmt.Errorf("empty the Redis of %s: %w", app.Name, err)
	}
	return keys, nil
}

// ResetSearch deletes the application's indices, and what else it keeps under its prefix, and returns the names of the
// indices. An application that was never set up gets ErrNotUp.
func (d *Dev) ResetSearch(ctx context.Context, r Reports) (indices []string, err error) {
	app := d.options.Application
	if !app.Spec.SearchEnabled() {
		return nil, ErrNoSearch
	}
	if err := d.mustBeThere(ctx, func(s deploy.Servers) bool { return s.Search }); err != nil {
		return nil, err
	}
	e, err := d.runtime.Ensure(ctx, Needs{OpenSearch: true}, r.Services)
	if err != nil {
		return nil, err
	}
	client, err := opensearch.New(e.OpenSearch.URL, resetTimeout)
	if err != nil {
		return nil, err
	}
	prefix := d.Names().IndexPrefix
	if indices, err = client.Indices(ctx, prefix); err == nil {
		err = client.Empty(ctx, prefix)
	}
	if err != nil {
		return nil, fmt.Errorf("delete the indices of %s: %w", app.Name, err)
	}
	return indices, nil
}

// mustBeThere returns ErrNotUp where nothing of the application is on a server, and refuses another project's.
func (d *Dev) mustBeThere(ctx context.Context, on func(deploy.Servers) bool) error {
	present, err := d.deployer.Present(ctx, d.options.Application, deploy.Platform{Target: d.target})
	if err != nil {
		return explain(err)
	}
	if !on(present) {
		return fmt.Errorf("%s, local: %w", d.options.Application.Name, ErrNotUp)
	}
	return explain(d.claim(ctx))
}
