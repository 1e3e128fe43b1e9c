package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/charmbracelet/huh"
)

// ErrDeclined says that the user answered no. It is a kind of ErrCancelled.
var ErrDeclined = fmt.Errorf("%w: nothing was changed", ErrCancelled)

// Confirm asks whether to go on. what says what would happen, as "delete the
// data of every application". With --yes it is true at once; where nobody can
// be asked, it is an error that names the flag.
func (s *Session) Confirm(ctx context.Context, what string) error {
	if s.Yes {
		return nil
	}
	if !s.CanPrompt() {
		return Usagef("this would %s: run it with --yes to confirm (there is no terminal to ask on)", what)
	}
	fmt.Fprintf(s.Err, "This will %s.\nContinue? [y/N] ", what)
	answer, err := s.readLine(ctx)
	if err != nil {
		return err
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	default:
		return ErrDeclined
	}
}

// readLine returns a line of In, or ErrCancelled at its end or when ctx ends.
// The reading goroutine is left behind in that case: the program is about to
// end, and a read from a terminal cannot be interrupted.
func (s *Session) readLine(ctx context.Context) (string, error) {
	type result struct {
		line string
		err  error
	}
	lines := make(chan result, 1)
	go func() {
		line, err := bufio.NewReader(s.In).ReadString('\n')
		lines <- result{line, err}
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(s.Err)
		return "", fmt.Errorf("%w: %w", ErrCancelled, ctx.Err())
	case r := <-lines:
		if r.err != nil {
			fmt.Fprintln(s.Err)
			return "", ErrDeclined
		}
		return r.line, nil
	}
}

// Ask shows a form on the terminal. Ctrl-C and Escape give ErrDeclined.
func (s *Session) Ask(ctx context.Context, groups ...*huh.Group) error {
	if !s.CanPrompt() {
		return Usagef("there is no terminal to ask on: pass --yes and the flags")
	}
	form := huh.NewForm(groups...).WithInput(s.In).WithOutput(s.Err).
		WithAccessible(!s.Live).WithShowHelp(s.Live)
	if !s.Color {
		form = form.WithTheme(huh.ThemeBase())
	}
	err := form.RunWithContext(ctx)
	if errors.Is(err, huh.ErrUserAborted) {
		return ErrDeclined
	}
	if err != nil {
		return fmt.Errorf("ask on the terminal: %w", err)
	}
	return nil
}

// ConfirmName asks for something that cannot be brought back: the user types its name.
func (s *Session) ConfirmName(ctx context.Context, what, name string) error {
	if s.Yes {
		return nil
	}
	if !s.CanPrompt() {
		return Usagef("this would %s: run it with --yes to confirm (there is no terminal to ask on)", what)
	}
	fmt.Fprintf(s.Err, "This will %s.\nType %s to continue: ", what, name)
	answer, err := s.readLine(ctx)
	if err != nil {
		return err
	}
	if strings.TrimSpace(answer) != name {
		return ErrDeclined
	}
	return nil
}
