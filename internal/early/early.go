// Package early keeps plattr from asking the terminal for its colours at every start.
//
// bubbletea, which the prompts and Pulumi's display link, asks in the initialisation of its package, and a
// pseudo-terminal that does not answer holds every command up for five seconds, --help included. Saying what it would
// learn before it asks is the only way around it. Go initialises packages in the order of their import paths, as far as
// their imports allow (The Go Programming Language Specification, "Program initialization"): this one must sort before
// github.com/charmbracelet/bubbletea, which no path below plattr.dev does.
package early

import "github.com/charmbracelet/lipgloss"

func init() {
	lipgloss.SetHasDarkBackground(true)
}
