package plattr

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
)

// searchServer is an OpenSearch, by its REST API (https://docs.opensearch.org/latest/api-reference/).
type searchServer struct {
	base           string // without a slash at the end
	user, password string
	http           *http.Client
}

func parseSearch(address string, timeout time.Duration) (*searchServer, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("it is no http:// or https:// URL") // the parser's message quotes the password
	}
	s := &searchServer{http: &http.Client{Timeout: timeout}}
	if u.User != nil {
		s.user = u.User.Username()
		s.password, _ = u.User.Password()
	}
	u.User = nil
	s.base = strings.TrimSuffix(u.String(), "/")
	return s, nil
}

// searchError is an answer that is no success.
type searchError struct {
	status int
	reason string
}

func (e *searchError) Error() string {
	return fmt.Sprintf("OpenSearch answers %d: %s", e.status, e.reason)
}

func isNotFound(err error) bool {
	var e *searchError
	return errors.As(err, &e) && e.status == http.StatusNotFound
}

// isUnknownPath tells the answer of a server that lacks a module.
func isUnknownPath(err error) bool {
	var e *searchError
	return errors.As(err, &e) && e.status == http.StatusBadRequest && strings.Contains(e.reason, "no handler found")
}

func ignoreNotFound(err error) error {
	if isNotFound(err) {
		return nil
	}
	return err
}

func isSearchStarting(err error) bool {
	var dial *net.OpError
	var e *searchError
	return errors.As(err, &dial) && dial.Op == "dial" || errors.As(err, &e) && e.status == http.StatusServiceUnavailable
}

// call sends a request and reads the answer into out, where that is not nil.
func (s *searchServer) call(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		raw, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("%s %s: %w", method, path, err)
		}
		body = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, s.base+path, body)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if s.user != "" {
		req.SetBasicAuth(s.user, s.password)
	}
	resp, err := s.http.Do(req)
	if err != nil {
		return fmt.Errorf("ask OpenSearch: %w", err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	if err != nil {
		return fmt.Errorf("read OpenSearch's answer: %w", err)
	}
	if resp.StatusCode/100 != 2 {
		return &searchError{resp.StatusCode, reason(raw)}
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

func isUnauthorized(err error) bool {
	var e *searchError
	return errors.As(err, &e) && e.status == http.StatusUnauthorized
}
