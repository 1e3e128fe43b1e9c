package lockfile

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

func TestOneHolderAtATime(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.lock")
	var mu sync.Mutex // only TryLock: two holders at once would find it taken
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			release, err := Lock(t.Context(), path)
			if err != nil {
				t.Error(err)
				return
			}
			defer release()
			if !mu.TryLock() {
				t.Error("two hold the lock")
				return
			}
			time.Sleep(time.Millisecond)
			mu.Unlock()
		})
	}
	wg.Wait()
}

func TestAHeldLock(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.lock")
	release, err := Try(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Try(path); !errors.Is(err, ErrHeld) {
		t.Errorf("Try() = %v, want ErrHeld", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if _, err := Lock(ctx, path); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Lock() = %v, want the context's error", err)
	}
	release()
	again, err := Try(path)
	if err != nil {
		t.Fatalf("after release: %v", err)
	}
	again()
	if _, err := Try(filepath.Join(path, "below-a-file")); err == nil || errors.Is(err, ErrHeld) {
		t.Errorf("Try() where no file can be = %v", err)
	}
}
