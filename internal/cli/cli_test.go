package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var errLocked = errors.New("stack is locked")

type evidenceError struct{ lines []string }

func (e *evidenceError) Error() string      { return "PostgreSQL did not start" }
func (e *evidenceError) Evidence() []string { return e.lines }

func table() Rules {
	return Rules{
		When(errLocked, Verdict{Code: ExitLocked}),
		When(io.EOF, Verdict{Next: "plattr dev logs"}),
		func(err error) (Verdict, bool) {
			return Verdict{Code: 7, Child: "knex"}, strings.Contains(err.Error(), "knex")
		},
		func(err error) (Verdict, bool) {
			return Verdict{Whole: true}, strings.HasPrefix(err.Error(), "plattr.yaml:")
		},
	}
}

func TestReport(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		err    error
		format Format
		code   int
		stderr string
		stdout string
	}{
		"Nil": {reason: "No error is 0 and prints nothing.", code: ExitOK},
		"Plain": {
			reason: "An unknown error is 1.", err: errors.New("read migrations: permission denied"),
			code: ExitFailed, stderr: "read migrations: permission denied\n",
		},
		"Hint": {
			reason: "A sentinel has a next step.", err: fmt.Errorf("start: %w", io.EOF),
			code: ExitFailed, stderr: "start: EOF\nNext: plattr dev logs\n",
		},
		"Usage": {
			reason: "A usage error is 2 and points to the help.", err: &UsageError{Message: "--env: what?", Help: "plattr dev --help"},
			code: ExitUsage, stderr: "--env: what?\nNext: plattr dev --help\n",
		},
		"Cancelled": {
			reason: "A cancelled run is 3, whatever the parts say.", err: fmt.Errorf("deploy: %w", context.Canceled),
			code: ExitCancelled, stderr: "cancelled: the next run continues where this one ended\n",
		},
		"Declined": {
			reason: "An answered no is 3.", err: ErrDeclined,
			code: ExitCancelled, stderr: "cancelled: nothing was changed\n",
		},
		"Locked": {
			reason: "A lock is 4.", err: fmt.Errorf("board, local: %w", errLocked),
			code: ExitLocked, stderr: "board, local: stack is locked\n",
		},
		"Child": {
			reason: "A child's code is passed on, and JSON says whose it is.", err: errors.New("knex: exit status 7"), format: JSON,
			code: 7, stderr: "knex: exit status 7\n",
			stdout: "{\n  \"error\": {\n    \"message\": \"knex: exit status 7\",\n    \"code\": 7,\n    \"child\": \"knex\"\n  }\n}\n",
		},
		"Reported": {reason: "What was printed is not printed again.", err: &ReportedError{Code: 1}, code: ExitFailed, format: JSON},
		"Evidence": {
			reason: "At most ten lines follow, without control characters.",
			err:    fmt.Errorf("up: %w", &evidenceError{strings.Split("1\x1b[2J,2,3,4,5,6,7,8,9,10,11,12", ",")}),
			code:   ExitFailed,
			stderr: "up: PostgreSQL did not start\n  1[2J\n  2\n  3\n  4\n  5\n  6\n  7\n  8\n  9\n  10\n  (2 more lines)\n",
		},
		"Whole": {
			reason: "Problems of a file are all printed, each from the line's start.",
			err:    errors.New("plattr.yaml:1:1: a" + strings.Repeat("\nplattr.yaml:2:1: b", 12)),
			code:   ExitFailed,
			stderr: "plattr.yaml:1:1: a\n" + strings.Repeat("plattr.yaml:2:1: b\n", 12),
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			streams, out, err := Test("")
			s := NewSession(streams)
			if tc.format != "" {
				s.Format = tc.format
			}
			table().Report(s, tc.err)
			if got := table().ExitCode(tc.err); got != tc.code {
				t.Errorf("%s: exit code %d, want %d", tc.reason, got, tc.code)
			}
			if diff := cmp.Diff(tc.stderr, err.String()); diff != "" {
				t.Errorf("%s stderr (-want +got):\n%s", tc.reason, diff)
			}
			if diff := cmp.Diff(tc.stdout, out.String()); diff != "" {
				t.Errorf("%s stdout (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestFormats(t *testing.T) {
	t.Parallel()
	durations := map[time.Duration]string{
		0: "0.0s", 200 * time.Millisecond: "0.2s", 9940 * time.Millisecond: "9.9s", 9999 * time.Millisecond: "10s",
		14 * time.Second: "14s", 59700 * time.Millisecond: "1m00s", 130 * time.Second: "2m10s",
		3599900 * time.Millisecond: "1h00m", 185 * time.Minute: "3h05m", -time.Second: "0.0s",
	}
	for in, want := range durations {
		if got := Duration(in); got != want {
			t.Errorf("Duration(%d) = %q, want %q", in, got, want)
		}
	}
	sizes := map[int64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 1_240_000: "1.2 MB", 88_000_000: "88 MB", 999_600_000: "1.0 GB"}
	for in, want := range sizes {
		if got := Size(in); got != want {
			t.Errorf("Size(%d) = %q, want %q", in, got, want)
		}
	}
	counts := map[int]string{0: "0 tables", 1: "1 table", 1204: "1,204 tables", 1234567: "1,234,567 tables", -1500: "-1,500 tables"}
	for in, want := range counts {
		if got := Count(in, "table"); got != want {
			t.Errorf("Count(%d) = %q, want %q", in, got, want)
		}
	}
}

func TestConfirm(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason, answer string
		terminal, yes  bool
		want           error
		usage          bool
	}{
		"Yes":      {reason: "y goes on.", answer: "y\n", terminal: true},
		"YesWord":  {reason: "Yes goes on.", answer: "Yes\n", terminal: true},
		"Default":  {reason: "Return alone is no.", answer: "\n", terminal: true, want: ErrDeclined},
		"Other":    {reason: "Anything else is no.", answer: "sure\n", terminal: true, want: ErrDeclined},
		"End":      {reason: "The end of the input is no.", answer: "", terminal: true, want: ErrDeclined},
		"Flag":     {reason: "--yes asks nothing.", yes: true},
		"NoPerson": {reason: "A script must say --yes.", answer: "y\n", usage: true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			streams, _, stderr := Test(tc.answer)
			s := NewSession(streams)
			s.InTerminal, s.ErrTerminal, s.Yes = tc.terminal, tc.terminal, tc.yes
			err := s.Confirm(t.Context(), "delete the data of shop")
			var usage *UsageError
			if errors.As(err, &usage) != tc.usage || !tc.usage && !errors.Is(err, tc.want) {
				t.Errorf("%s got error %v", tc.reason, err)
			}
			if asked := strings.Contains(stderr.String(), "delete the data of shop"); asked != tc.terminal {
				t.Errorf("%s asked: %v", tc.reason, asked)
			}
		})
	}
}

func TestConfirmCancelled(t *testing.T) {
	t.Parallel()
	reader, writer := io.Pipe()
	t.Cleanup(func() { _ = writer.Close() })
	streams, _, _ := Test("")
	s := NewSession(streams)
	s.In, s.InTerminal, s.ErrTerminal = reader, true, true
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Confirm(ctx, "delete"); !errors.Is(err, ErrCancelled) {
		t.Errorf("Ctrl-C while the question stands must cancel: %v", err)
	}
}

func TestFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, FileName)
	if err := os.WriteFile(file, []byte("name: shop\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	empty := t.TempDir()
	cases := map[string]struct {
		reason, app, want string
		wantErr           error
	}{
		"Directory": {reason: "A directory means the file in it.", app: dir, want: file},
		"File":      {reason: "A file is taken as it is.", app: file, want: file},
		"Missing":   {reason: "A directory without one is an error.", app: empty, wantErr: ErrNoFile},
		"Nowhere":   {reason: "So is a path that does not exist.", app: filepath.Join(empty, "x"), wantErr: ErrNoFile},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			streams, _, _ := Test("")
			s := NewSession(streams)
			s.App = tc.app
			got, err := s.File()
			if got != tc.want || !errors.Is(err, tc.wantErr) {
				t.Errorf("%s File() = %q, %v", tc.reason, got, err)
			}
		})
	}
}

func TestPrint(t *testing.T) {
	t.Parallel()
	value := map[string]any{"name": "true", "ports": []int{1}, "text": "a: b"}
	cases := map[Format]string{
		Text: "a line\n",
		JSON: "{\n  \"name\": \"true\",\n  \"ports\": [\n    1\n  ],\n  \"text\": \"a: b\"\n}\n",
		YAML: "name: \"true\"\nports:\n    - 1\ntext: 'a: b'\n",
	}
	for format, want := range cases {
		streams, out, _ := Test("")
		s := NewSession(streams)
		s.Format = format
		if err := s.Print(value, func(w io.Writer) { fmt.Fprintln(w, "a line") }); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, out.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", format, diff)
		}
	}
	if err := new(Format).Set("xml"); err == nil {
		t.Error("an unknown format must be refused")
	}
	var table bytes.Buffer
	Table(&table, [][]string{{"NAME", "VALUE"}, {"a\x1b[1m", "b"}, {"  a remark that runs\x1b on"}, {"long name", ""}})
	if want := "NAME        VALUE\na[1m        b\n  a remark that runs on\nlong name\n"; table.String() != want {
		t.Errorf("table %q, want %q", table.String(), want)
	}
}
