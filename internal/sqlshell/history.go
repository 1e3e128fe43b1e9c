package sqlshell

import (
	"os"
	"path/filepath"
	"strings"
)

// historyLines is how many lines are read back from the file.
const historyLines = 1000

// history is what was typed, in memory and in a file. A file that cannot be written costs the history, not the session.
type history struct {
	path  string
	lines []string // oldest first
}

func openHistory(path string) *history {
	h := &history{path: path}
	raw, err := os.ReadFile(path)
	if err != nil {
		return h
	}
	h.lines = strings.Split(strings.TrimSuffix(string(raw), "\n"), "\n")
	if len(h.lines) > historyLines {
		h.lines = h.lines[len(h.lines)-historyLines:]
		_ = os.WriteFile(path, []byte(strings.Join(h.lines, "\n")+"\n"), 0o600)
	}
	return h
}

// Add implements term.History.
func (h *history) Add(line string) {
	if strings.TrimSpace(line) == "" || strings.Contains(strings.ToLower(line), "password") {
		return
	}
	h.lines = append(h.lines, line)
	if os.MkdirAll(filepath.Dir(h.path), 0o700) != nil {
		return
	}
	file, err := os.OpenFile(h.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return
	}
	_, _ = file.WriteString(strings.ReplaceAll(line, "\n", " ") + "\n")
	_ = file.Close()
}

// Len implements term.History.
func (h *history) Len() int { return len(h.lines) }

// At implements term.History: 0 is the newest.
func (h *history) At(index int) string { return h.lines[len(h.lines)-1-index] }
