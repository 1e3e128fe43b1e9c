package cluster

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"plattr.dev/plattr/internal/kube"
	"plattr.dev/plattr/internal/kubeapi"
)

// What the database part of an application's environment is called in its namespace.
const (
	databaseSecret   = "-db"
	databaseVariable = "DATABASE_URL"
)

// reachTimeout bounds the question whether a server answers from here.
const reachTimeout = 5 * time.Second

// DatabaseURL is the one that the application's pods have: with the password of its role, so it is not to be shown.
func (c *Client) DatabaseURL(ctx context.Context, app kube.App) (string, error) {
	name := app.Name + databaseSecret
	secret, err := c.find(ctx, kubeapi.SecretKind, app.Namespace, name)
	if err != nil {
		return "", err
	}
	if secret == nil {
		return "", fmt.Errorf("%s has no database in namespace %s: there is no Secret %s", app.Name, app.Namespace, name)
	}
	value, err := base64.StdEncoding.DecodeString(kubeapi.Text(secret, "data", databaseVariable))
	if err != nil || len(value) == 0 {
		return "", fmt.Errorf("the database's Secret %s/%s holds no %s: deploy the application again", app.Namespace, name, databaseVariable)
	}
	return string(value), nil
}

// ReachDatabase turns the URL of a database, as the application's pods have it, into one that works from here: unchanged where
// its host answers, through a tunnel where the host is a service of the cluster. Close ends the tunnel. The URL holds a
// password; with sslmode=verify-full it names the address apart (hostaddr), as libpq and this program take it, so that the
// certificate is still held against the server's own name.
func (c *Client) ReachDatabase(ctx context.Context, app kube.App, databaseURL string) (reached string, closeTunnel func() error, err error) {
	nothing := func() error { return nil }
	u, err := url.Parse(databaseURL)
	if err != nil || u.Host == "" {
		return "", nil, errors.New("the database's URL is not one that names a host") // the error would quote the URL
	}
	port := 5432
	if u.Port() != "" {
		port, _ = strconv.Atoi(u.Port()) // checked by Parse
	}
	service, namespace, ok, err := c.serviceOf(ctx, app, u.Hostname())
	if err != nil {
		return "", nil, err
	}
	if ok && os.Getenv("KUBERNETES_SERVICE_HOST") == "" {
		tunnel, err := c.Forward(ctx, namespace, service, port)
		var external *ServiceError
		switch {
		case err == nil:
			return through(*u, tunnel.Addr), tunnel.Close, nil
		case !errors.As(err, &external) || external.External == "":
			return "", nil, fmt.Errorf("reach the database: %w", err)
		}
		u.Host = net.JoinHostPort(external.External, strconv.Itoa(port))
	}
	if err := answers(ctx, u.Hostname(), port); err != nil {
		return "", nil, err
	}
	return u.String(), nothing, nil
}

// serviceOf tells whether a host is a service of the cluster, as the application's pods see it.
func (c *Client) serviceOf(ctx context.Context, app kube.App, host string) (service, namespace string, ok bool, err error) {
	if service, namespace, ok = SplitServiceHost(host); ok {
		if namespace == "" {
			namespace = app.Namespace
		}
		return service, namespace, true, nil
	}
	service, namespace, two := strings.Cut(host, ".")
	if !two || strings.Contains(namespace, ".") || net.ParseIP(host) != nil {
		return "", "", false, nil
	}
	found, err := c.find(ctx, kubeapi.ServiceKind, namespace, service)
	return service, namespace, found != nil, err
}

// through is the URL with another address.
func through(u url.URL, addr string) string {
	host, port, _ := net.SplitHostPort(addr)
	q := u.Query()
	if q.Get("sslmode") == "verify-full" {
		q.Set("hostaddr", host)
		host, u.RawQuery = u.Hostname(), q.Encode()
	}
	u.Host = net.JoinHostPort(host, port)
	return u.String()
}

// UnreachableError is a database that does not answer from here.
type UnreachableError struct {
	Address string
	Err     error
}

// Error is one line that ends with the next step.
func (e *UnreachableError) Error() string {
	return fmt.Sprintf("database server %s does not answer from here (%v): it may only be reached from the cluster's network: use a VPN, or a host there", e.Address, e.Err)
}

// Unwrap returns why not.
func (e *UnreachableError) Unwrap() error { return e.Err }

// answers tries to reach a server.
func answers(ctx context.Context, host string, port int) error {
	address := net.JoinHostPort(host, strconv.Itoa(port))
	conn, err := (&net.Dialer{Timeout: reachTimeout}).DialContext(ctx, "tcp", address)
	if err == nil {
		return conn.Close() //nolint:wrapcheck // nothing was written
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var dial *net.OpError
	if errors.As(err, &dial) {
		err = dial.Err
	}
	return &UnreachableError{Address: address, Err: err}
}
