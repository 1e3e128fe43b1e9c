// Package plattr serves the resource types that no official Pulumi package has: generated secrets, what a superuser must
// do once in a database so that PostgREST hears of new tables, users of Redis, spaces in OpenSearch, and what identity
// providers say of themselves.
package plattr

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"

	"plattr.dev/plattr/internal/providers/embedded"
	"plattr.dev/plattr/internal/providers/plattr/opensearch"
	"plattr.dev/plattr/internal/providers/postgresql/server"
)

// Version is the version of the types.
const Version = "0.1.0"

// Config is the provider's configuration.
type Config struct {
	// BootstrapURL logs in as somebody who may create event triggers: a superuser, or the master user of RDS. Only
	// DatabaseBootstrap needs it.
	BootstrapURL string `json:"bootstrapUrl,omitempty"`
	// RedisURL logs in as somebody who may make users (redis:// or rediss://). Only RedisUser needs it.
	RedisURL string `json:"redisUrl,omitempty"`
	// SearchURL is OpenSearch's, with the credentials of an administrator where it wants some. Only SearchSpace needs it.
	SearchURL string `json:"searchUrl,omitempty"`
	// ConnectTimeout is in seconds, for each connection; 10 when left out.
	ConnectTimeout int `json:"connectTimeout,omitempty"`
}

// client is what the handlers work with.
type client struct {
	bootstrap *server.Config
	redis     *redisServer
	search    *opensearch.Client
}

// New returns an instance of the provider.
func New() plugin.Provider {
	return embedded.New(embedded.Spec[Config, client]{
		Package: "plattr", Version: Version,
		Configure: configure,
		Resources: []embedded.Resource[client]{
			secretType(), bootstrapType(), redisUserType(), searchSpaceType(), identityMetadataType(),
		},
	})
}

func configure(_ context.Context, c Config) (out client, err error) {
	timeout := time.Duration(cmp.Or(c.ConnectTimeout, defaultTimeout)) * time.Second
	if c.BootstrapURL != "" {
		conf, err := server.ParseURL(c.BootstrapURL)
		if err != nil {
			return client{}, fmt.Errorf("bootstrapUrl: %w", err)
		}
		conf.ConnectTimeout, conf.MaxConnections = timeout, 1
		out.bootstrap = &conf
	}
	if c.RedisURL != "" {
		if out.redis, err = parseRedis(c.RedisURL, timeout); err != nil {
			return client{}, fmt.Errorf("redisUrl: %w", err)
		}
	}
	if c.SearchURL != "" {
		if out.search, err = opensearch.New(c.SearchURL, timeout); err != nil {
			return client{}, fmt.Errorf("searchUrl: %w", err)
		}
	}
	return out, nil
}

// defaultTimeout of a connection is in seconds.
const defaultTimeout = 10

// errNoBootstrap is a configuration without the one login that may create event triggers.
var errNoBootstrap = errors.New("the plattr provider has no bootstrapUrl, and event triggers need a superuser or the RDS master user")

// server opens the connection for one operation: a superuser's session that stays would keep the administrator from
// dropping the database.
func (c client) server() (*server.Server, error) {
	if c.bootstrap == nil {
		return nil, errNoBootstrap
	}
	return server.New(*c.bootstrap), nil
}
