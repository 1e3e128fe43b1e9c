// Package jwks reads the keys that a realm publishes for checking its tokens (RFC 7517).
package jwks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// None is a set without keys: every token is refused with it.
const None = `{"keys":[]}`

// Fetch returns the keys for signatures that a realm publishes at a URL, in one spelling: two answers with the same keys are
// equal. A realm without such keys is an error.
func Fetch(ctx context.Context, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, fmt.Errorf("ask the realm: %w", err)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, Proxy: nil}}
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask the realm: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the realm answers %s", resp.Status)
	}
	var set struct {
		Keys []map[string]any `json:"keys"`
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&set); err != nil {
		return nil, fmt.Errorf("the realm's keys: %w", err)
	}
	signing := []map[string]any{}
	for _, key := range set.Keys {
		if use, given := key["use"]; !given || use == "sig" {
			signing = append(signing, key)
		}
	}
	if len(signing) == 0 {
		return nil, errors.New("the realm has no keys for signatures")
	}
	set.Keys = signing
	raw, err := json.Marshal(set)
	if err != nil {
		return nil, fmt.Errorf("the realm's keys: %w", err)
	}
	return raw, nil
}
