package sqlshell

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"

	"golang.org/x/term"

	"plattr.dev/plattr/internal/migrate/sqltext"
)

// console is a terminal that reads lines in raw mode and is itself while a statement runs, so that Ctrl-C then is the
// signal that it always is.
type console struct {
	file     *os.File
	terminal *term.Terminal
	keys     *keys
}

// keys turns Ctrl-C, which would end the line editor, into an end of the line and a note of it.
type keys struct {
	io.Reader
	interrupted atomic.Bool
	pending     []byte
}

const (
	ctrlC = 3
	// forget goes to the line's end, deletes it and enters what is left.
	forget = "\x05\x15\r"
)

// Read implements io.Reader.
func (k *keys) Read(p []byte) (int, error) {
	if len(k.pending) > 0 {
		n := copy(p, k.pending)
		k.pending = k.pending[n:]
		return n, nil
	}
	n, err := k.Reader.Read(p)
	for i := range n {
		if p[i] == ctrlC {
			k.interrupted.Store(true)
			k.pending = append([]byte(forget), p[i+1:n]...)
			if i == 0 {
				return k.Read(p)
			}
			return i, nil
		}
	}
	return n, err
}

func (s *shell) console(file *os.File) *console {
	c := &console{file: file, keys: &keys{Reader: file}}
	c.terminal = term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{c.keys, s.Out}, "")
	if s.History != "" {
		c.terminal.History = openHistory(s.History)
	}
	return c
}

// line reads one line. ok is false if Ctrl-C discarded it.
func (c *console) line(prompt string) (line string, ok bool, err error) {
	fd := int(c.file.Fd()) //nolint:gosec // a file descriptor is small
	before, err := term.MakeRaw(fd)
	if err != nil {
		return "", false, fmt.Errorf("read from the terminal: %w", err)
	}
	defer func() { _ = term.Restore(fd, before) }()
	if width, height, err := term.GetSize(fd); err == nil && width > 0 {
		_ = c.terminal.SetSize(width, height)
	}
	c.terminal.SetPrompt(prompt)
	line, err = c.terminal.ReadLine()
	if errors.Is(err, term.ErrPasteIndicator) {
		err = nil
	}
	return line, !c.keys.interrupted.Swap(false), err
}

// session reads statements until Ctrl-D or \q.
func (s *shell) session(ctx context.Context, file *os.File) error {
	_, _ = fmt.Fprintf(s.Err, "PostgreSQL %s. Statements end with ; and \\? shows the commands.\n", s.conn.PgConn().ParameterStatus("server_version"))
	c := s.console(file)
	buffer := ""
	for {
		line, ok, err := c.line(s.prompt(buffer))
		switch {
		case errors.Is(err, io.EOF):
			_, _ = fmt.Fprintln(s.Out)
			return nil
		case err != nil:
			return err
		case !ok:
			buffer = ""
			continue
		}
		if strings.TrimSpace(buffer) == "" && strings.HasPrefix(strings.TrimSpace(line), `\`) {
			if quit := s.meta(ctx, strings.TrimSpace(line)); quit {
				return nil
			}
			continue
		}
		buffer = s.take(ctx, buffer+line+"\n")
	}
}

// prompt says which database it is, whether a statement goes on, and whether a transaction is open.
func (s *shell) prompt(buffer string) string {
	sign := "="
	if strings.TrimSpace(buffer) != "" {
		sign = "-"
	}
	switch s.conn.PgConn().TxStatus() {
	case 'T':
		sign += "*"
	case 'E':
		sign += "!"
	}
	return s.conn.Config().Database + sign + "> "
}

// take runs what of the buffer is whole and returns the rest.
func (s *shell) take(ctx context.Context, buffer string) string {
	statements, err := sqltext.Split(buffer)
	if err != nil {
		var syntax *sqltext.SyntaxError
		if errors.As(err, &syntax) && syntax.Unclosed {
			return buffer
		}
		s.complain(err)
		return ""
	}
	for _, statement := range statements {
		if !statement.Complete {
			return buffer[statement.Offset:]
		}
		if !s.one(ctx, statement) {
			return ""
		}
	}
	return ""
}

// one runs a statement of a session, which Ctrl-C cancels. After an error the rest of the line is not run.
func (s *shell) one(ctx context.Context, statement sqltext.Statement) bool {
	interruptible, stop := signal.NotifyContext(ctx, os.Interrupt)
	defer stop()
	statement.Line = 0
	err := s.statement(interruptible, statement)
	if err == nil {
		return true
	}
	if interruptible.Err() != nil {
		err = errors.New("cancelled")
	}
	s.complain(err)
	if s.conn.IsClosed() {
		if err := s.connect(ctx); err != nil {
			s.complain(err)
		} else {
			_, _ = fmt.Fprintln(s.Err, "the connection was lost; this is a new one")
		}
	}
	return false
}

func (s *shell) complain(err error) { _, _ = fmt.Fprintf(s.Err, "error: %v\n", err) }
