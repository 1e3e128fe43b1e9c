package cli

import (
	"fmt"
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// The columns of a step's line.
const (
	rootLabel  = 14 // least width of a root's label
	childLabel = 10 // least width of a child's label
	tookColumn = 56 // where durations stand, if what is before leaves room
)

// spinner is drawn in front of what runs.
const spinner = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"

// draw replaces the live lines of the last drawing by the given lines, which
// stay, and the live lines of now. Everything goes out in one write between
// the marks of a synchronised update, so that nothing flickers. The cursor is
// never hidden: a killed process leaves a terminal that works.
func (v *View) draw(above []string) {
	if !v.live {
		for _, line := range above {
			fmt.Fprintln(v.w, line)
		}
		return
	}
	width, height := v.size()
	var out strings.Builder
	out.WriteString("\x1b[?2026h")
	if rows := v.rows(width); rows > 0 {
		fmt.Fprintf(&out, "\x1b[%dA", rows)
	}
	out.WriteString("\r\x1b[J")
	for _, line := range above {
		out.WriteString(line + "\n")
	}
	v.drawn = v.drawn[:0]
	for _, line := range v.liveLines(width, height) {
		out.WriteString(line + "\n")
		v.drawn = append(v.drawn, ansi.StringWidth(line))
	}
	out.WriteString("\x1b[?2026l")
	// Progress that cannot be written is no reason to end the work.
	_, _ = fmt.Fprint(v.w, out.String())
}

// rows returns how many rows the last drawing takes: terminals wrap its lines
// when they become narrower.
func (v *View) rows(width int) int {
	n := 0
	for _, w := range v.drawn {
		n += max(1, (w+width-1)/width)
	}
	return n
}

// liveLines returns the lines of the roots that are not folded, cut to the
// terminal's size. Where they are too many, the last ones stay: they run.
func (v *View) liveLines(width, height int) []string {
	var lines []string
	for _, root := range v.roots {
		lines = append(lines, v.tree(root)...)
	}
	if most := max(1, height-1); len(lines) > most {
		lines = lines[len(lines)-most:]
	}
	for i, line := range lines {
		lines[i] = ansi.Truncate(line, max(1, width-1), "…")
	}
	return lines
}

// tree returns the lines of a step and of those below it.
func (v *View) tree(root *step) []string {
	lines := []string{v.format(root, 0, rootLabel)}
	return append(lines, v.below(root, 1)...)
}

func (v *View) below(parent *step, depth int) []string {
	label := childLabel
	for _, s := range parent.children {
		label = max(label, ansi.StringWidth(s.label))
	}
	var lines []string
	for _, s := range parent.children {
		lines = append(lines, v.format(s, depth, label))
		lines = append(lines, v.below(s, depth+1)...)
	}
	return lines
}

// format returns the line of a step: mark, label, detail, duration, remark.
func (v *View) format(s *step, depth, label int) string {
	mark, detail := v.mark(s), s.detail
	if s.state == running {
		detail = s.waits()
	}
	line := strings.Repeat("  ", depth) + mark + " " + pad(s.label, label)
	if detail != "" {
		line += "   " + detail
	}
	took := v.elapsed(s)
	if took == "" && s.after == "" {
		return strings.TrimRight(line, " ")
	}
	line = pad(line, tookColumn)
	return strings.TrimRight(line+"  "+pad(v.paint.Faint(took), 6)+"  "+s.after, " ")
}

func (v *View) elapsed(s *step) string {
	took := s.took
	if s.state == running {
		took = v.now().Sub(s.began)
		if took < noticeFirst {
			return ""
		}
	}
	if took == 0 {
		return ""
	}
	return Duration(took)
}

func (v *View) mark(s *step) string {
	switch s.state {
	case succeeded:
		return v.paint.Green("✓")
	case failed:
		return v.paint.Red("✗")
	case interrupted:
		return v.paint.Yellow("–")
	default:
		frames := []rune(spinner)
		return string(frames[v.frame%len(frames)])
	}
}

// pad fills text up to a width in columns.
func pad(text string, width int) string {
	return text + strings.Repeat(" ", max(0, width-ansi.StringWidth(text)))
}
