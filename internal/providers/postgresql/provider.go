// Package postgresql serves the types of the official pulumi-postgresql plugin that plattr's components use, from this
// process. Tokens, inputs, outputs and IDs are the plugin's.
//
// It works with an administrator that may create roles and databases but is no superuser. Roles, databases, schemas
// and extensions that it makes carry their stack's name in a comment; a thing without that mark is never adopted,
// changed or dropped.
package postgresql

import (
	"context"
	"fmt"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"

	"plattr.dev/plattr/internal/providers/embedded"
	"plattr.dev/plattr/internal/providers/postgresql/server"
)

// Version is the version of the official plugin whose types are served.
const Version = "3.10.0"

// Config is the provider's configuration as the official SDK writes it. Settings that are not here are refused.
type Config struct {
	Host     string `json:"host,omitempty"`
	Port     int    `json:"port,omitempty"`
	Database string `json:"database,omitempty"`
	Username string `json:"username,omitempty"`
	Password string `json:"password,omitempty"`
	SSLMode  string `json:"sslmode,omitempty"`
	// SSLRootCert is a file of certificates to trust.
	SSLRootCert string `json:"sslrootcert,omitempty"`
	// ConnectTimeout is in seconds; 10 when left out.
	ConnectTimeout int `json:"connectTimeout,omitempty"`
	// MaxConnections limits the connections to each database; 2 when left out.
	MaxConnections int `json:"maxConnections,omitempty"`
	// Superuser is accepted for the official plugin's sake; nothing here needs one.
	Superuser *bool `json:"superuser,omitempty"`
	// Scheme must be "postgres" when given: other clouds' proxies are not spoken to.
	Scheme string `json:"scheme,omitempty"`
}

// New returns an instance of the provider.
func New() plugin.Provider {
	return embedded.New(embedded.Spec[Config, *server.Server]{
		Package: "postgresql", Version: Version, Bridged: true,
		Configure: configure,
		Close:     (*server.Server).Close,
		Resources: []embedded.Resource[*server.Server]{
			databaseType(), schemaType(), roleType(), grantRoleType(),
			grantType(), defaultPrivilegesType(), extensionType(),
		},
	})
}

func configure(_ context.Context, c Config) (*server.Server, error) {
	if c.Scheme != "" && c.Scheme != "postgres" {
		return nil, fmt.Errorf("scheme %q is not supported, only postgres", c.Scheme)
	}
	return server.New(server.Config{
		Host: c.Host, Port: c.Port, Database: c.Database, Username: c.Username, Password: c.Password,
		SSLMode: c.SSLMode, SSLRootCert: c.SSLRootCert,
		ConnectTimeout: time.Duration(c.ConnectTimeout) * time.Second, MaxConnections: c.MaxConnections,
	}), nil
}
