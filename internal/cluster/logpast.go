package cluster

import (
	"container/heap"
	"context"
	"slices"

	"golang.org/x/sync/errgroup"

	"plattr.dev/plattr/internal/kubeapi"
)

// past reads what was written until now, in order of time over all containers.
func (l *logs) past(ctx context.Context) error {
	pods, err := l.pods(ctx)
	if err != nil {
		return err
	}
	all := slices.DeleteFunc(l.instances(pods), func(i instance) bool {
		return i.id == "" || l.options.Previous && i.restarts == 0
	})
	if len(all) == 0 && !l.options.Follow {
		return l.nothing(pods)
	}
	readers, err := l.openAll(ctx, all)
	if err != nil {
		return err
	}
	defer func() {
		for _, r := range readers {
			_ = r.body.Close()
		}
	}()
	l.several = len(readers) > 1
	merge(readers, func(line Line, from *reader) {
		if l.options.Follow {
			l.tail(from.source).at.take(line.Time)
		}
		l.give(line)
	})
	if !l.options.Follow {
		return ctx.Err()
	}
	return l.anchor(ctx, all)
}

// openAll begins to read logs, at once: the servers are asked for all before the first is read.
func (l *logs) openAll(ctx context.Context, all []instance) ([]*reader, error) {
	readers := make([]*reader, len(all))
	opening, _ := errgroup.WithContext(ctx)
	opening.SetLimit(16)
	for n, i := range all {
		opening.Go(func() (err error) {
			readers[n], err = l.open(ctx, i, request{previous: l.options.Previous, since: l.options.Since, tail: l.options.Tail})
			if err != nil {
				return l.api.Explain(kubeapi.TargetOf(kubeapi.PodKind, l.app.Namespace, i.pod), err)
			}
			return nil
		})
	}
	err := opening.Wait()
	readers = slices.DeleteFunc(readers, func(r *reader) bool { return r == nil })
	return readers, err //nolint:wrapcheck // explained above
}

// anchor gives every log of which nothing was shown a position all the same, so that following it does not show what
// --since and --tail left out.
func (l *logs) anchor(ctx context.Context, all []instance) error {
	one := 1
	for _, i := range all {
		t := l.tail(i)
		if !t.at.at.IsZero() {
			continue
		}
		r, err := l.open(ctx, i, request{tail: &one})
		if err != nil {
			return l.api.Explain(kubeapi.TargetOf(kubeapi.PodKind, l.app.Namespace, i.pod), err)
		}
		if r == nil {
			continue
		}
		for line, ok := r.next(); ok; line, ok = r.next() {
			t.at.take(line.Time)
		}
		_ = r.body.Close()
	}
	return nil
}

// merge gives the lines of logs, each of which is in order of time, in order of time.
func merge(readers []*reader, out func(Line, *reader)) {
	var h heads
	for n, r := range readers {
		if line, ok := r.next(); ok {
			h = append(h, head{line, n})
		}
	}
	heap.Init(&h)
	for len(h) > 0 {
		first := h[0]
		out(first.line, readers[first.reader])
		if line, ok := readers[first.reader].next(); ok {
			h[0].line = line
			heap.Fix(&h, 0)
		} else {
			heap.Pop(&h)
		}
	}
}

// head is the next line of one log.
type head struct {
	line   Line
	reader int
}

// heads has the oldest line first; of lines of one time, that of the first log.
type heads []head

func (h heads) Len() int { return len(h) }
func (h heads) Less(i, j int) bool {
	if h[i].line.Time.Equal(h[j].line.Time) {
		return h[i].reader < h[j].reader
	}
	return h[i].line.Time.Before(h[j].line.Time)
}
func (h heads) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

// Push implements heap.Interface.
func (h *heads) Push(x any) { *h = append(*h, x.(head)) } //nolint:forcetypeassert // heap.Interface

// Pop implements heap.Interface.
func (h *heads) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
