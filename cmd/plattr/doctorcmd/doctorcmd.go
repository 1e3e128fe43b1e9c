// Package doctorcmd is the `doctor` command.
package doctorcmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"plattr.dev/plattr/cmd/plattr/internal/local"
	"plattr.dev/plattr/internal/cli"
	"plattr.dev/plattr/localdev/doctor"
)

// New returns the `doctor` command.
func New(s *cli.Session, open local.Opener) *cobra.Command {
	fix := false
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Look for what keeps plattr from working, and say what mends it",
		Long: "Look for what keeps plattr from working, and say what mends it.\n\n" +
			"It looks at the machine, the programs and their versions, ports, disk, memory, the folders of state and cache, the\n" +
			"services, locks and leftovers, and the application of the plattr.yaml here, if there is one. Nothing is changed; with --fix\n" +
			"what can be mended safely is. It ends with 1 when a problem is left; warnings do not count.",
		Example: "  plattr doctor\n  plattr doctor --fix\n  plattr doctor -o json",
		Args:    cli.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), s, open, fix) },
	}
	cmd.Flags().BoolVar(&fix, "fix", false, "mend what can be mended safely")
	return cmd
}

// report is what `doctor -o json` prints.
type report struct {
	Healthy  bool             `json:"healthy"`
	Findings []doctor.Finding `json:"findings"`
}

func run(ctx context.Context, s *cli.Session, open local.Opener, fix bool) error {
	e := examine(ctx, s, open)
	var failed error
	if fix {
		failed = e.Fix(ctx)
	}
	r := report{Healthy: e.Healthy(), Findings: e.Findings}
	if err := s.Print(r, func(w io.Writer) { r.write(w, s.OutPaint()) }); err != nil {
		return err
	}
	if failed != nil {
		return fmt.Errorf("fix: %w", failed)
	}
	if !r.Healthy {
		return &cli.ReportedError{Code: cli.ExitFailed}
	}
	return nil
}

// examine shows that it looks: some checks ask servers.
func examine(ctx context.Context, s *cli.Session, open local.Opener) doctor.Examination {
	view := s.NewView()
	defer view.Close()
	o := doctor.Options{Getenv: os.Getenv}
	file, err := s.File()
	if err == nil {
		o.File = file
		if o.App, _, o.FileError = local.Load(s); o.FileError == nil {
			if app, err := open(ctx, "plattr doctor"); err == nil {
				o.Dev = app.Dev
			}
		}
	} else if !errors.Is(err, cli.ErrNoFile) {
		o.FileError = err
	}
	return doctor.Examine(ctx, o)
}

// write prints a line for each finding, and below what is wrong what mends it.
func (r report) write(w io.Writer, p cli.Paint) {
	last, problems := "", 0
	for _, f := range r.Findings {
		title := f.Check
		if title == last {
			title = ""
		}
		last = f.Check
		mark := map[doctor.Status]string{doctor.OK: p.Green("✓"), doctor.Warning: p.Yellow("!"), doctor.Problem: p.Red("✗")}[f.Status]
		fmt.Fprintf(w, "%s %-13s %s\n", mark, title, cli.Clean(f.Detail))
		switch {
		case f.Fixed:
			fmt.Fprintf(w, "  %-13s fixed\n", "")
			continue
		case f.Fix != "":
			fmt.Fprintf(w, "  %-13s → %s\n", "", cli.Clean(f.Fix))
		}
		if f.Status == doctor.Problem {
			problems++
		}
	}
	if problems > 0 {
		fmt.Fprintf(w, "\n%s\n", cli.Count(problems, "problem"))
		return
	}
	fmt.Fprintln(w, "\nnothing is in the way")
}
