package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing that is wrong in a file.
type Problem struct {
	File string `json:"file"`
	// Line and Column count from 1, the column in characters.
	Line   int `json:"line"`
	Column int `json:"column"`
	// Path is the field, as in storage.buckets[0].name; empty means the file.
	Path    string `json:"path,omitempty"`
	Message string `json:"message"`
}

// String returns the problem as one line, in the form that editors jump from.
func (p Problem) String() string {
	where := fmt.Sprintf("%s:%d:%d: ", p.File, p.Line, p.Column)
	if p.Path != "" {
		where += p.Path + ": "
	}
	return where + p.Message
}

// maxProblems is how many problems are told one by one: a file with more of
// them is not a plattr.yaml at all.
const maxProblems = 200

// Error holds every problem of a file, in the order of its lines.
type Error struct {
	Problems []Problem
}

// Error returns one line for each problem.
func (e *Error) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// err returns the problems found so far, or nil.
func (d *decoder) err() error {
	if len(d.problems) == 0 {
		return nil
	}
	slices.SortStableFunc(d.problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	shown := slices.Clone(d.problems[:min(len(d.problems), maxProblems)])
	if more := len(d.problems) - len(shown); more > 0 {
		last := shown[len(shown)-1]
		last.Path, last.Message = "", fmt.Sprintf("%d more problems follow", more)
		shown = append(shown, last)
	}
	return &Error{Problems: shown}
}

// shorten quotes what a user wrote for an error message: escaped, so that it
// stays on one line, and not longer than it helps.
func shorten(s string) string {
	const limit = 60
	if r := []rune(s); len(r) > limit {
		s = string(r[:limit]) + "…"
	}
	return fmt.Sprintf("%q", s)
}

// list joins values for a sentence: a, b or c.
func list(values []string) string {
	if len(values) < 2 {
		return strings.Join(values, "")
	}
	last := len(values) - 1
	return strings.Join(values[:last], ", ") + " or " + values[last]
}
