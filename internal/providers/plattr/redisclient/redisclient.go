// Package redisclient connects to a Redis for one job: one connection, one attempt, nothing printed. Who has reasons to
// wait tries again.
package redisclient

import (
	"errors"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// silence keeps the library from writing to the standard error of whoever runs it.
//
//nolint:gochecknoglobals // it is the library's own global
var silence = sync.OnceFunc(logging.Disable)

// New returns a client of the server at address, a host and a port. Timeout bounds each step, and so do the contexts of
// its calls.
func New(address, user, password string, timeout time.Duration) *redis.Client {
	return open(&redis.Options{Addr: address, Username: user, Password: password}, timeout)
}

// Parse is New for a redis:// or rediss:// URL.
func Parse(url string, timeout time.Duration) (*redis.Client, error) {
	o, err := redis.ParseURL(url)
	if err != nil {
		return nil, errors.New("it is no redis:// URL") // the library's message quotes the password
	}
	return open(o, timeout), nil
}

func open(o *redis.Options, timeout time.Duration) *redis.Client {
	silence()
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout = timeout, timeout, timeout
	o.PoolSize, o.MaxRetries, o.DialerRetries = 1, -1, 1
	o.DisableIdentity, o.Protocol, o.ContextTimeoutEnabled = true, 2, true
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return redis.NewClient(o)
}
