// Package rotate is the `db rotate` command.
package rotate

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"plattr.dev/plattr/cmd/plattr/internal/local"
	"plattr.dev/plattr/internal/cli"
	"plattr.dev/plattr/localdev"
)

// report is what `db rotate -o json` prints.
type report struct {
	App     string         `json:"app"`
	Changes map[string]int `json:"changes"`
	EnvFile string         `json:"envFile"`
}

// New returns the `db rotate` command.
func New(s *cli.Session, open local.Opener) *cobra.Command {
	return &cobra.Command{
		Use:   "rotate",
		Short: "Give the database's logins new, random passwords",
		Long: "Give the database's logins new, random passwords.\n\n" +
			"They go to .plattr/NAME.env; PostgREST is told. Connections that are open go on, a server of yours has to read the\n" +
			"file again. Nothing else changes a password that is in use.",
		Example: "  plattr db rotate",
		Args:    cli.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), s, open) },
	}
}

func run(ctx context.Context, s *cli.Session, open local.Opener) error {
	app, err := open(ctx, "plattr db rotate")
	if err != nil {
		return err
	}
	if !app.Config.DatabaseEnabled() {
		return fmt.Errorf("rotate: %w", localdev.ErrNoDatabase)
	}
	res, err := rotate(ctx, s, app)
	if err != nil {
		return fmt.Errorf("rotate the passwords: %w", err)
	}
	delete(res.Changes, "same")
	r := report{App: app.Config.Name, Changes: res.Changes, EnvFile: res.EnvFile}
	return s.Print(r, func(w io.Writer) {
		fmt.Fprintf(w, "new passwords are in %s: start your own server again\n", local.Near(r.EnvFile))
	})
}

func rotate(ctx context.Context, s *cli.Session, app *local.App) (localdev.UpResult, error) {
	view := s.NewView()
	defer view.Close()
	watch := local.NewWatch(view, "Passwords of "+app.Config.Name)
	res, err := app.Rotate(ctx, watch.Reports())
	watch.Close("", nil, local.Changes(res.Changes), err)
	return res, err
}
