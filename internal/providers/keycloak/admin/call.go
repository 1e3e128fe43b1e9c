package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Object is a representation as Keycloak reads and writes it. What the callers do not know stays in it.
type Object map[string]any

// Text is a text field, empty when there is none.
func (o Object) Text(key string) string {
	s, _ := o[key].(string)
	return s
}

// Bool is a yes or no field, no when there is none.
func (o Object) Bool(key string) bool {
	b, _ := o[key].(bool)
	return b
}

// Sub is an object within, which it makes if there is none.
func (o Object) Sub(key string) Object {
	switch sub := o[key].(type) {
	case map[string]any:
		return sub
	case Object:
		return sub
	}
	sub := Object{}
	o[key] = sub
	return sub
}

// Clone is a deep copy, as if it were read again.
func (o Object) Clone() (Object, error) {
	raw, err := json.Marshal(o)
	if err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	var out Object
	if err := json.Unmarshal(raw, &out); err != nil {
		return nil, fmt.Errorf("decode: %w", err)
	}
	return out, nil
}

// Equal says that two objects are the same in JSON.
func (o Object) Equal(other Object) bool {
	a, err := json.Marshal(o)
	b, err2 := json.Marshal(other)
	return err == nil && err2 == nil && bytes.Equal(a, b)
}

// call is one call of the API.
type call struct {
	doing  string
	method string
	path   []string // below /admin/realms, not escaped
	query  url.Values
	body   any
	// role is the one that the administrator needs for it.
	role    string
	atLeast time.Duration
}

// vanishing is how long a realm may take to be deleted, with all that is in it. Its roles go first, so meanwhile Keycloak
// refuses even its administrator what concerns it.
const (
	vanishing    = 10 * time.Second
	refusedPause = 200 * time.Millisecond
)

// allowed sends a request until the administrator is not refused any more: a killed run may have left a realm that is
// being deleted. A refused request did nothing, so every one may be sent again.
func (c *Client) allowed(ctx context.Context, in call, r *request) (reply, error) {
	for began := time.Now(); ; {
		r.token = "" // it was not the token that was refused
		got, err := c.knownAs(ctx, in, r)
		inRealm := len(in.path) > 0 && in.path[0] != c.config.Realm
		if err != nil || got.status != http.StatusForbidden || !inRealm || time.Since(began) > c.vanishing {
			return got, err
		}
		if err := pause(ctx, refusedPause); err != nil {
			return reply{}, fmt.Errorf("%s: %w", in.doing, err)
		}
	}
}

// knownAs sends a request, with a new token if the server does not take the one at hand.
func (c *Client) knownAs(ctx context.Context, in call, r *request) (got reply, err error) {
	for range 2 {
		if r.token, err = c.token(ctx, r.token); err != nil {
			return got, fmt.Errorf("%s: %w", in.doing, err)
		}
		if got, err = c.send(ctx, *r); err != nil || got.status != http.StatusUnauthorized {
			break
		}
	}
	return got, err
}

// do makes a call. The answer is decoded into out, unless that is nil.
func (c *Client) do(ctx context.Context, in call, out any) error {
	r, err := c.request(in)
	if err != nil {
		return err
	}
	got, err := c.allowed(ctx, in, &r)
	if err != nil {
		return err
	}
	switch {
	case got.status >= http.StatusMultipleChoices && got.location != "":
		return &Error{
			Doing: in.doing, Host: c.host, Status: got.status, Message: "it redirects to " + withoutQuery(got.location),
		}
	case got.status >= http.StatusMultipleChoices:
		return &Error{
			Doing: in.doing, Host: c.host, Status: got.status, Message: message(got.body),
			Administrator: c.administrator(), Role: in.role,
		}
	case out == nil:
		return nil
	}
	if err := json.Unmarshal(got.body, out); err != nil {
		return fmt.Errorf("%s: Keycloak at %s answered with no JSON: %w", in.doing, c.host, err)
	}
	return nil
}

func (c *Client) request(in call) (request, error) {
	address := []string{c.base + "/admin/realms"}
	for _, part := range in.path {
		// An empty part would make another call of it, and the server refuses the dots.
		if part == "" || part == "." || part == ".." {
			return request{}, fmt.Errorf("%s: %q cannot be part of an address", in.doing, part)
		}
		address = append(address, url.PathEscape(part))
	}
	r := request{
		doing: in.doing, method: in.method, address: strings.Join(address, "/"), atLeast: in.atLeast,
		repeatable: in.method != http.MethodPost,
	}
	if len(in.query) > 0 {
		r.address += "?" + in.query.Encode()
	}
	if in.body != nil {
		body, err := json.Marshal(in.body)
		if err != nil {
			return request{}, fmt.Errorf("%s: encode the request: %w", in.doing, err)
		}
		r.body, r.contentType = body, "application/json"
	}
	return r, nil
}

// object is a call that answers with one object.
func (c *Client) object(ctx context.Context, in call) (Object, error) {
	in.method = http.MethodGet
	var out Object
	err := c.do(ctx, in, &out)
	return out, err
}

// objects is a call that answers with a list.
func (c *Client) objects(ctx context.Context, in call) ([]Object, error) {
	in.method = http.MethodGet
	var out []Object
	err := c.do(ctx, in, &out)
	return out, err
}

// remove is a DELETE; what is gone already is no error.
func (c *Client) remove(ctx context.Context, in call) error {
	in.method = http.MethodDelete
	if err := c.do(ctx, in, nil); err != nil && !IsNotFound(err) {
		return err
	}
	return nil
}

// named finds the object of a name in a list.
func named(list []Object, key, name string) Object {
	for _, o := range list {
		if o.Text(key) == name {
			return o
		}
	}
	return nil
}

// absent turns "not found" into no object.
func absent(o Object, err error) (Object, error) {
	if IsNotFound(err) {
		return nil, nil
	}
	return o, err
}

func withoutQuery(location string) string {
	location, _, _ = strings.Cut(location, "?")
	return location
}
