package engine

import (
	"strings"
	"sync"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/pulumi/pulumi/sdk/v3/go/common/diag/colors"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// Operation is what is done to a resource.
type Operation string

// What can be done to a resource. A replacement is Replace; its steps are CreateReplacement and DeleteReplaced.
const (
	Same              Operation = "same"
	Create            Operation = "create"
	Update            Operation = "update"
	Delete            Operation = "delete"
	Replace           Operation = "replace"
	CreateReplacement Operation = "create-replacement"
	DeleteReplaced    Operation = "delete-replaced"
	Refresh           Operation = "refresh"
	Read              Operation = "read"
	Import            Operation = "import"
)

// EventKind says what an event is about.
type EventKind string

// The kinds of events.
const (
	// Started: an operation on a resource began.
	Started EventKind = "started"
	// Done: an operation on a resource succeeded.
	Done EventKind = "done"
	// Failed: an operation on a resource failed; Message is the provider's.
	Failed EventKind = "failed"
	// Drifted: a refresh found that a resource is gone or was changed outside; see Gone and Keys.
	Drifted EventKind = "drifted"
	// Message: the program, a provider or the engine said something.
	Message EventKind = "message"
	// Finished: the run is over; see Changes.
	Finished EventKind = "finished"
)

// Event is something that happened in a run. It never holds a value of a resource, so that no secret can be in it.
type Event struct {
	Kind EventKind `json:"kind"`
	Time time.Time `json:"time"`

	// URN, Type and Name are the resource's; empty when the event is about the run. Parent is a URN.
	URN    string `json:"urn,omitempty"`
	Type   string `json:"type,omitempty"`
	Name   string `json:"name,omitempty"`
	Parent string `json:"parent,omitempty"`
	// Component is true for a resource that only groups others.
	Component bool `json:"component,omitempty"`

	Operation Operation `json:"operation,omitempty"`
	// Keys are the inputs that change, sorted.
	Keys []string `json:"keys,omitempty"`
	// Gone says that a drifted resource does not exist any more.
	Gone bool `json:"gone,omitempty"`

	// Severity is debug, info, warning or error; Message is plain text without colours.
	Severity string `json:"severity,omitempty"`
	Message  string `json:"message,omitempty"`

	// Changes counts the resources of a finished run, as in [Result].
	Changes map[string]int `json:"changes,omitempty"`
}

// Drift is a resource that was deleted or changed outside.
type Drift struct {
	URN  string `json:"urn"`
	Type string `json:"type"`
	Name string `json:"name"`
	// Gone says that it was deleted; else Keys says what is different, sorted.
	Gone bool     `json:"gone,omitempty"`
	Keys []string `json:"keys,omitempty"`
}

// translator turns the events of one run, as both the linked engine and the CLI's event log give them, into ours, and
// collects what the result needs.
type translator struct {
	emit       func(Event)
	refreshing map[string]bool // resources whose refresh began
	operations map[string]Operation
	drift      []Drift
	errors     []message
	changes    map[string]int
}

// message is a diagnostic of severity error.
type message struct{ urn, text string }

func newTranslator(emit func(Event)) *translator {
	return &translator{emit: emit, refreshing: map[string]bool{}, operations: map[string]Operation{}}
}

func (t *translator) add(e apitype.EngineEvent) {
	switch {
	case e.ResourcePreEvent != nil:
		m := e.ResourcePreEvent.Metadata
		t.operations[m.URN] = Operation(m.Op)
		if m.Op == apitype.OpRefresh {
			t.refreshing[m.URN] = true
		}
		t.send(resourceEvent(Started, m))
	case e.ResOutputsEvent != nil:
		t.done(e.ResOutputsEvent.Metadata)
	case e.ResOpFailedEvent != nil:
		ev := resourceEvent(Failed, e.ResOpFailedEvent.Metadata)
		ev.Severity, ev.Message = "error", t.lastError(ev.URN)
		t.send(ev)
	case e.DiagnosticEvent != nil:
		t.diagnostic(e.DiagnosticEvent)
	case e.SummaryEvent != nil:
		t.changes = counts(e.SummaryEvent.ResourceChanges)
		t.send(Event{Kind: Finished, Changes: t.changes})
	}
}

// done reports the end of an operation. The end of a refresh is the first outputs event after its start: within an
// update its operation is "refresh", in a run that only refreshes it is what the refresh found.
func (t *translator) done(m apitype.StepEventMetadata) {
	if !t.refreshing[m.URN] {
		t.send(resourceEvent(Done, m))
		return
	}
	delete(t.refreshing, m.URN)
	ev := resourceEvent(Done, m)
	ev.Operation = Refresh
	ev.Gone = m.New == nil || m.Op == apitype.OpDelete
	if ev.Gone {
		ev.Keys = nil
	}
	if ev.Gone || len(ev.Keys) > 0 || m.Op == apitype.OpUpdate {
		ev.Kind = Drifted
		t.drift = append(t.drift, Drift{URN: ev.URN, Type: ev.Type, Name: ev.Name, Gone: ev.Gone, Keys: ev.Keys})
	}
	t.send(ev)
}

func (t *translator) diagnostic(d *apitype.DiagnosticEvent) {
	text := reasons(strings.TrimSpace(colors.Never.Colorize(d.Message)))
	severity := strings.TrimSuffix(d.Severity, "#err")
	if text == "" {
		return
	}
	if severity == "error" {
		t.errors = append(t.errors, message{urn: d.URN, text: text})
		if t.operations[d.URN] != "" {
			return // told by the Failed event that follows
		}
	}
	ev := Event{Kind: Message, URN: d.URN, Severity: severity, Message: text}
	ev.Type, ev.Name = split(d.URN)
	t.send(ev)
}

// reasons takes the list apart that Pulumi makes of why a resource was made and does not work.
func reasons(text string) string {
	head, list, found := strings.Cut(text, " occurred:\n\t* ")
	if !found || !strings.HasSuffix(head, " error") && !strings.HasSuffix(head, " errors") {
		return text
	}
	return strings.ReplaceAll(list, "\n\t* ", "\n")
}

func (t *translator) lastError(urn string) string {
	for i := len(t.errors) - 1; i >= 0; i-- {
		if t.errors[i].urn == urn {
			return t.errors[i].text
		}
	}
	return ""
}

func (t *translator) send(e Event) {
	e.Time = time.Now()
	t.emit(e)
}

func resourceEvent(kind EventKind, m apitype.StepEventMetadata) Event {
	e := Event{Kind: kind, URN: m.URN, Operation: Operation(m.Op), Keys: changedKeys(m)}
	e.Type, e.Name = split(m.URN)
	s := m.New
	if s == nil {
		s = m.Old
	}
	if s != nil {
		e.Parent, e.Component = s.Parent, !s.Custom
	}
	return e
}

func split(urn string) (typ, name string) {
	u := resource.URN(urn)
	if !u.IsValid() {
		return "", ""
	}
	return string(u.Type()), u.Name()
}

// queue hands events to a reader that may be slow, without making the engine wait.
type queue struct {
	mu     sync.Mutex
	events []Event
	wake   chan struct{}
	ended  chan struct{}
	done   chan struct{}
}

// patience is how long the end of a run waits for a reader that is behind.
const patience = time.Second

func newQueue(out chan<- Event) *queue {
	q := &queue{wake: make(chan struct{}, 1), ended: make(chan struct{}), done: make(chan struct{})}
	if out == nil {
		close(q.done)
		q.wake = nil
		return q
	}
	go q.deliver(out)
	return q
}

func (q *queue) add(e Event) {
	if q.wake == nil {
		return
	}
	q.mu.Lock()
	q.events = append(q.events, e)
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

func (q *queue) deliver(out chan<- Event) {
	defer close(q.done)
	var late <-chan time.Time
	ended := q.ended
	for {
		q.mu.Lock()
		batch := q.events
		q.events = nil
		q.mu.Unlock()
		for _, e := range batch {
			for sent := false; !sent; {
				select {
				case out <- e:
					sent = true
				case <-ended:
					late, ended = time.After(patience), nil
				case <-late:
					return
				}
			}
		}
		if ended == nil && len(batch) == 0 {
			return
		}
		if len(batch) > 0 {
			continue
		}
		select {
		case <-q.wake:
		case <-ended:
			late, ended = time.After(patience), nil
		}
	}
}

func (q *queue) close() {
	close(q.ended)
	<-q.done
}

// Forward hands the events of [RunOptions.Events] on to a function; finished returns when all of them were. A nil function
// wants none.
func Forward(to func(Event)) (events chan<- Event, finished func()) {
	if to == nil {
		return nil, func() {}
	}
	ch, done := make(chan Event), make(chan struct{})
	go func() {
		defer close(done)
		for e := range ch {
			to(e)
		}
	}()
	return ch, func() { close(ch); <-done }
}
