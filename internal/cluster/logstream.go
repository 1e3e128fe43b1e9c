package cluster

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/url"
	"strconv"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// maxLine is how long a line is at most, in bytes: a longer one comes in pieces.
const maxLine = 1 << 20

// reader gives the lines of one log.
type reader struct {
	body   io.Closer
	lines  *bufio.Reader
	source instance
	// at is the time of the line whose pieces are read.
	at     time.Time
	inside bool
	// whole drops a last line without an end: of a log that goes on, it is a part of one that is read again.
	whole bool
}

func newReader(body io.ReadCloser, source instance) *reader {
	return &reader{body: body, lines: bufio.NewReaderSize(body, maxLine), source: source}
}

// next is the next line; false at the end of the log, and when it breaks.
func (r *reader) next() (Line, bool) {
	raw, err := r.lines.ReadSlice('\n')
	if len(raw) == 0 {
		return Line{}, false
	}
	if err != nil && !errors.Is(err, bufio.ErrBufferFull) && (r.whole || !errors.Is(err, io.EOF)) {
		return Line{}, false // cut by a break
	}
	text := strings.TrimSuffix(string(raw), "\n")
	if !r.inside {
		stamp, rest, _ := strings.Cut(text, " ")
		at, parseErr := time.Parse(time.RFC3339Nano, stamp)
		if parseErr != nil {
			rest, at = text, r.at // the kubelet's own words, without a time
		}
		r.at, text = at, rest
	}
	r.inside = errors.Is(err, bufio.ErrBufferFull)
	return Line{Time: r.at, Pod: r.source.pod, Container: r.source.container, Text: strings.TrimSuffix(text, "\r")}, true
}

// position is how far a log was read. The API server asks from a second on, so what was read of that second is dropped:
// containers write in order of time, and several lines may have one time.
type position struct {
	at    time.Time
	lines int // read of that time
	again int // seen of that time since the last rewind
}

// rewind is called where a log is read anew.
func (p *position) rewind() { p.again = 0 }

// take tells whether a line is new, and moves on to it.
func (p *position) take(at time.Time) bool {
	switch {
	case at.Before(p.at):
		return false
	case at.After(p.at):
		*p = position{at: at, lines: 1, again: 1}
		return true
	}
	p.again++
	if p.again <= p.lines {
		return false
	}
	p.lines++
	return true
}

// request says which part of a log is wanted.
type request struct {
	follow, previous bool
	since            time.Duration
	from             time.Time
	tail             *int
}

func (r request) query(container string) url.Values {
	q := url.Values{"container": {container}, "timestamps": {"true"}}
	if r.follow {
		q.Set("follow", "true")
	}
	if r.previous {
		q.Set("previous", "true")
	}
	switch {
	case !r.from.IsZero():
		q.Set("sinceTime", r.from.UTC().Truncate(time.Second).Format(time.RFC3339))
	case r.since > 0: // whole seconds, at least one
		q.Set("sinceSeconds", strconv.FormatInt(int64((r.since+time.Second-1)/time.Second), 10))
	}
	if r.tail != nil {
		q.Set("tailLines", strconv.Itoa(*r.tail))
	}
	return q
}

// open begins to read a log; nil where there is none: the container has not started, the pod is gone, or its log is.
func (l *logs) open(ctx context.Context, i instance, r request) (*reader, error) {
	body, err := l.api.Stream(ctx, logPath(l.app.Namespace, i.pod), r.query(i.container))
	switch {
	case apierrors.IsNotFound(err), apierrors.IsBadRequest(err):
		return nil, nil //nolint:nilnil // nothing there
	case err != nil:
		return nil, err
	}
	return newReader(body, i), nil
}
