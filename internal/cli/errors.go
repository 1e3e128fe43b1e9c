package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// The exit codes of every command. A child's own code (of a migration tool or
// tests) is passed on in their place.
const (
	ExitOK        = 0
	ExitFailed    = 1
	ExitUsage     = 2
	ExitCancelled = 3
	ExitLocked    = 4
)

// maxEvidence is how many lines of evidence follow the first line of an error.
const maxEvidence = 10

// ErrCancelled says that the user ended the command: with Ctrl-C, or with "no".
var ErrCancelled = errors.New("cancelled")

// UsageError is a mistake in the command line.
type UsageError struct {
	// Message names the argument or flag and what it must be.
	Message string
	// Help is the command that explains it; empty means none.
	Help string
}

// Error returns the message.
func (e *UsageError) Error() string { return e.Message }

// Usagef returns a UsageError.
func Usagef(format string, args ...any) error {
	return &UsageError{Message: fmt.Sprintf(format, args...)}
}

// ReportedError ends a command with a code when its result has already said
// why, as the problems that `validate -o json` prints.
type ReportedError struct{ Code int }

// Error says the code only: the rest has been printed.
func (e *ReportedError) Error() string { return fmt.Sprintf("exit code %d", e.Code) }

// A Verdict is what the command line makes of an error.
type Verdict struct {
	// Code is the exit code; 0 means ExitFailed.
	Code int
	// Next is a command that works as it stands, or empty: then it is what the
	// error's own method Hint says.
	Next string
	// Child is the program whose own exit code Code is, or empty.
	Child string
	// Message replaces the error's own text, where that is not in the user's
	// words.
	Message string
	// Whole prints every line of the error: they are a list of problems, not
	// evidence.
	Whole bool
}

// A Rule recognises errors of one kind. Rules are wired in main, which knows
// the packages that detect the errors.
type Rule func(error) (Verdict, bool)

// When returns a Rule for the errors that match one sentinel.
func When(sentinel error, v Verdict) Rule {
	return func(err error) (Verdict, bool) { return v, errors.Is(err, sentinel) }
}

// Rules is the table from errors to exit codes and next steps. The first match
// decides.
type Rules []Rule

// Judge returns the verdict on an error that is not nil.
func (r Rules) Judge(err error) Verdict {
	v := r.match(err)
	if v.Code == ExitOK {
		v.Code = ExitFailed
	}
	if v.Message == "" {
		v.Message = err.Error()
	}
	var hinted interface{ Hint() string }
	if v.Next == "" && v.Code != ExitCancelled && errors.As(err, &hinted) {
		v.Next = hinted.Hint()
	}
	return v
}

// ExitCode is the only place where an error becomes a number.
func (r Rules) ExitCode(err error) int {
	if err == nil {
		return ExitOK
	}
	return r.Judge(err).Code
}

func (r Rules) match(err error) Verdict {
	var reported *ReportedError
	var usage *UsageError
	switch {
	case errors.As(err, &reported):
		return Verdict{Code: reported.Code}
	case errors.Is(err, ErrCancelled), errors.Is(err, context.Canceled):
		return Verdict{Code: ExitCancelled}
	case errors.As(err, &usage):
		return Verdict{Code: ExitUsage, Next: usage.Help}
	}
	for _, rule := range r {
		if v, ok := rule(err); ok {
			return v
		}
	}
	return Verdict{}
}

// failure is how an error reads under -o json.
type failure struct {
	Error struct {
		Message string `json:"message"`
		Code    int    `json:"code"`
		Child   string `json:"child,omitempty"`
		Next    string `json:"next,omitempty"`
	} `json:"error"`
}

// Report prints an error, once for the whole program: one line that says what
// did not happen and why, the evidence, the next step. For scripts (-o json)
// the same goes to Out as an object, so that Out always holds one document.
func (r Rules) Report(s *Session, err error) {
	var reported *ReportedError
	if err == nil || errors.As(err, &reported) {
		return
	}
	v := r.Judge(err)
	var usage *UsageError
	if s.Format != Text && !errors.As(err, &usage) {
		var f failure
		f.Error.Message, f.Error.Code, f.Error.Child, f.Error.Next = v.Message, v.Code, v.Child, v.Next
		// The error itself follows on Err: a closed Out must not hide it.
		_ = encode(s.Out, s.Format, f)
	}
	printError(s.Err, s.ErrPaint(), err, v)
}

func printError(w io.Writer, paint Paint, err error, v Verdict) {
	lines := strings.Split(strings.TrimRight(v.Message, "\n"), "\n")
	lines = append(lines, evidence(err)...)
	if v.Code == ExitCancelled {
		lines = []string{"cancelled: the next run continues where this one ended"}
		if errors.Is(err, ErrDeclined) {
			lines = []string{ErrDeclined.Error()}
		}
	}
	rest := len(lines) - 1 - maxEvidence
	if v.Whole || rest <= 0 {
		rest = 0
	}
	for i, line := range lines[:len(lines)-rest] {
		line = Clean(line)
		if i == 0 || v.Whole {
			fmt.Fprintln(w, paint.Red(line))
			continue
		}
		fmt.Fprintln(w, "  "+line)
	}
	if rest > 0 {
		fmt.Fprintf(w, "  (%d more lines)\n", rest)
	}
	if v.Next != "" {
		fmt.Fprintln(w, paint.Bold("Next: "+v.Next))
	}
}

// evidence returns the lines that an error carries beside its message: the end
// of a log, what a server said.
func evidence(err error) []string {
	var e interface{ Evidence() []string }
	if errors.As(err, &e) {
		return e.Evidence()
	}
	return nil
}

// Clean takes control characters out of text that comes from elsewhere, so
// that it cannot move a terminal's cursor or change its colours.
func Clean(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case r < ' ', r == 0x7f, r >= 0x80 && r < 0xa0:
			return -1
		default:
			return r
		}
	}, text)
}

// colors are the codes that set colours and nothing else.
var colors = regexp.MustCompile("\x1b\\[[0-9;]*m")

// CleanColored is Clean for what may have colours of its own, as the lines of a log: they stay where keep says so, and end
// with the text.
func CleanColored(text string, keep bool) string {
	codes := colors.FindAllString(text, -1)
	if len(codes) == 0 {
		return Clean(text)
	}
	var b strings.Builder
	for i, piece := range colors.Split(text, -1) {
		b.WriteString(Clean(piece))
		if keep && i < len(codes) {
			b.WriteString(codes[i])
		}
	}
	if keep {
		b.WriteString("\x1b[0m")
	}
	return b.String()
}
