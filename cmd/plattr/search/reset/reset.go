// Package reset is the `search reset` command.
package reset

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"plattr.dev/plattr/cmd/plattr/internal/local"
	"plattr.dev/plattr/internal/cli"
)

// New returns the `search reset` command.
func New(s *cli.Session, open local.Opener) *cobra.Command {
	var env cli.ResetEnvironment
	cmd := &cobra.Command{
		Use:   "reset",
		Short: "Delete the application's search indices",
		Long: "Delete the application's search indices.\n\n" +
			"Everything whose name begins with the application's OPENSEARCH_INDEX_PREFIX goes: indices, data streams, templates and\n" +
			"pipelines. Nothing of another application is touched. It asks first; scripts pass --yes.",
		Example: "  plattr search reset --yes",
		Args:    cli.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), s, open, env) },
	}
	env.AddFlag(cmd)
	return cmd
}

// report is what `search reset -o json` prints.
type report struct {
	App     string   `json:"app"`
	Indices []string `json:"indices"`
}

func run(ctx context.Context, s *cli.Session, open local.Opener, env cli.ResetEnvironment) error {
	app, name, err := local.OpenForReset(ctx, s, env, open, "plattr search reset", "the search indices of %s")
	if err != nil {
		return err
	}
	r := report{App: name, Indices: []string{}}
	err = app.WithServices(s, func(w *local.Watch) error {
		indices, err := app.ResetSearch(ctx, w.Reports())
		r.Indices = append(r.Indices, indices...)
		return err
	})
	if err != nil {
		return err
	}
	return s.Print(r, func(w io.Writer) {
		if len(r.Indices) == 0 {
			fmt.Fprintf(w, "%s has no search indices\n", r.App)
			return
		}
		fmt.Fprintf(w, "deleted %s\n", strings.Join(r.Indices, ", "))
	})
}
