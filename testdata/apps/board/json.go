package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// call is one request to a service that speaks JSON.
type call struct {
	method, url string
	token       string // of a person; empty: none
	user, pass  string // of a server that asks for them
	prefer      string // what PostgREST shall answer
	in, out     any    // bodies; nil: none
}

// answerError is an answer that is no success.
type answerError struct {
	status int
	code   string // PostgREST's or PostgreSQL's
	text   string
}

func (e *answerError) Error() string { return fmt.Sprintf("status %d: %s", e.status, e.text) }

func (c call) send(ctx context.Context, client *http.Client) error {
	var body io.Reader
	if c.in != nil {
		raw, err := json.Marshal(c.in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, c.method, c.url, body)
	if err != nil {
		return err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	if c.user != "" {
		req.SetBasicAuth(c.user, c.pass)
	}
	if c.prefer != "" {
		req.Header.Set("Prefer", c.prefer)
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode >= 300 {
		var known struct{ Code string }
		_ = json.Unmarshal(raw, &known) // an answer of another kind has no code
		return &answerError{res.StatusCode, known.Code, fmt.Sprintf("%.500s", raw)}
	}
	if c.out == nil {
		return nil
	}
	return json.Unmarshal(raw, c.out)
}
