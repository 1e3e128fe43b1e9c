// Package completion is the `completion` command.
package completion

import (
	"fmt"

	"github.com/spf13/cobra"

	"plattr.dev/plattr/internal/cli"
)

// New returns the `completion` command, which prints a script for a shell.
func New(s *cli.Session) *cobra.Command {
	return &cobra.Command{
		Use:   "completion SHELL",
		Short: "Print the script that completes commands and flags in a shell",
		Long: "Print the script that completes commands and flags in a shell.\n\n" +
			"The shells are bash, zsh, fish and powershell. bash needs the package bash-completion; add the example's line to ~/.bashrc to keep it.",
		Example:   "  . <(plattr completion bash)",
		ValidArgs: []string{"bash", "zsh", "fish", "powershell"},
		Args:      cli.OneOf,
		RunE: func(cmd *cobra.Command, args []string) error {
			return generate(s, cmd.Root(), args[0])
		},
	}
}

func generate(s *cli.Session, root *cobra.Command, shell string) error {
	var err error
	switch shell {
	case "zsh":
		err = root.GenZshCompletion(s.Out)
	case "fish":
		err = root.GenFishCompletion(s.Out, true)
	case "powershell":
		err = root.GenPowerShellCompletionWithDesc(s.Out)
	default:
		err = root.GenBashCompletionV2(s.Out, true)
	}
	if err != nil {
		return fmt.Errorf("print the completion of %s: %w", shell, err)
	}
	return nil
}
