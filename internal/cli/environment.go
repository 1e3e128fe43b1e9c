package cli

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"plattr.dev/plattr/internal/config/names"
)

// ResetEnvironment is the flag --env of commands that delete an application's data.
type ResetEnvironment string

// AddFlag declares the flag.
func (e *ResetEnvironment) AddFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar((*string)(e), "env", names.Local, "`environment` whose data are deleted; never production")
	_ = cmd.RegisterFlagCompletionFunc("env", cobra.FixedCompletions([]string{names.Local}, cobra.ShellCompDirectiveNoFileComp))
}

// MustBeLocal refuses what may not be reset, and what this version does not reach.
func (e ResetEnvironment) MustBeLocal() error {
	env := string(e)
	switch {
	case env == names.Local:
		return nil
	case !slices.Contains(names.Environments(), env):
		return Usagef("--env: unknown environment %q: it is one of %s", env, strings.Join(names.Environments(), ", "))
	case env == names.Production:
		return Usagef("--env: the data of production are never reset")
	default:
		return Usagef("--env: this version resets on this machine only, not %s", env)
	}
}
