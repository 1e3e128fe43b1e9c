// Package cli holds what every command shares: the streams, the common flags,
// how results, errors and progress are printed, and which exit code an error
// becomes. It imports no other package of plattr, so that every command can.
package cli

import (
	"bytes"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// defaultWidth is assumed where no terminal tells its size.
const defaultWidth = 80

// Streams are where a command reads and writes, and what is known of them.
// Results go to Out, everything else to Err.
type Streams struct {
	In  io.Reader
	Out io.Writer
	Err io.Writer

	// InTerminal, OutTerminal and ErrTerminal say that a person is there.
	InTerminal, OutTerminal, ErrTerminal bool
	// Color allows colours on streams that are terminals.
	Color bool
	// Live allows progress that is redrawn in place, on Err.
	Live bool
	// Size returns the columns and lines of the terminal; it is called for
	// each drawing, so that a resize is seen.
	Size func() (width, height int)
}

// System returns the streams of this process. NO_COLOR, TERM=dumb and CI are
// kept: in a CI job with a pseudo-terminal nothing is redrawn or asked.
func System() Streams {
	dumb := os.Getenv("TERM") == "dumb"
	ci := os.Getenv("CI") != ""
	s := Streams{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr,
		InTerminal:  term.IsTerminal(int(os.Stdin.Fd())) && !ci,
		OutTerminal: term.IsTerminal(int(os.Stdout.Fd())),
		ErrTerminal: term.IsTerminal(int(os.Stderr.Fd())),
		Color:       os.Getenv("NO_COLOR") == "" && !dumb,
		Size:        terminalSize,
	}
	s.Live = s.ErrTerminal && !dumb && !ci
	return s
}

// Test returns streams without a terminal that read from in and write to the
// two buffers.
func Test(in string) (s Streams, out, err *bytes.Buffer) {
	out, err = &bytes.Buffer{}, &bytes.Buffer{}
	return Streams{
		In: strings.NewReader(in), Out: out, Err: err,
		Size: func() (int, int) { return defaultWidth, 24 },
	}, out, err
}

// CanPrompt reports whether a person can be asked.
func (s Streams) CanPrompt() bool { return s.InTerminal && s.ErrTerminal }

// OutPaint colours what goes to Out.
func (s Streams) OutPaint() Paint { return Paint{on: s.Color && s.OutTerminal} }

// ErrPaint colours what goes to Err.
func (s Streams) ErrPaint() Paint { return Paint{on: s.Color && s.ErrTerminal} }

func terminalSize() (int, int) {
	for _, f := range []*os.File{os.Stderr, os.Stdout} {
		if width, height, err := term.GetSize(int(f.Fd())); err == nil && width > 0 && height > 0 {
			return width, height
		}
	}
	return defaultWidth, 24
}

// Paint colours text, or leaves it alone where colours are off. Colour never
// carries a meaning that the text does not.
type Paint struct{ on bool }

// Green marks what went well.
func (p Paint) Green(text string) string { return p.wrap("32", text) }

// Red marks what failed.
func (p Paint) Red(text string) string { return p.wrap("31", text) }

// Yellow marks what needs attention.
func (p Paint) Yellow(text string) string { return p.wrap("33", text) }

// Bold marks a heading.
func (p Paint) Bold(text string) string { return p.wrap("1", text) }

// Faint marks what is of less interest.
func (p Paint) Faint(text string) string { return p.wrap("2", text) }

// Nth tells things apart by colours that come again after some: for the names of sources that mix.
func (p Paint) Nth(n int, text string) string {
	colors := [...]string{"36", "32", "33", "35", "34", "96", "92", "93", "95", "94"}
	return p.wrap(colors[n%len(colors)], text)
}

func (p Paint) wrap(code, text string) string {
	if !p.on || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}
