// Package server talks to one PostgreSQL server on behalf of the providers: connections per database, one change at a
// time in each database, time limits, and errors that name the server instead of the driver.
package server

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Limits of a Config that leaves them out.
const (
	DefaultPort           = 5432
	DefaultDatabase       = "postgres"
	DefaultConnectTimeout = 10 * time.Second
	// DefaultMaxConnections is per database. It is small because many stacks work on one server at once.
	DefaultMaxConnections = 2
)

// Time limits of statements. A grant takes milliseconds; dropping a large schema or cloning a database takes longer.
const (
	statementTimeout = 2 * time.Minute
	lockTimeout      = 20 * time.Second
	idleTimeout      = 2 * time.Second
)

// Config says where a server is and who logs in.
type Config struct {
	// Host is a name, an address, or the directory of a Unix socket.
	Host string
	// Port is 5432 when zero.
	Port int
	// Database is where roles and databases are managed from; "postgres" when empty.
	Database string
	// Username and Password are the administrator's.
	Username, Password string
	// SSLMode is one of libpq's; "prefer" when empty.
	SSLMode string
	// SSLRootCert is a file of certificates to trust; may be empty.
	SSLRootCert string
	// ConnectTimeout limits one attempt to connect, and how long a server that is starting or full is waited for.
	ConnectTimeout time.Duration
	// MaxConnections limits the connections to each database.
	MaxConnections int
}

// ParseURL reads a Config from a postgres:// URL. Of libpq's parameters sslmode, sslrootcert, host, port and user are known; another is an
// error. The error never holds the URL, which has a password in it.
func ParseURL(raw string) (Config, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return Config{}, errors.New("a database URL looks like postgres://user:password@host:port/database")
	}
	c := Config{Host: u.Hostname(), Username: u.User.Username(), Database: strings.TrimPrefix(u.Path, "/")}
	c.Password, _ = u.User.Password()
	if p := u.Port(); p != "" {
		if c.Port, err = strconv.Atoi(p); err != nil {
			return Config{}, fmt.Errorf("port %q of the database URL is not a number", p)
		}
	}
	for key, values := range u.Query() {
		switch key {
		case "sslmode":
			c.SSLMode = values[0]
		case "sslrootcert":
			c.SSLRootCert = values[0]
		case "host": // a socket's directory, which does not fit in the authority
			c.Host = values[0]
		case "user":
			c.Username = values[0]
		case "port":
			if c.Port, err = strconv.Atoi(values[0]); err != nil {
				return Config{}, fmt.Errorf("port %q of the database URL is not a number", values[0])
			}
		default:
			return Config{}, fmt.Errorf("parameter %q of the database URL is not supported", key)
		}
	}
	return c, nil
}

// Address is host:port, as errors name the server.
func (c Config) Address() string { return net.JoinHostPort(c.Host, strconv.Itoa(c.Port)) }

func (c Config) withDefaults() Config {
	if c.Host == "" {
		c.Host = "localhost"
	}
	if c.Port == 0 {
		c.Port = DefaultPort
	}
	if c.Database == "" {
		c.Database = DefaultDatabase
	}
	if c.SSLMode == "" {
		c.SSLMode = "prefer"
	}
	if c.ConnectTimeout <= 0 {
		c.ConnectTimeout = DefaultConnectTimeout
	}
	if c.MaxConnections <= 0 {
		c.MaxConnections = DefaultMaxConnections
	}
	return c
}

// conn is the driver's configuration for one database.
func (c Config) conn(database string) (*pgx.ConnConfig, error) {
	settings := []string{
		setting("host", c.Host), setting("port", strconv.Itoa(c.Port)), setting("dbname", database),
		setting("user", c.Username), setting("sslmode", c.SSLMode),
	}
	if c.SSLRootCert != "" {
		settings = append(settings, setting("sslrootcert", c.SSLRootCert))
	}
	conf, err := pgx.ParseConfig(strings.Join(settings, " "))
	if err != nil {
		return nil, fmt.Errorf("settings of the PostgreSQL server at %s: check host, port, sslmode and sslrootcert", c.Address())
	}
	conf.Password = c.Password // never part of a string that an error could quote
	conf.ConnectTimeout = c.ConnectTimeout
	conf.DefaultQueryExecMode = pgx.QueryExecModeExec // one round trip, and no prepared statement behind a pooler
	conf.RuntimeParams = map[string]string{
		"application_name":                    "plattr",
		"search_path":                         "pg_catalog", // names in answers come out qualified, and nobody's function is called
		"statement_timeout":                   milliseconds(statementTimeout),
		"lock_timeout":                        milliseconds(lockTimeout),
		"idle_in_transaction_session_timeout": milliseconds(statementTimeout),
	}
	return conf, nil
}

func (c Config) pool(database string) (*pgxpool.Config, error) {
	conf, err := pgxpool.ParseConfig("")
	if err != nil {
		return nil, fmt.Errorf("settings of the connection pool: %w", err)
	}
	if conf.ConnConfig, err = c.conn(database); err != nil {
		return nil, err
	}
	conf.MaxConns = int32(min(c.MaxConnections, 1000)) //nolint:gosec // bounded on this line
	conf.MinConns = 0
	conf.MaxConnIdleTime = idleTimeout // others may be waiting for the server's slots
	conf.HealthCheckPeriod = idleTimeout / 2
	return conf, nil
}

// setting is one word of a libpq connection string.
func setting(key, value string) string {
	return key + "='" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(value) + "'"
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
