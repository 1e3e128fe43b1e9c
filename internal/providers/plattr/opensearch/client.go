// Package opensearch is the little of OpenSearch's REST API that places of applications need: all that is kept under a
// prefix, its owner mark, and the users of the security plugin.
package opensearch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"plattr.dev/plattr/internal/lostconn"
)

// Client speaks to one server (https://docs.opensearch.org/latest/api-reference/).
type Client struct {
	base           string // without a slash at the end
	user, password string
	http           *http.Client
}

// New returns a client of the server at a URL, which may hold credentials. timeout bounds each request.
func New(address string, timeout time.Duration) (*Client, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("it is no http:// or https:// URL") // the parser's message quotes the password
	}
	c := &Client{http: &http.Client{Timeout: timeout}}
	if u.User != nil {
		c.user = u.User.Username()
		c.password, _ = u.User.Password()
	}
	u.User = nil
	c.base = strings.TrimSuffix(u.String(), "/")
	return c, nil
}

// Error is an answer that is no success.
type Error struct {
	Status int
	Reason string
}

func (e *Error) Error() string {
	return fmt.Sprintf("OpenSearch answers %d: %s", e.Status, e.Reason)
}

// IsNotFound tells the answer to a question for what is not there.
func IsNotFound(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Status == http.StatusNotFound
}

// isUnknownPath tells the answer of a server that lacks a module.
func isUnknownPath(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Status == http.StatusBadRequest && strings.Contains(e.Reason, "no handler found")
}

func ignoreNotFound(err error) error {
	if IsNotFound(err) {
		return nil
	}
	return err
}

// IsStarting tells the errors of a server that does not answer yet, or went away while it was asked.
func IsStarting(err error) bool {
	var dial *net.OpError
	var e *Error
	return errors.As(err, &dial) && dial.Op == "dial" || lostconn.Is(err) || errors.As(err, &e) && e.Status == http.StatusServiceUnavailable
}

// Call sends a request and reads the answer into out, where that is not nil.
func (c *Client) Call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		raw, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("%s %s: %w", method, path, err)
		}
		body = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.user != "" {
		req.SetBasicAuth(c.user, c.password)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("ask OpenSearch: %w", err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	if err != nil {
		return fmt.Errorf("read OpenSearch's answer: %w", err)
	}
	if resp.StatusCode/100 != 2 {
		return &Error{resp.StatusCode, reason(raw)}
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(raw, out); err != nil {
		return fmt.Errorf("read OpenSearch's answer: %w", err)
	}
	return nil
}

// reason is what an error's body says.
func reason(raw []byte) string {
	var nested struct {
		Error struct{ Reason string } `json:"error"`
	}
	var flat struct{ Error, Message string }
	switch {
	case json.Unmarshal(raw, &nested) == nil && nested.Error.Reason != "":
		return nested.Error.Reason
	case json.Unmarshal(raw, &flat) == nil && flat.Error+flat.Message != "":
		return flat.Error + flat.Message
	default:
		return fmt.Sprintf("%.200s", strings.TrimSpace(string(raw)))
	}
}

// IsUnauthorized tells the answer to a login that is not known.
func IsUnauthorized(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Status == http.StatusUnauthorized
}
