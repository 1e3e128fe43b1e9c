package e2e

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// visitor asks an application for its page, some ten times in a second, while it is told to stay.
type visitor struct {
	asked, lost, again atomic.Int64

	mu      sync.Mutex // held while a request is out
	staying bool
}

// visit brings a visitor, who rests at first. A request whose connection to the ingress itself fails is asked once again;
// every other answer than 200 is an error of the test.
func visit(a *app) *visitor {
	v := &visitor{}
	done := make(chan struct{})
	var ended sync.WaitGroup
	ended.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(100 * time.Millisecond):
				v.ask(a.t, a)
			}
		}
	})
	a.t.Cleanup(func() { close(done); ended.Wait() })
	return v
}

func (v *visitor) ask(t testing.TB, a *app) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.staying || t.Context().Err() != nil {
		return
	}
	v.asked.Add(1)
	began := time.Now()
	status, text := a.ask("/", nil)
	if status == 0 && t.Context().Err() == nil {
		v.again.Add(1)
		status, text = a.ask("/", nil)
	}
	if status != http.StatusOK && t.Context().Err() == nil {
		v.lost.Add(1)
		t.Errorf("at %s the ingress answers, after %s: %d %.200s", began.Format(time.StampMilli), time.Since(began), status, text)
	}
}

func (v *visitor) stay() { v.set(true) }
func (v *visitor) rest() { v.set(false) }

// set returns when no request is out.
func (v *visitor) set(staying bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.staying = staying
}
