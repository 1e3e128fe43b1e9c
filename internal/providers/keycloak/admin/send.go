package admin

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"time"
)

const (
	firstPause = 100 * time.Millisecond
	lastPause  = 2 * time.Second
	// maxBody is far more than any answer of the calls here.
	maxBody = 64 << 20
	// meetings is how often a change that Keycloak refuses because of another one is tried again.
	meetings = 3
	// troubled is how long an error 500 is not believed: Keycloak says so while its database starts anew, and when two
	// changes meet in it, also one and its own predecessor whose answer was lost.
	troubled = 10 * time.Second
)

// request is what to send, until it is answered.
type request struct {
	doing       string
	method      string
	address     string
	contentType string
	token       string
	body        []byte
	// repeatable is true when sending it twice does no harm.
	repeatable bool
	// atLeast is a time limit that the configured one does not shorten.
	atLeast time.Duration
}

type reply struct {
	status   int
	location string
	body     []byte
}

// send sends a request until the server answers, or has not been there for too long. An answer of whatever status is no
// error, except those that say that the server is not there (502, 503, 504).
func (c *Client) send(ctx context.Context, r request) (reply, error) {
	var began time.Time
	met := 0
	for wait := firstPause; ; wait = min(wait*2, lastPause) {
		got, failure := c.try(ctx, r)
		if err := ctx.Err(); err != nil {
			return reply{}, fmt.Errorf("%s: %w", r.doing, err)
		}
		if began.IsZero() {
			began = time.Now()
		}
		tried := time.Since(began)
		if failure == nil {
			conflict := r.method == http.MethodPut && got.status == http.StatusConflict && met < meetings
			trouble := r.repeatable && got.status == http.StatusInternalServerError && tried < c.troubled
			if !conflict && !trouble {
				return got, nil
			}
			failure = &tryError{reason: message(got.body), again: true}
			met++
		}
		switch {
		case !failure.again:
			return reply{}, &UnreachableError{Doing: r.doing, Host: c.host, Last: failure.reason}
		case !failure.unsent && !r.repeatable:
			return reply{}, &lostError{doing: r.doing, host: c.host, reason: failure.reason}
		case tried+wait > c.patience:
			return reply{}, &UnreachableError{
				Doing: r.doing, Host: c.host, For: max(tried.Round(time.Second), time.Second), Last: failure.reason,
			}
		}
		// Twenty requests that fail together should not come back together.
		if err := pause(ctx, wait/2+rand.N(wait/2)); err != nil {
			return reply{}, fmt.Errorf("%s: %w", r.doing, err)
		}
	}
}

// tryError says why one try brought no answer.
type tryError struct {
	reason string
	// unsent is true when the server cannot have carried it out.
	unsent bool
	// again is true when a moment later it may work.
	again bool
}

func (c *Client) try(ctx context.Context, r request) (reply, *tryError) {
	limit := max(c.config.Timeout, r.atLeast)
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, r.method, r.address, bytes.NewReader(r.body))
	if err != nil {
		return reply{}, &tryError{reason: "no such address", unsent: true}
	}
	req.Header.Set("Accept", "application/json")
	if r.contentType != "" {
		req.Header.Set("Content-Type", r.contentType)
	}
	if r.token != "" {
		req.Header.Set("Authorization", "Bearer "+r.token)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return reply{}, explain(err, limit)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxBody))
	if err != nil {
		return reply{}, explain(err, limit)
	}
	switch res.StatusCode {
	case http.StatusServiceUnavailable:
		return reply{}, &tryError{reason: "it answered 503: " + message(body), unsent: true, again: true}
	case http.StatusBadGateway, http.StatusGatewayTimeout:
		return reply{}, &tryError{reason: fmt.Sprintf("it answered %d: %s", res.StatusCode, message(body)), again: true}
	}
	return reply{status: res.StatusCode, location: res.Header.Get("Location"), body: body}, nil
}

// explain sorts the errors of net/http.
func explain(err error, limit time.Duration) *tryError {
	var request *url.Error
	if errors.As(err, &request) {
		err = request.Err // without the method and the address
	}
	var name *net.DNSError
	var certificate *tls.CertificateVerificationError
	var noTLS tls.RecordHeaderError
	var network *net.OpError
	switch {
	case errors.As(err, &name) && !name.IsTemporary:
		return &tryError{reason: fmt.Sprintf("host %s is unknown", name.Name), unsent: true}
	case errors.As(err, &certificate), errors.As(err, &noTLS):
		return &tryError{reason: err.Error(), unsent: true}
	case errors.As(err, &network) && network.Op == "dial":
		reason := network.Err.Error()
		if network.Timeout() {
			reason = "nobody answers"
		}
		return &tryError{reason: reason, unsent: true, again: true}
	case errors.Is(err, context.DeadlineExceeded):
		return &tryError{reason: fmt.Sprintf("no answer within %s", limit), again: true}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return &tryError{reason: "it closed the connection", again: true}
	case errors.As(err, &network):
		return &tryError{reason: network.Err.Error(), again: true}
	}
	return &tryError{reason: err.Error(), again: true}
}
