package cluster

import (
	"context"
	"errors"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"plattr.dev/plattr/internal/kubeapi"
)

// How often is looked for new containers without being told of them, and how long a broken stream is left alone.
const (
	lookAgain  = 5 * time.Second
	settle     = 100 * time.Millisecond
	firstPause = 200 * time.Millisecond
	mostPause  = 2 * time.Second
)

// tail is how far the log of one container of a pod was read, over its restarts.
type tail struct {
	at position
	// running says that it is read at this moment; then the position is its reader's.
	running bool
	// done is the instance whose log was read to its end.
	done string
}

func (l *logs) tail(i instance) *tail {
	t, ok := l.tails[i.key()]
	if !ok {
		t = &tail{}
		l.tails[i.key()] = t
	}
	return t
}

// ended is a log that was read to the end of its instance.
type ended struct {
	instance instance
	err      error
}

// follow attaches to every container that is read and to those that come, until the context ends.
func (l *logs) follow(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	f := &following{logs: l, over: make(chan ended), lines: make(chan Line)}
	defer f.drain()
	defer cancel()
	changes, look := l.changes(ctx), time.After(0)
	for {
		select {
		case <-ctx.Done():
			if errors.Is(context.Cause(ctx), context.Canceled) {
				return nil // whoever follows ends it so
			}
			return context.Cause(ctx)
		case line := <-f.lines:
			l.give(line)
		case e := <-f.over:
			if err := f.ended(e); err != nil {
				return err
			}
			look = time.After(settle)
		case <-changes:
			look = time.After(settle)
		case <-look:
			if err := f.look(ctx); err != nil {
				return err
			}
			look = time.After(lookAgain)
		}
	}
}

// following are the logs that are read at this moment.
type following struct {
	*logs

	running int
	over    chan ended
	lines   chan Line
}

// look attaches to what is not read yet.
func (f *following) look(ctx context.Context) error {
	pods, err := f.pods(ctx)
	if err != nil {
		return err
	}
	for _, i := range f.instances(pods) {
		if t := f.tail(i); i.id != "" && i.id != t.done && !t.running {
			t.running = true
			f.running++
			f.several = f.several || len(f.tails) > 1
			go func() { f.over <- ended{i, f.attach(ctx, i, &t.at, f.lines)} }()
		}
	}
	return nil
}

func (f *following) ended(e ended) error {
	f.running--
	t := f.tail(e.instance)
	t.running, t.done = false, e.instance.id
	return e.err
}

// drain waits until nobody reads any more.
func (f *following) drain() {
	for f.running > 0 {
		select {
		case <-f.lines:
		case <-f.over:
			f.running--
		}
	}
}

// changes tells when a pod of the application changes. It may tell too often, and in a cluster without watches it does not.
func (l *logs) changes(ctx context.Context) <-chan struct{} {
	told := make(chan struct{}, 1)
	go func() {
		for ctx.Err() == nil {
			w, err := l.api.Watch(ctx, kubeapi.PodKind, l.app.Namespace, selecting(podLabels(l.app, l.choice.role)))
			if err == nil {
				for range w.ResultChan() {
					select {
					case told <- struct{}{}:
					default:
					}
				}
				w.Stop()
			}
			pause(ctx, mostPause)
		}
	}()
	return told
}

// attach reads the log of one instance to its end. A stream that breaks is begun anew where it broke.
func (l *logs) attach(ctx context.Context, i instance, at *position, lines chan<- Line) error {
	if i.restarts > 0 && !at.at.IsZero() { // what the instance before wrote at last
		if _, err := l.read(ctx, i, request{previous: true}, at, lines); err != nil {
			return err
		}
	}
	wait := firstPause
	for ctx.Err() == nil {
		more, err := l.read(ctx, i, request{follow: true}, at, lines)
		if err != nil || ctx.Err() != nil {
			return err
		}
		if l.isOver(ctx, i) {
			_, err := l.read(ctx, i, request{}, at, lines) // with a last line that has no end
			return err
		}
		if more {
			wait = firstPause
		}
		pause(ctx, wait)
		wait = min(2*wait, mostPause)
	}
	return nil
}

// read gives the lines from a position on, and tells whether there were any. That the cluster does not answer is no error:
// whoever looks for pods says so when it lasts.
func (l *logs) read(ctx context.Context, i instance, r request, at *position, lines chan<- Line) (bool, error) {
	r.from = at.at
	log, err := l.open(ctx, i, r)
	switch {
	case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err):
		return false, l.api.Explain(kubeapi.TargetOf(kubeapi.PodKind, l.app.Namespace, i.pod), err)
	case err != nil || log == nil:
		return false, nil //nolint:nilerr // it is tried again
	}
	defer log.body.Close()
	log.whole = r.follow
	at.rewind()
	more := false
	for line, ok := log.next(); ok; line, ok = log.next() {
		if !at.take(line.Time) {
			continue
		}
		more = true
		select {
		case lines <- line:
		case <-ctx.Done():
			return more, nil
		}
	}
	return more, nil
}

// isOver tells whether an instance has ended, or its pod is gone. Where that cannot be found out, it has not.
func (l *logs) isOver(ctx context.Context, i instance) bool {
	pod, err := l.find(ctx, kubeapi.PodKind, l.app.Namespace, i.pod)
	if err != nil {
		return false
	}
	if pod == nil || kubeapi.Text(pod, "metadata", "uid") != i.uid {
		return true
	}
	for _, now := range l.instances([]map[string]any{pod}) {
		if now.container == i.container {
			return now.over || now.id != i.id
		}
	}
	return true
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
