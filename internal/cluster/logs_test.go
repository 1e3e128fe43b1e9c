package cluster

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"plattr.dev/plattr/internal/kube"
)

// logOf is a log as the API server writes it, of lines at milliseconds.
func logOf(pod string, lines ...string) *reader {
	return newReader(io.NopCloser(strings.NewReader(stamped(lines...))), instance{pod: pod, container: "app"})
}

func stamped(lines ...string) string {
	var b strings.Builder
	for _, l := range lines {
		ms, text, _ := strings.Cut(l, " ")
		n := 0
		_, _ = fmt.Sscan(ms, &n)
		b.WriteString(time.UnixMilli(int64(n)).UTC().Format(time.RFC3339Nano) + " " + text + "\n")
	}
	return b.String()
}

// TestMerge holds that past lines of several containers come in order of time, and those of one time in order of containers.
func TestMerge(t *testing.T) {
	t.Parallel()
	var got []string
	merge([]*reader{logOf("a", "1 one", "4 four", "9 nine"), logOf("b", "2 two", "4 also", "10 ten"), logOf("c")},
		func(l Line, _ *reader) { got = append(got, l.Pod+" "+l.Text) })
	want := []string{"a one", "b two", "a four", "b also", "a nine", "b ten"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestPosition holds that a log which is read anew from a second on gives each line once, those of one time included.
func TestPosition(t *testing.T) {
	t.Parallel()
	all := []string{"1000 a", "1001 b", "1001 c", "1001 d", "1500 e", "2000 f"}
	for cut := range all {
		var p position
		var got []string
		read := func(r *reader) {
			p.rewind()
			for l, ok := r.next(); ok; l, ok = r.next() {
				if p.take(l.Time) {
					got = append(got, l.Text)
				}
			}
		}
		read(logOf("a", all[:cut]...))
		read(logOf("a", all[:cut]...)) // nothing new
		read(logOf("a", all...))
		if strings.Join(got, "") != "abcdef" {
			t.Errorf("broken after %d lines: %q", cut, got)
		}
	}
}

// TestReader holds what becomes of lines that are no ordinary ones.
func TestReader(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", maxLine+10)
	cases := map[string]struct {
		log   string
		whole bool
		want  []string
	}{
		"Empty":       {"", false, nil},
		"Plain":       {stamped("1 a", "2  b ", "3 "), false, []string{"a", " b ", ""}},
		"Carriage":    {stamped("1 a\r"), false, []string{"a"}},
		"NoEnd":       {stamped("1 a") + "1970-01-01T00:00:00.002Z b", false, []string{"a", "b"}},
		"CutFollowed": {stamped("1 a") + "1970-01-01T00:00:00.002Z b", true, []string{"a"}},
		"NoTime":      {"failed to watch file\n", false, []string{"failed to watch file"}},
		"Long":        {stamped("1 "+long, "2 b"), false, []string{long[:maxLine-len("1970-01-01T00:00:00.001Z ")], long[maxLine-len("1970-01-01T00:00:00.001Z "):], "b"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newReader(io.NopCloser(strings.NewReader(tc.log)), instance{})
			r.whole = tc.whole
			var got []string
			for l, ok := r.next(); ok; l, ok = r.next() {
				got = append(got, l.Text)
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("got %.80q, want %.80q", got, tc.want)
			}
		})
	}
}

func TestQuery(t *testing.T) {
	t.Parallel()
	five := 5
	cases := map[string]struct {
		request request
		want    url.Values
	}{
		"All":   {request{}, url.Values{}},
		"Since": {request{since: 1500 * time.Millisecond, tail: &five}, url.Values{"sinceSeconds": {"2"}, "tailLines": {"5"}}},
		"From":  {request{follow: true, since: time.Minute, from: time.UnixMilli(1700)}, url.Values{"follow": {"true"}, "sinceTime": {"1970-01-01T00:00:01Z"}}},
		"Last":  {request{previous: true}, url.Values{"previous": {"true"}}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tc.want.Set("container", "app")
			tc.want.Set("timestamps", "true")
			if got := tc.request.query("app"); got.Encode() != tc.want.Encode() {
				t.Errorf("got %s, want %s", got.Encode(), tc.want.Encode())
			}
		})
	}
}

func TestChoose(t *testing.T) {
	t.Parallel()
	app := kube.App{Name: "board"}
	for container, want := range map[string]string{
		"": "server [board]", "app": "server [board]", "board": "server [board]", "rest": "server [postgrest]",
		"keys": "server [first-keys keys]", "all": "server []", "migrate": "migration [migrate]",
	} {
		c, err := choose(app, container)
		if got := fmt.Sprint(c.role, " ", c.names); err != nil || got != want {
			t.Errorf("%q: %s, %v", container, got, err)
		}
	}
	_, err := choose(app, "web")
	var unknown *ContainerError
	if !errors.As(err, &unknown) || err.Error() != `there is no container "web": it is one of app, rest, keys, migrate, all` {
		t.Error(err)
	}
}
