// Package stop is the `dev stop` command.
package stop

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"plattr.dev/plattr/internal/cli"
	"plattr.dev/plattr/localdev/supervisor"
)

// Runtime is what this command needs of the services of the machine.
type Runtime interface {
	Status(ctx context.Context) (supervisor.Status, error)
	Stop(ctx context.Context) error
}

// report is what `dev stop -o json` prints.
type report struct {
	Stopped []string `json:"stopped"`
}

// New returns the `dev stop` command.
func New(s *cli.Session, open func(context.Context) (Runtime, error)) *cobra.Command {
	return &cobra.Command{
		Use:   "stop",
		Short: "Stop the local services; the data stay",
		Long: "Stop the local services; the data stay.\n\n" +
			"All applications of this machine share the services, so this stops them for all. `plattr dev` starts them again.",
		Example: "  plattr dev stop",
		Args:    cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			runtime, err := open(cmd.Context())
			if err != nil {
				return err
			}
			return run(cmd.Context(), s, runtime)
		},
	}
}

func run(ctx context.Context, s *cli.Session, runtime Runtime) error {
	status, err := runtime.Status(ctx)
	if err != nil {
		return fmt.Errorf("stop the services: %w", err)
	}
	r := report{Stopped: []string{}}
	for _, service := range status.Services {
		r.Stopped = append(r.Stopped, service.Name)
	}
	if err := stop(ctx, s, runtime); err != nil {
		return fmt.Errorf("stop the services: %w", err)
	}
	return s.Print(r, func(w io.Writer) {
		text := cli.Count(len(r.Stopped), "service") + " stopped, the data stay"
		if len(r.Stopped) == 0 {
			text = "nothing was running"
		}
		fmt.Fprintln(w, text)
	})
}

func stop(ctx context.Context, s *cli.Session, runtime Runtime) error {
	view := s.NewView()
	defer view.Close()
	view.Start("stop", "", "Services")
	view.Update("stop", "stopping in order")
	if err := runtime.Stop(ctx); err != nil {
		view.Fail("stop", err)
		return err
	}
	view.Done("stop", "", -1)
	return nil
}
