package services

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// SettingKeys is the setting of PostgREST, of plattr's own, that says where the keys of the realm are published
// (RFC 7517). PostgREST 12 reads keys from its configuration only: they lie in a file, which is kept up to date.
const SettingKeys = "jwks-url"

// firstKeys is how long a start waits for the keys where there are none from before.
const firstKeys = 5 * time.Second

func keysFile(p Place) string { return filepath.Join(p.Dir, "jwks.json") }

// prepareKeys makes sure that there is a file of keys. Without the realm's it holds none: then every token is refused
// until the realm answers.
func prepareKeys(ctx context.Context, p Place, url string) error {
	if _, err := os.Stat(keysFile(p)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, firstKeys)
	defer cancel()
	for {
		keys, err := fetchKeys(ctx, url)
		if err == nil {
			return writeIfChanged(keysFile(p), keys)
		}
		select {
		case <-ctx.Done():
			return writeIfChanged(keysFile(p), []byte(`{"keys":[]}`))
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// watchPostgREST tells PostgREST when the realm's keys are others than they were.
func watchPostgREST(ctx context.Context, p Place, s Spec, process Signaller) error {
	url := s.Settings[SettingKeys]
	if url == "" {
		return nil
	}
	keys, err := fetchKeys(ctx, url)
	if err != nil {
		return fmt.Errorf("read the keys of the realm: %w", err)
	}
	if old, err := os.ReadFile(keysFile(p)); err == nil && string(old) == string(keys) {
		return nil
	}
	if err := writeIfChanged(keysFile(p), keys); err != nil {
		return fmt.Errorf("keep the keys of the realm: %w", err)
	}
	return process.Signal(syscall.SIGUSR2) // read the configuration again; requests go on
}

// fetchKeys returns the realm's keys for signatures, in one spelling.
func fetchKeys(ctx context.Context, url string) ([]byte, error) {
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
