// Package set is the `env set` command.
package set

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"plattr.dev/plattr/cmd/plattr/internal/local"
	"plattr.dev/plattr/internal/cli"
	"plattr.dev/plattr/localdev/envfile"
)

// maxValue is the largest value that is read from a pipe, in bytes.
const maxValue = 1 << 20

// report is what `env set -o json` prints.
type report struct {
	Set  []string `json:"set"`
	File string   `json:"file"`
	Next string   `json:"next"`
}

// New returns the `env set` command.
func New(s *cli.Session) *cobra.Command {
	return &cobra.Command{
		Use:   "set NAME=VALUE... | NAME",
		Short: "Set environment variables of the application on this machine",
		Long: "Set environment variables of the application on this machine.\n\n" +
			"They are kept in .plattr/NAME.set.env (0600) and come after everything but local.env. NAME alone asks for the value\n" +
			"without showing it, or reads it from a pipe: other people on the machine can read arguments. `plattr dev` applies them.",
		Example: "  plattr env set LOG_LEVEL=debug\n  plattr env set API_TOKEN",
		Args:    cli.Args(1, -1, "NAME=VALUE, or NAME alone"),
		RunE:    func(_ *cobra.Command, args []string) error { return run(s, args) },
	}
}

func run(s *cli.Session, args []string) error {
	app, dir, err := local.Load(s)
	if err != nil {
		return err
	}
	vars := make([]envfile.Var, len(args))
	for i, arg := range args {
		name, value, given := strings.Cut(arg, "=")
		if err := envfile.CheckName(name); err != nil {
			return cli.Usagef("env set: %v", err)
		}
		if !given && len(args) > 1 {
			return cli.Usagef("env set: %s has no value: write %s=VALUE, or give NAME alone to be asked", name, name)
		}
		if !given {
			if value, err = readValue(s, name); err != nil {
				return err
			}
		}
		vars[i] = envfile.Var{Name: name, Value: value}
	}
	file := envfile.SetPath(dir, app.Name)
	if err := envfile.Change(file, vars, nil); err != nil {
		return fmt.Errorf("env set: %w", err)
	}
	r := report{Set: []string{}, File: file, Next: "plattr dev"}
	for _, v := range vars {
		r.Set = append(r.Set, v.Name)
	}
	return s.Print(r, func(w io.Writer) {
		fmt.Fprintf(w, "set %s\nNext: %s\n", strings.Join(r.Set, ", "), r.Next)
	})
}

// readValue asks on a terminal without an echo, or reads a pipe to its end. The
// last line end is not part of the value.
func readValue(s *cli.Session, name string) (string, error) {
	if file, ok := s.In.(*os.File); ok && s.CanPrompt() {
		fmt.Fprintf(s.Err, "%s: ", name)
		raw, err := term.ReadPassword(int(file.Fd()))
		fmt.Fprintln(s.Err)
		if err != nil {
			return "", fmt.Errorf("env set: read the value of %s: %w", name, err)
		}
		return string(raw), nil
	}
	raw, err := io.ReadAll(io.LimitReader(s.In, maxValue+1))
	if err != nil {
		return "", fmt.Errorf("env set: read the value of %s: %w", name, err)
	}
	if len(raw) > maxValue {
		return "", cli.Usagef("env set: the value of %s is larger than %s", name, cli.Size(maxValue))
	}
	if len(raw) == 0 {
		return "", cli.Usagef("env set: there is no value for %s: write %s=VALUE, or pipe it in", name, name)
	}
	return strings.TrimSuffix(strings.TrimSuffix(string(raw), "\n"), "\r"), nil
}
