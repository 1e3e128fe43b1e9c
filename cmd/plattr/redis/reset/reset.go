// Package reset is the `redis reset` command.
package reset

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"plattr.dev/plattr/cmd/plattr/internal/local"
	"plattr.dev/plattr/internal/cli"
)

// New returns the `redis reset` command.
func New(s *cli.Session, open local.Opener) *cobra.Command {
	var env cli.ResetEnvironment
	cmd := &cobra.Command{
		Use:   "reset",
		Short: "Delete everything in the application's Redis",
		Long: "Delete everything in the application's Redis.\n\n" +
			"The Redis is the application's alone: nothing of another application is touched, and its login stays. It asks first;\n" +
			"scripts pass --yes.",
		Example: "  plattr redis reset --yes",
		Args:    cli.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), s, open, env) },
	}
	env.AddFlag(cmd)
	return cmd
}

// report is what `redis reset -o json` prints.
type report struct {
	App  string `json:"app"`
	Keys int64  `json:"keys"`
}

func run(ctx context.Context, s *cli.Session, open local.Opener, env cli.ResetEnvironment) error {
	app, name, err := local.OpenForReset(ctx, s, env, open, "plattr redis reset", "everything in the Redis of %s")
	if err != nil {
		return err
	}
	r := report{App: name}
	err = app.WithServices(s, func(w *local.Watch) error {
		r.Keys, err = app.ResetRedis(ctx, w.Reports())
		return err
	})
	if err != nil {
		return err
	}
	return s.Print(r, func(w io.Writer) {
		fmt.Fprintf(w, "%s deleted from the Redis of %s\n", cli.Count(int(r.Keys), "key"), r.App)
	})
}
