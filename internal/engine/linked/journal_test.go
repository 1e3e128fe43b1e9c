package linked

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

// slow is a store that takes its time; what it is given goes to writes.
func slow(writes *[]string) (write func([]byte) error, let chan error) {
	let = make(chan error)
	return func(raw []byte) error {
		*writes = append(*writes, string(raw)) // one at a time
		return <-let
	}, let
}

func TestJournalCoalesces(t *testing.T) {
	t.Parallel()
	var writes []string
	write, let := slow(&writes)
	j := newJournal(write)
	if err := j.add([]byte("0")); err != nil {
		t.Fatal(err)
	}
	let <- nil
	if err := j.wait(); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	for i := 1; i <= 100; i++ {
		if err := j.add(fmt.Append(nil, i)); err != nil {
			t.Fatal(err)
		}
	}
	if d := time.Since(start); d > time.Second {
		t.Errorf("the engine waited %v for the store", d)
	}
	close(let)
	if err := j.close(); err != nil {
		t.Fatal(err)
	}
	if n := len(writes); n > 3 || writes[n-1] != "100" {
		t.Errorf("writes %v, want few, and the newest last", writes)
	}
}

func TestJournalWaits(t *testing.T) {
	t.Parallel()
	var writes []string
	write, let := slow(&writes)
	j := newJournal(write)
	_ = j.add([]byte("create"))
	done := make(chan error, 1)
	go func() { done <- j.wait() }()
	select {
	case <-done:
		t.Fatal("a create went on before it was on record")
	case <-time.After(50 * time.Millisecond):
	}
	let <- nil
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	close(let)
	if err := j.close(); err != nil || len(writes) != 1 {
		t.Errorf("%v, %v", writes, err)
	}
}

func TestJournalErrors(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	var writes []string
	write, let := slow(&writes)
	j := newJournal(write)
	_ = j.add([]byte("1"))
	let <- boom
	if err := j.wait(); !errors.Is(err, boom) {
		t.Errorf("wait: %v", err)
	}
	if err := j.add([]byte("2")); !errors.Is(err, boom) {
		t.Errorf("add after a failure: %v, want its error: the engine should stop", err)
	}
	let <- nil
	if err := j.close(); err != nil {
		t.Errorf("close: %v, but the last state is written", err)
	}
	j = newJournal(write)
	_ = j.add([]byte("3"))
	let <- boom
	if err := j.close(); !errors.Is(err, boom) {
		t.Errorf("close: %v, want the error of the last write", err)
	}
}
