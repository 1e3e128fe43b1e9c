package cli

import (
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// clock is a time that tests move.
type clock struct{ at time.Time }

func (c *clock) now() time.Time           { return c.at }
func (c *clock) pass(d time.Duration)     { c.at = c.at.Add(d) }
func seconds(s float64) time.Duration     { return time.Duration(s * float64(time.Second)) }
func newClock() *clock                    { return &clock{time.Date(2026, 1, 2, 10, 42, 7, 0, time.UTC)} }
func (c *clock) view(s *Session) *View    { s.Now = c.now; return newView(s) }
func (c *clock) after(v *View, s float64) { c.pass(seconds(s)); v.tick() }

// play is the one sequence of events that all renderers are tested on.
func play(c *clock, v *View) {
	v.Start("services", "", "Services")
	v.Start("pg", "services", "PostgreSQL 17.5")
	v.Update("pg", "downloading")
	v.Start("rest", "services", "PostgREST 12.0")
	v.Update("rest", "waiting for PostgreSQL")
	v.Bytes("pg", 4_000_000, 12_400_000)
	c.after(v, 1.5)
	v.Event("postgresql:Role board_app creating")
	v.Bytes("pg", 12_400_000, 12_400_000)
	c.after(v, 1)
	v.Done("pg", "127.0.0.1:5432", -1)
	v.Start("app", "", "board, local")
	v.Start("db", "app", "database")
	v.Done("db", "schema board, roles board_app board_anon", 0)
	v.Warn("storage\x1b[31m has no encryption here")
	v.Done("rest", "127.0.0.1:3001", seconds(0.2))
	v.Done("services", "", -1)
	c.after(v, 0.2)
	v.Start("storage", "app", "storage")
	v.Fail("storage", errors.New("no such bucket"))
	v.Start("auth", "app", "auth")
	v.Fail("auth", context.Canceled)
	v.Remark("app", "24 created")
	v.Start("left", "app", "left behind")
	c.after(v, 12)
	v.Fail("app", errors.New("storage"))
	v.Done("app", "a second end is ignored", -1)
	v.Update("nobody", "unknown keys are ignored")
	v.Start("open", "", "Not finished")
	v.Close()
	v.Close()
	v.Note("after the end")
}

func TestRenderers(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		set    func(*Session)
	}{
		"plain": {reason: "In CI the lines come once each, without escape codes.", set: func(*Session) {}},
		"verbose": {
			reason: "-v adds the engine's events.",
			set:    func(s *Session) { s.Verbose = true },
		},
		"quiet": {reason: "-q shows no progress.", set: func(s *Session) { s.Quiet = true }},
		"live": {
			reason: "A terminal shows a tree that is redrawn and folds.",
			set:    func(s *Session) { s.Live, s.ErrTerminal, s.Color = true, true, true },
		},
		"narrow": {
			reason: "No line of the live tree is wider than the terminal.",
			set: func(s *Session) {
				s.Live, s.ErrTerminal = true, true
				s.Size = func() (int, int) { return 30, 4 }
			},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			streams, _, out := Test("")
			s, c := NewSession(streams), newClock()
			tc.set(s)
			play(c, c.view(s))
			golden(t, name, strings.ReplaceAll(out.String(), "\x1b", "␛"))
		})
	}
}

// TestSameLines holds what a terminal shows at the end equal to the plain
// lines: one tree, two ways to draw it.
func TestSameLines(t *testing.T) {
	t.Parallel()
	streams, _, plain := Test("")
	c := newClock()
	play(c, c.view(NewSession(streams)))
	var want []string
	for line := range strings.Lines(plain.String()) {
		if !strings.HasPrefix(line, "… ") {
			want = append(want, strings.TrimRight(line, "\n"))
		}
	}

	streams, _, live := Test("")
	s, c := NewSession(streams), newClock()
	s.Live, s.ErrTerminal, s.Color = true, true, true
	s.Size = func() (int, int) { return 120, 40 }
	play(c, c.view(s))
	if diff := cmp.Diff(want, screen(t, live.String())); diff != "" {
		t.Errorf("the terminal shows other lines than CI (-CI +terminal):\n%s", diff)
	}
}

// TestResize draws on a terminal that becomes narrower: its wrapped lines are
// counted, so that no rest of an old drawing stays.
func TestResize(t *testing.T) {
	t.Parallel()
	streams, _, out := Test("")
	s, c, width := NewSession(streams), newClock(), 80
	s.Live = true
	s.Size = func() (int, int) { return width, 24 }
	v := c.view(s)
	v.Start("a", "", "A step with a long name, so long that it wraps")
	v.tick()
	width = 20
	out.Reset()
	v.tick()
	if got := out.String(); !strings.HasPrefix(got, "\x1b[?2026h\x1b[3A") {
		t.Errorf("the cursor must go up the 3 rows that 48 columns take in 20: %q", got)
	}
}

// screen is a terminal in small: it knows the codes that the view writes.
func screen(t *testing.T, text string) []string {
	t.Helper()
	lines, row := []string{""}, 0
	for len(text) > 0 {
		switch {
		case strings.HasPrefix(text, "\x1b["):
			end := strings.IndexAny(text, "AJmhl")
			if end < 0 {
				t.Fatalf("unknown escape code: %q", text)
			}
			switch code, arg := text[end], text[2:end]; code {
			case 'A':
				for _, n := range arg {
					row -= int(n - '0')
				}
			case 'J':
				lines = append(lines[:row:row], "")
			}
			text = text[end+1:]
		case text[0] == '\r':
			text = text[1:]
		case text[0] == '\n':
			row++
			if row == len(lines) {
				lines = append(lines, "")
			}
			text = text[1:]
		default:
			end := strings.IndexAny(text, "\x1b\r\n")
			if end < 0 {
				end = len(text)
			}
			lines[row] += text[:end]
			text = text[end:]
		}
	}
	return lines[:len(lines)-1]
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got; rewrite with -update):\n%s", file, diff)
	}
}
