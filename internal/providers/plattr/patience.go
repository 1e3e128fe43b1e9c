package plattr

import (
	"context"
	"time"
)

// A run may begin while a server is still starting, and a server may be started again in the middle of one.
const (
	patience  = 2 * time.Minute
	firstWait = 20 * time.Millisecond
	longest   = time.Second
)

// patiently repeats f while it fails with an error that passes by itself, as the server starts.
func patiently(ctx context.Context, f func(context.Context) error, passes func(error) bool) error {
	deadline := time.Now().Add(patience)
	for wait := firstWait; ; wait = min(2*wait, longest) {
		err := f(ctx)
		if err == nil || !passes(err) || time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}
