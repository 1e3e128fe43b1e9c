package services

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"plattr.dev/plattr/internal/jwks"
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
		keys, err := jwks.Fetch(ctx, url)
		if err == nil {
			return writeIfChanged(keysFile(p), keys)
		}
		select {
		case <-ctx.Done():
			return writeIfChanged(keysFile(p), []byte(jwks.None))
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
	keys, err := jwks.Fetch(ctx, url)
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
