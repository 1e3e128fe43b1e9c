package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// The times of the progress view.
const (
	frameEvery   = 100 * time.Millisecond // one drawing on a terminal
	noticeEvery  = 500 * time.Millisecond // one look at what runs, in CI
	noticeFirst  = time.Second            // a wait longer than this says what it waits for
	noticeRepeat = 10 * time.Second       // and says it again when that changed, at most this often
)

type state int

const (
	running state = iota
	succeeded
	failed
	interrupted
)

// step is one line of the tree: a piece of work that takes time.
type step struct {
	parent   *step
	children []*step
	label    string
	text     string // what it waits for, while it runs
	detail   string // what came out
	after    string // a remark behind the duration
	state    state
	began    time.Time
	took     time.Duration

	bytes, total int64

	noticed    time.Time // when CI last read about it
	noticeText string    // what it then read
}

// View shows long work as a tree of steps: on a terminal a live tree that is
// redrawn in place and folds into plain lines when a root is done, else the
// same lines once each, in the same order. It is safe for concurrent use, and
// unknown keys are ignored: progress never makes work fail.
type View struct {
	mu      sync.Mutex
	w       io.Writer
	paint   Paint
	size    func() (int, int)
	now     func() time.Time
	live    bool
	quiet   bool
	verbose bool

	steps  map[string]*step
	roots  []*step // not folded yet
	drawn  []int   // widths of the lines of the last drawing
	frame  int
	closed bool
	stop   chan struct{}
	left   func() // called by Close
}

// NewView returns a view on Err that is drawn until Close. Under --quiet it
// shows nothing.
func (s *Session) NewView() *View {
	v := newView(s)
	v.left = func() { s.view.CompareAndSwap(v, nil) }
	s.view.Store(v)
	go v.loop()
	return v
}

func newView(s *Session) *View {
	return &View{
		w: s.Err, paint: s.ErrPaint(), size: s.Size, now: s.Now,
		live: s.Live && !s.Quiet, quiet: s.Quiet, verbose: s.Verbose, left: func() {},
		steps: map[string]*step{}, stop: make(chan struct{}),
	}
}

// Start adds a step under a parent; an empty parent, or one that is not known,
// makes it a root.
func (v *View) Start(key, parent, label string) {
	v.change(func() {
		s := &step{parent: v.steps[parent], label: Clean(label), began: v.now()}
		v.steps[key] = s
		if s.parent != nil {
			s.parent.children = append(s.parent.children, s)
			return
		}
		v.roots = append(v.roots, s)
	})
}

// Rename changes the label of a step that runs.
func (v *View) Rename(key, label string) {
	v.with(key, func(s *step) { s.label = Clean(label) })
}

// Update says what a step waits for.
func (v *View) Update(key, text string) {
	v.with(key, func(s *step) { s.text = Clean(text) })
}

// Bytes says how far a download is; total is 0 where nobody knows.
func (v *View) Bytes(key string, done, total int64) {
	v.with(key, func(s *step) { s.bytes, s.total = done, total })
}

// Remark adds what is printed behind the duration, as "24 created".
func (v *View) Remark(key, text string) {
	v.with(key, func(s *step) { s.after = Clean(text) })
}

// Done ends a step that went well. detail is what came out, as an address. A
// negative duration means the time since Start; 0 prints none.
func (v *View) Done(key, detail string, took time.Duration) {
	v.with(key, func(s *step) {
		if took < 0 {
			took = v.now().Sub(s.began)
		}
		s.detail = Clean(detail)
		v.end(s, succeeded, took)
	})
}

// Fail ends a step that failed, or that was cancelled. The error itself is
// printed once, by Report.
func (v *View) Fail(key string, err error) {
	to := failed
	if errors.Is(err, context.Canceled) || errors.Is(err, ErrCancelled) {
		to = interrupted
	}
	v.with(key, func(s *step) { v.end(s, to, v.now().Sub(s.began)) })
}

// Event prints a line of the engine above the tree, under --verbose only.
func (v *View) Event(text string) {
	if v.verbose {
		v.Note(text)
	}
}

// Warn prints a line that needs attention above the tree.
func (v *View) Warn(text string) { v.line(v.paint.Yellow("! " + Clean(text))) }

// Note prints a line above the tree.
func (v *View) Note(text string) { v.line("  " + Clean(text)) }

func (v *View) line(text string) {
	if v.quiet {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.draw([]string{text})
}

// Close prints what is not finished as interrupted and leaves the terminal as
// it was. It may be called twice.
func (v *View) Close() {
	v.mu.Lock()
	if v.closed {
		v.mu.Unlock()
		return
	}
	v.closed = true
	for _, s := range v.steps {
		if s.state == running {
			v.end(s, interrupted, v.now().Sub(s.began))
		}
	}
	v.fold()
	v.mu.Unlock()
	close(v.stop)
	v.left()
}

func (v *View) loop() {
	every := noticeEvery
	if v.live {
		every = frameEvery
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-v.stop:
			return
		case <-ticker.C:
			v.tick()
		}
	}
}

// tick draws the next frame, or tells CI what is waited for.
func (v *View) tick() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.quiet || v.closed {
		return
	}
	v.frame++
	if v.live {
		v.draw(nil)
		return
	}
	for _, root := range v.roots {
		v.notice(root, "")
	}
}

func (v *View) with(key string, f func(*step)) {
	v.change(func() {
		if s := v.steps[key]; s != nil && s.state == running {
			f(s)
		}
	})
}

func (v *View) change(f func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.closed {
		return
	}
	f()
	v.fold()
}

// end sets a step's last state. What still runs below it was left behind.
func (v *View) end(s *step, to state, took time.Duration) {
	s.state, s.took = to, took
	for _, child := range s.children {
		if child.state == running {
			v.end(child, interrupted, 0)
		}
	}
}

// fold prints the roots that are done, in order, and forgets them. A root that
// is not done holds back those behind it, so that lines never swap places.
func (v *View) fold() {
	var lines []string
	for len(v.roots) > 0 && v.roots[0].state != running {
		lines = append(lines, v.tree(v.roots[0])...)
		v.roots = v.roots[1:]
	}
	if len(lines) > 0 && !v.quiet {
		v.draw(lines)
	}
}

// notice prints one line for each leaf that is waited for.
func (v *View) notice(s *step, path string) {
	if s.state != running {
		return
	}
	name := path + s.label
	for _, child := range s.children {
		v.notice(child, name+": ")
	}
	now, text := v.now(), s.waits()
	if len(s.children) > 0 && text == "" || now.Sub(s.began) < noticeFirst || text == s.noticeText && !s.noticed.IsZero() {
		return
	}
	if !s.noticed.IsZero() && now.Sub(s.noticed) < noticeRepeat {
		return
	}
	s.noticed, s.noticeText = now, text
	fmt.Fprintln(v.w, strings.TrimRight("… "+name+"  "+text, " "))
}

// waits says what a running step does: its text and the bytes of its download.
func (s *step) waits() string {
	switch {
	case s.total > 0:
		return strings.TrimSpace(s.text + " " + Size(s.bytes) + " of " + Size(s.total))
	case s.bytes > 0:
		return strings.TrimSpace(s.text + " " + Size(s.bytes))
	default:
		return s.text
	}
}
