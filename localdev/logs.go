package localdev

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"plattr.dev/plattr/localdev/supervisor"
)

// followEvery is how often a log that is followed is looked at.
const followEvery = 100 * time.Millisecond

// NoLogError says that no service of this name has a log.
type NoLogError struct {
	Service string
	Have    []string
}

func (e *NoLogError) Error() string { return fmt.Sprintf("there is no log of %q", e.Service) }

// Hint names the logs that there are.
func (e *NoLogError) Hint() string {
	if len(e.Have) == 0 {
		return "nothing has run yet: plattr dev"
	}
	return "one of: " + strings.Join(e.Have, ", ")
}

// Logs writes the log of a service to w, or those of all services, each line after its service's name, if service is
// empty. Of each log the last lines are written, all if that is negative. With follow it goes on until ctx ends, which is no
// error then.
func (n *Native) Logs(ctx context.Context, service string, last int, follow bool, w io.Writer) error {
	have, err := n.logs()
	if err != nil {
		return explain(err)
	}
	names := []string{service}
	if service == "" {
		names = slices.DeleteFunc(slices.Clone(have), func(s string) bool { return s == "supervisor" })
	} else if !slices.Contains(have, service) {
		return &NoLogError{service, have}
	}
	var tails []*tail
	for _, name := range names {
		t := &tail{path: supervisor.LogFile(n.state, name)}
		if service == "" {
			t.prefix = fmt.Sprintf("%-12s | ", name)
		}
		tails = append(tails, t)
	}
	for first := true; ; first = false {
		for _, t := range tails {
			if err := t.copy(w, first, last); err != nil {
				return fmt.Errorf("read the log %s: %w", t.path, err)
			}
		}
		if !follow {
			return flush(tails, w)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(followEvery):
		}
	}
}

// flush writes last lines that have no end.
func flush(tails []*tail, w io.Writer) error {
	for _, t := range tails {
		if len(t.half) == 0 {
			continue
		}
		if _, err := fmt.Fprintf(w, "%s%s\n", t.prefix, t.half); err != nil {
			return fmt.Errorf("write the log: %w", err)
		}
	}
	return nil
}

// logs lists the services that have a log.
func (n *Native) logs() ([]string, error) {
	entries, err := os.ReadDir(n.state.Join("logs"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var names []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ".log"); ok {
			names = append(names, name)
		}
	}
	return names, err
}

// tail follows one log over its rotations, in whole lines.
type tail struct {
	path   string
	prefix string
	offset int64
	half   []byte // a line without its end
}

// copy writes what is new. The first time it begins with what the last rotation put aside, and ends with the last lines.
func (t *tail) copy(w io.Writer, first bool, last int) error {
	if !first {
		return t.next(w)
	}
	old, err := os.ReadFile(t.path + ".1")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var all bytes.Buffer
	if err := errors.Join(t.write(&all, old), t.next(&all)); err != nil {
		return err
	}
	_, err = w.Write(lastLines(all.Bytes(), last))
	return err
}

// lastLines are the last n lines of a text, all if n is negative.
func lastLines(text []byte, n int) []byte {
	if n < 0 {
		return text
	}
	at := len(text)
	for range n {
		if at == 0 {
			break
		}
		at = bytes.LastIndexByte(text[:at-1], '\n') + 1
	}
	return text[at:]
}

// next writes what came since.
func (t *tail) next(w io.Writer) error {
	f, err := os.Open(filepath.Clean(t.path))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // its application was removed
	}
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() < t.offset {
		t.offset = 0 // it was rotated
	}
	if info.Size() == t.offset {
		return nil
	}
	raw := make([]byte, info.Size()-t.offset)
	n, err := f.ReadAt(raw, t.offset)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	t.offset += int64(n)
	return t.write(w, raw[:n])
}

func (t *tail) write(w io.Writer, raw []byte) error {
	raw = append(t.half, raw...)
	end := bytes.LastIndexByte(raw, '\n') + 1
	t.half = bytes.Clone(raw[end:])
	var out bytes.Buffer
	for line := range bytes.Lines(raw[:end]) {
		out.WriteString(t.prefix)
		out.Write(line)
	}
	_, err := w.Write(out.Bytes())
	return err
}
