// Package show is the `config show` command.
package show

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"plattr.dev/plattr/internal/cli"
	"plattr.dev/plattr/internal/config"
	"plattr.dev/plattr/internal/config/names"
)

// New returns the `config show` command.
func New(s *cli.Session) *cobra.Command {
	var env string
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Print plattr.yaml with defaults and overrides applied",
		Long: "Print plattr.yaml with defaults and overrides applied.\n\n" +
			"Without --env the overrides stay under `environments`; with it they are merged, as that environment sees them.",
		Example: "  plattr config show\n  plattr config show --env staging -o json",
		Args:    cli.NoArgs,
		RunE:    func(*cobra.Command, []string) error { return run(s, env) },
	}
	cmd.Flags().StringVar(&env, "env", "", "`environment` whose overrides are applied: local, preview, staging, uat or production")
	_ = cmd.RegisterFlagCompletionFunc("env", cobra.FixedCompletions(names.Environments(), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func run(s *cli.Session, env string) error {
	file, err := s.File()
	if err != nil {
		return err
	}
	app, err := config.Load(file)
	if err != nil {
		return err
	}
	if env != "" {
		if app, err = app.For(env); err != nil {
			return cli.Usagef("--env: %v", err)
		}
	}
	text, err := app.YAML()
	if err != nil {
		return err
	}
	return s.Print(app, func(w io.Writer) { fmt.Fprint(w, string(text)) })
}
