// Package logs is the `dev logs` command.
package logs

import (
	"context"
	"errors"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"plattr.dev/plattr/internal/cli"
	"plattr.dev/plattr/localdev"
)

// Runtime is what this command needs of the services of the machine.
type Runtime interface {
	Logs(ctx context.Context, service string, last int, follow bool, w io.Writer) error
}

// New returns the `dev logs` command.
func New(s *cli.Session, open func(context.Context) (Runtime, error)) *cobra.Command {
	var follow bool
	last := -1
	cmd := &cobra.Command{
		Use:   "logs [SERVICE]",
		Short: "Print the logs of the local services",
		Long: "Print the logs of the local services.\n\n" +
			"SERVICE is a name that `plattr dev status` shows, as postgresql; without one every line begins with its service.",
		Example: "  plattr dev logs\n  plattr dev logs postgresql --tail 20 -f",
		Args:    cli.Args(0, 1, "one SERVICE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			runtime, err := open(cmd.Context())
			if err != nil {
				return err
			}
			service := ""
			if len(args) > 0 {
				service = args[0]
			}
			return run(cmd.Context(), s, runtime, service, last, follow)
		},
	}
	cmd.Flags().IntVar(&last, "tail", last, "only the last `lines` of each log (default: all)")
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on with what comes, until Ctrl-C")
	return cmd
}

// run makes a usage error of a name that has no log: it is an argument.
func run(ctx context.Context, s *cli.Session, runtime Runtime, service string, last int, follow bool) error {
	if s.Format != cli.Text {
		return cli.Usagef("logs are text: leave out -o %s", s.Format)
	}
	err := runtime.Logs(ctx, service, last, follow, s.Out)
	var none *localdev.NoLogError
	if errors.As(err, &none) && len(none.Have) > 0 {
		return cli.Usagef("%v: SERVICE is one of %s", err, strings.Join(none.Have, ", "))
	}
	return err
}
