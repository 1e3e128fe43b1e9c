package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"
)

// FileName is the application file that commands look for.
const FileName = "plattr.yaml"

// ErrNoFile says that no application file was found.
var ErrNoFile = errors.New("no " + FileName)

// Format is how a command prints its result.
type Format string

// The formats of `-o`.
const (
	Text Format = "text"
	JSON Format = "json"
	YAML Format = "yaml"
)

// String returns the format's name.
func (f *Format) String() string { return string(*f) }

// Set accepts one of the formats.
func (f *Format) Set(value string) error {
	switch Format(value) {
	case Text, JSON, YAML:
		*f = Format(value)
		return nil
	default:
		return errors.New("must be text, json or yaml")
	}
}

// Type names the values in the help.
func (f *Format) Type() string { return "format" }

// Session is one run of the program: its streams and the flags that mean the
// same in every command.
type Session struct {
	Streams
	// App is a path to a directory or an application file; empty means the
	// plattr.yaml here or in a parent directory.
	App string
	// Format is how results are printed.
	Format Format
	// Quiet leaves only results and errors; Verbose adds the engine's events.
	Quiet, Verbose bool
	// Yes answers every question with yes.
	Yes bool
	// Timeout ends the command; 0 means never.
	Timeout time.Duration
	// Now is the clock of everything that is printed.
	Now func() time.Time

	view atomic.Pointer[View] // the one that is open
}

// NewSession returns a session that prints text, with the system's clock.
func NewSession(s Streams) *Session {
	return &Session{Streams: s, Format: Text, Now: time.Now}
}

// AddFlags declares the common flags.
func (s *Session) AddFlags(fs *pflag.FlagSet) {
	fs.StringVar(&s.App, "app", "", "application `path`: a directory or a file (default: the plattr.yaml here or in a parent)")
	fs.VarP(&s.Format, "output", "o", "how results are printed: text, json or yaml")
	fs.BoolVarP(&s.Quiet, "quiet", "q", false, "print only results and errors")
	fs.BoolVarP(&s.Verbose, "verbose", "v", false, "add the engine's events")
	fs.BoolVar(&s.Yes, "yes", false, "answer every question with yes (scripts)")
	fs.DurationVar(&s.Timeout, "timeout", 0, "give up after this `time`, as 90s or 5m (default: never)")
}

// File returns the path of the application file, as short as it can be:
// messages name it. Without --app it is looked for in the working directory
// and its parents.
func (s *Session) File() (string, error) {
	if s.App != "" {
		return fileAt(s.App)
	}
	here, err := filepath.Abs(".")
	if err != nil {
		return "", fmt.Errorf("find %s: %w", FileName, err)
	}
	for at := "."; ; at = filepath.Join(at, "..") {
		file, err := fileAt(at)
		if err == nil {
			return file, nil
		}
		if !errors.Is(err, ErrNoFile) {
			return "", err
		}
		if top, err := filepath.Abs(at); err != nil || top == filepath.Dir(top) {
			return "", fmt.Errorf("%w in %s or a directory above it", ErrNoFile, here)
		}
	}
}

func fileAt(path string) (string, error) {
	info, err := os.Stat(path)
	if err == nil && !info.IsDir() {
		return path, nil
	}
	if err == nil {
		path = filepath.Join(path, FileName)
		info, err = os.Stat(path)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("%w: %s does not exist", ErrNoFile, path)
	case err != nil:
		return "", fmt.Errorf("find %s: %w", FileName, err)
	case info.IsDir():
		return "", fmt.Errorf("find %s: %s is a directory", FileName, path)
	}
	return path, nil
}

// Print writes a result to Out: as text by the function, else the value with
// the field names of its json tags.
func (s *Session) Print(value any, text func(io.Writer)) error {
	if s.Format != Text {
		return encode(s.Out, s.Format, value)
	}
	var b bytes.Buffer
	text(&b)
	if _, err := s.Out.Write(b.Bytes()); err != nil {
		return fmt.Errorf("print the result: %w", err)
	}
	return nil
}

// Infof writes a line to Err, unless --quiet is set.
func (s *Session) Infof(format string, args ...any) {
	if !s.Quiet {
		fmt.Fprintf(s.Err, format+"\n", args...)
	}
}

// Note writes a line to Err from anywhere, above the live tree where one is
// drawn.
func (s *Session) Note(text string) {
	if v := s.view.Load(); v != nil {
		v.Note(text)
		return
	}
	s.Infof("  %s", text)
}

// encode writes a value as JSON or YAML. YAML goes through JSON, so that both
// have the same field names.
func encode(w io.Writer, f Format, value any) error {
	raw, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the result: %w", err)
	}
	if f == YAML {
		var node yaml.Node
		if err := yaml.Unmarshal(raw, &node); err != nil {
			return fmt.Errorf("encode the result: %w", err)
		}
		blockStyle(&node)
		if raw, err = yaml.Marshal(&node); err != nil {
			return fmt.Errorf("encode the result: %w", err)
		}
	}
	if _, err := fmt.Fprintln(w, strings.TrimRight(string(raw), "\n")); err != nil {
		return fmt.Errorf("print the result: %w", err)
	}
	return nil
}

// blockStyle takes JSON's braces and quotes off; yaml/v3 quotes again what
// needs it.
func blockStyle(n *yaml.Node) {
	n.Style = 0
	for _, child := range n.Content {
		blockStyle(child)
	}
}

// Table writes rows in columns. Cells are cleaned of control characters. A row of a single cell is a remark on the one
// above it: it runs across the columns.
func Table(w io.Writer, rows [][]string) {
	var text strings.Builder
	t := tabwriter.NewWriter(&text, 0, 0, 3, ' ', 0)
	for _, row := range rows {
		if len(row) == 1 {
			continue
		}
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = Clean(cell)
		}
		fmt.Fprintln(t, strings.Join(cells, "\t"))
	}
	_ = t.Flush() // a strings.Builder takes everything
	lines := strings.SplitAfter(text.String(), "\n")
	for _, row := range rows {
		line := ""
		if len(row) == 1 {
			line = Clean(row[0])
		} else {
			line, lines = lines[0], lines[1:]
		}
		fmt.Fprintln(w, strings.TrimRight(line, " \n"))
	}
}
