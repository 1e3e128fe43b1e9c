package remote

import (
	"os"
	"slices"

	"github.com/spf13/cobra"

	"plattr.dev/plattr/internal/config/names"
)

// AddFlag declares --env, with completion by what the platform's file has.
func AddFlag(cmd *cobra.Command, env *string, usage string) { addFlag(cmd, env, "", usage) }

// AddLocalFlag is AddFlag for a command that works on this machine where nothing else is said.
func AddLocalFlag(cmd *cobra.Command, env *string, usage string) {
	addFlag(cmd, env, names.Local, usage)
}

func addFlag(cmd *cobra.Command, env *string, value, usage string) {
	cmd.Flags().StringVar(env, "env", value, usage)
	_ = cmd.RegisterFlagCompletionFunc("env", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		known := []string{names.Local}
		if here, err := os.Getwd(); err == nil {
			if file, err := loadPlatform(here); err == nil {
				for name := range file.Environments {
					known = append(known, name)
				}
			}
		}
		slices.Sort(known)
		return known, cobra.ShellCompDirectiveNoFileComp
	})
}
