// Package validate is the `validate` command.
package validate

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"plattr.dev/plattr/internal/cli"
	"plattr.dev/plattr/internal/config"
)

// report is what `validate -o json` prints.
type report struct {
	File     string    `json:"file"`
	Valid    bool      `json:"valid"`
	Problems []problem `json:"problems"`
}

type problem struct {
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Path    string `json:"path"`
	Message string `json:"message"`
}

// New returns the `validate` command.
func New(s *cli.Session) *cobra.Command {
	return &cobra.Command{
		Use:   "validate",
		Short: "Check plattr.yaml without touching anything",
		Long: "Check plattr.yaml without touching anything.\n\n" +
			"Every problem is printed at once as file:line:column: field: what is wrong. Exit code 1 says that there are some.",
		Example: "  plattr validate\n  plattr validate --app services/shop -o json",
		Args:    cli.NoArgs,
		RunE:    func(*cobra.Command, []string) error { return run(s) },
	}
}

func run(s *cli.Session) error {
	file, err := s.File()
	if err != nil {
		return err
	}
	_, err = config.Load(file)
	var invalid *config.Error
	if err != nil && !errors.As(err, &invalid) {
		return fmt.Errorf("validate: %w", err)
	}
	if s.Format == cli.Text && invalid != nil {
		return invalid
	}
	r := report{File: file, Valid: invalid == nil, Problems: []problem{}}
	if invalid != nil {
		for _, p := range invalid.Problems {
			r.Problems = append(r.Problems, problem{p.Line, p.Column, p.Path, p.Message})
		}
	}
	if err := s.Print(r, func(w io.Writer) { fmt.Fprintln(w, file+" is valid") }); err != nil {
		return err
	}
	if !r.Valid {
		return &cli.ReportedError{Code: cli.ExitFailed}
	}
	return nil
}
