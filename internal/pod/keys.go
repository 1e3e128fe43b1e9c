package pod

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"

	"plattr.dev/plattr/internal/jwks"
)

// Keys are those of a realm, kept in a file that PostgREST reads.
type Keys struct {
	// URL is where the realm publishes them, File where PostgREST finds them.
	URL, File string
	// DatabaseURL and Channel are PostgREST's: a notification there makes it read the file again
	// (https://postgrest.org/en/v12/references/configuration.html#in-database-configuration-reloading).
	DatabaseURL, Channel string
	// Every is how often the realm is asked.
	Every time.Duration
	// FirstWait is how long First waits for the realm; then PostgREST starts without keys, and refuses tokens until they come.
	FirstWait time.Duration
	Log       *slog.Logger

	pending bool // the file is newer than what PostgREST was told
}

// askTimeout bounds one question to the realm or the database.
const askTimeout = 10 * time.Second

// First makes sure that there is a file.
func (k *Keys) First(ctx context.Context) error {
	deadline := time.Now().Add(k.FirstWait)
	for {
		_, err := k.fetch(ctx)
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			k.Log.Warn("the realm does not answer: tokens are refused until it does", "error", err)
			return k.write([]byte(jwks.None))
		}
		if err := sleep(ctx, time.Second); err != nil {
			return err
		}
	}
}

// Run asks again and again until the context ends, and announces keys that are others than before.
func (k *Keys) Run(ctx context.Context) error {
	k.pending = true
	for {
		if err := k.refresh(ctx); err != nil && ctx.Err() == nil {
			k.Log.Warn("the keys are as they were", "error", err)
		}
		if err := sleep(ctx, k.Every); err != nil {
			return nil //nolint:nilerr // whoever ended it knows
		}
	}
}

// refresh announces what was not announced yet, also what a first container, or this one before it was killed, wrote.
func (k *Keys) refresh(ctx context.Context) error {
	changed, err := k.fetch(ctx)
	k.pending = k.pending || changed
	if err != nil || !k.pending {
		return err
	}
	if err := k.announce(ctx); err != nil {
		return err
	}
	k.pending = false
	k.Log.Info("the realm has other keys")
	return nil
}

// fetch brings the file up to date.
func (k *Keys) fetch(ctx context.Context) (changed bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	keys, err := jwks.Fetch(ctx, k.URL)
	if err != nil {
		return false, err
	}
	if old, err := os.ReadFile(k.File); err == nil && bytes.Equal(old, keys) {
		return false, nil
	}
	return true, k.write(keys)
}

func (k *Keys) write(keys []byte) error {
	next := filepath.Join(filepath.Dir(k.File), ".next")
	if err := os.WriteFile(next, keys, 0o644); err != nil { //nolint:gosec // public keys
		return fmt.Errorf("keep the keys: %w", err)
	}
	return os.Rename(next, k.File)
}

func (k *Keys) announce(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, k.DatabaseURL)
	if err != nil {
		return fmt.Errorf("tell PostgREST of the keys: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if _, err := conn.Exec(ctx, "select pg_notify($1, 'reload config')", k.Channel); err != nil {
		return fmt.Errorf("tell PostgREST of the keys: %w", err)
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
