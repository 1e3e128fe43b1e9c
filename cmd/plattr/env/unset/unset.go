// Package unset is the `env unset` command.
package unset

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"plattr.dev/plattr/cmd/plattr/internal/local"
	"plattr.dev/plattr/internal/cli"
	"plattr.dev/plattr/localdev/envfile"
)

// report is what `env unset -o json` prints.
type report struct {
	Unset []string `json:"unset"`
	Next  string   `json:"next"`
}

// New returns the `env unset` command.
func New(s *cli.Session) *cobra.Command {
	return &cobra.Command{
		Use:   "unset NAME...",
		Short: "Take back variables that env set has set on this machine",
		Long: "Take back variables that env set has set on this machine.\n\n" +
			"What plattr and plattr.yaml give stays. A name that was never set is an error, so that a typing mistake is seen.",
		Example: "  plattr env unset LOG_LEVEL",
		Args:    cli.Args(1, -1, "one NAME or more"),
		RunE:    func(_ *cobra.Command, args []string) error { return run(s, args) },
	}
}

func run(s *cli.Session, names []string) error {
	app, dir, err := local.Load(s)
	if err != nil {
		return err
	}
	file := envfile.SetPath(dir, app.Name)
	have, err := envfile.Read(file)
	if err != nil {
		return fmt.Errorf("env unset: %w", err)
	}
	for _, name := range names {
		if !slices.ContainsFunc(have, func(v envfile.Var) bool { return v.Name == name }) {
			return cli.Usagef("env unset: %q was not set with plattr env set", name)
		}
	}
	if err := envfile.Change(file, nil, names); err != nil {
		return fmt.Errorf("env unset: %w", err)
	}
	r := report{Unset: names, Next: "plattr dev"}
	return s.Print(r, func(w io.Writer) {
		fmt.Fprintf(w, "unset %s\nNext: %s\n", strings.Join(names, ", "), r.Next)
	})
}
