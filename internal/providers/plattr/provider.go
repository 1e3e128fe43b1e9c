// Package plattr serves the resource types that no official Pulumi package has: generated secrets, and what a
// superuser must do once in a database so that PostgREST hears of new tables.
package plattr

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"

	"plattr.dev/plattr/internal/providers/embedded"
	"plattr.dev/plattr/internal/providers/postgresql/server"
)

// Version is the version of the types.
const Version = "0.1.0"

// Config is the provider's configuration.
type Config struct {
	// BootstrapURL logs in as somebody who may create event triggers: a superuser, or the master user of RDS. Only
	// DatabaseBootstrap needs it.
	BootstrapURL string `json:"bootstrapUrl,omitempty"`
	// ConnectTimeout is in seconds; 10 when left out.
	ConnectTimeout int `json:"connectTimeout,omitempty"`
}

// client is what the handlers work with.
type client struct{ bootstrap *server.Config }

// New returns an instance of the provider.
func New() plugin.Provider {
	return embedded.New(embedded.Spec[Config, client]{
		Package: "plattr", Version: Version,
		Configure: configure,
		Resources: []embedded.Resource[client]{secretType(), bootstrapType()},
	})
}

func configure(_ context.Context, c Config) (client, error) {
	if c.BootstrapURL == "" {
		return client{}, nil
	}
	conf, err := server.ParseURL(c.BootstrapURL)
	if err != nil {
		return client{}, fmt.Errorf("bootstrapUrl: %w", err)
	}
	conf.ConnectTimeout = time.Duration(c.ConnectTimeout) * time.Second
	conf.MaxConnections = 1
	return client{bootstrap: &conf}, nil
}

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
