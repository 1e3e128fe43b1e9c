// Package history is the `history` command.
package history

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"plattr.dev/plattr/cmd/plattr/internal/remote"
	"plattr.dev/plattr/internal/cli"
	"plattr.dev/plattr/internal/deploy"
	"plattr.dev/plattr/internal/image"
)

// release is one entry of what `history -o json` prints.
type release struct {
	ID         string    `json:"id"`
	State      string    `json:"state"`
	Image      string    `json:"image"`
	Time       time.Time `json:"time"`
	By         string    `json:"by,omitempty"`
	RollbackTo string    `json:"rollbackTo,omitempty"`
	Why        string    `json:"why,omitempty"`
}

// New returns the `history` command.
func New(s *cli.Session, open remote.Opener) *cobra.Command {
	var env string
	cmd := &cobra.Command{
		Use:     "history",
		Short:   "List the releases of the application in an environment",
		Long:    "List the releases of the application in an environment.\n\nNewest first, those that failed with why. `plattr rollback` goes back to one.",
		Example: "  plattr history --env staging\n  plattr history --env staging -o json",
		Args:    cli.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), s, open, env) },
	}
	remote.AddFlag(cmd, &env, "`environment` of plattr.platform.yaml, or local for the cluster on this machine")
	return cmd
}

func run(ctx context.Context, s *cli.Session, open remote.Opener, env string) error {
	e, err := open(ctx, env, "plattr history")
	if err != nil {
		return err
	}
	records, live, err := e.Deployer.Releases(ctx, e.App, e.Bare)
	if err != nil {
		return fmt.Errorf("%s: %w", e.Label(), err)
	}
	releases := make([]release, len(records))
	for i, r := range records {
		releases[i] = release{
			ID: r.ID, State: state(r, live), Image: r.Image, Time: r.Time, By: r.By, RollbackTo: r.RollbackTo, Why: r.Failure,
		}
	}
	return s.Print(releases, func(w io.Writer) {
		if len(releases) == 0 {
			fmt.Fprintf(w, "%s was never deployed\n", e.Label())
			return
		}
		rows := make([][]string, len(releases))
		for i, r := range releases {
			note := r.Why
			if r.RollbackTo != "" {
				note = "back to " + r.RollbackTo
			}
			rows[i] = []string{r.ID, r.State, image.Short(r.Image), r.Time.Local().Format(time.DateTime), r.By, note}
		}
		cli.Table(w, rows)
	})
}

// state says what became of a release.
func state(r deploy.Record, live string) string {
	switch {
	case r.Failure != "":
		return "failed"
	case r.ID == live:
		return "serves"
	default:
		return "replaced"
	}
}
