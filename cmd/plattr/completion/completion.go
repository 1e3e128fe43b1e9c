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
			if err := generate(s, cmd.Root(), args[0]); err != nil {
				return fmt.Errorf("print the completion of %s: %w", args[0], err)
			}
			return nil
		},
	}
}

func generate(s *cli.Session, root *cobra.Command, shell string) error {
	switch shell {
	case "zsh":
		return root.GenZshCompletion(s.Out)
	case "fish":
		return root.GenFishCompletion(s.Out, true)
	case "powershell":
		return root.GenPowerShellCompletionWithDesc(s.Out)
	default:
		return root.GenBashCompletionV2(s.Out, true)
	}
}
