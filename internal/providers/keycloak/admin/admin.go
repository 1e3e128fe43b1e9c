// Package admin speaks Keycloak's admin REST API: one method per call, one access token for all of them, and requests
// that are sent again where that is safe.
package admin

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	defaultTimeout = 15 * time.Second
	dialTimeout    = 5 * time.Second
	// patience is how long a request is repeated while the server is not there: a Keycloak that starts on an empty
	// database takes the better part of a minute on a small machine.
	patience = 2 * time.Minute
	// slow is the least time limit of requests that make Keycloak work: a new realm's keys, all that a realm held.
	slow = 2 * time.Minute
)

// Config says where the server is and who asks.
type Config struct {
	// URL is the server's, BasePath what follows it before /realms and /admin.
	URL, BasePath string
	// Realm is the one that the administrator lives in.
	Realm string
	// ClientID names the client that logs in: by its own secret, or for a user when there is none.
	ClientID, ClientSecret string
	Username, Password     string
	// Timeout limits one request; 15 seconds when zero.
	Timeout time.Duration
	// Patience is how long one call is repeated at most, for whatever reason; minutes when zero, as a run needs them.
	Patience time.Duration
	// RootCA is certificates in PEM to trust in place of the system's.
	RootCA string
	// InsecureSkipVerify trusts every certificate.
	InsecureSkipVerify bool
}

// Client is the API. It dials with its first request.
type Client struct {
	config   Config
	base     string // URL and base path
	host     string // for errors
	http     *http.Client
	session  *session
	patience time.Duration
	// vanishing is how long a realm may take to be deleted with all that is in it, during which it refuses everything.
	vanishing time.Duration
	// troubled is how long an error 500 is tried again.
	troubled time.Duration
}

// New checks the configuration and makes a client of it.
func New(cfg Config) (*Client, error) {
	base, err := parseURL(cfg.URL)
	if err != nil {
		return nil, err
	}
	switch {
	case cfg.ClientID == "":
		return nil, errors.New("clientId is required")
	case cfg.ClientSecret == "" && (cfg.Username == "" || cfg.Password == ""):
		return nil, errors.New("clientSecret, or username and password, are required")
	case cfg.Timeout < 0:
		return nil, errors.New("clientTimeout must not be negative")
	case cfg.Timeout == 0:
		cfg.Timeout = defaultTimeout
	}
	if cfg.Patience == 0 {
		cfg.Patience = patience
	}
	if path := strings.Trim(cfg.BasePath, "/"); path != "" {
		base = base.JoinPath(path)
	}
	transport, err := newTransport(cfg)
	if err != nil {
		return nil, err
	}
	return &Client{
		config: cfg, base: strings.TrimRight(base.String(), "/"), host: base.Host, session: newSession(),
		patience: cfg.Patience, vanishing: min(vanishing, cfg.Patience), troubled: min(troubled, cfg.Patience),
		http: &http.Client{
			Transport: transport,
			// A token is for one host: a redirect is an answer to report, not to follow.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// Close ends the idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Realm is the realm that the administrator lives in.
func (c *Client) Realm() string { return c.config.Realm }

// parseURL never quotes the URL, which may hold a password.
func parseURL(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	switch {
	case raw == "":
		return nil, errors.New("url is required")
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("url must be one such as https://sso.example.org")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("url must hold no user, query or fragment")
	}
	return u, nil
}

func newTransport(cfg Config) (*http.Transport, error) {
	trust := &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: cfg.InsecureSkipVerify, // the person asked for it by name
	}
	if cfg.RootCA != "" {
		trust.RootCAs = x509.NewCertPool()
		if !trust.RootCAs.AppendCertsFromPEM([]byte(cfg.RootCA)) {
			return nil, errors.New("rootCaCertificate holds no certificate in PEM")
		}
	}
	dialer := &net.Dialer{Timeout: dialTimeout}
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         dialer.DialContext,
		TLSClientConfig:     trust,
		TLSHandshakeTimeout: dialTimeout,
		MaxIdleConnsPerHost: 16,
		IdleConnTimeout:     30 * time.Second,
		ForceAttemptHTTP2:   true,
	}, nil
}

// pause waits, unless the context ends first.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return fmt.Errorf("wait for Keycloak: %w", ctx.Err())
	case <-timer.C:
		return nil
	}
}
