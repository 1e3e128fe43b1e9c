package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// Group returns a command that only holds others: alone it prints its help.
func Group(use, short, example string, children ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short, Example: example, Args: NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(children...)
	return cmd
}

// NoArgs refuses arguments, and suggests the subcommand that was meant.
func NoArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if !cmd.HasAvailableSubCommands() {
		return usage(cmd, "%s takes no argument, but got %q", cmd.CommandPath(), args[0])
	}
	message := fmt.Sprintf("%s has no command %q", cmd.CommandPath(), args[0])
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		message += fmt.Sprintf(", did you mean %q?", near[0])
	}
	return usage(cmd, "%s", message)
}

// Args accepts at least least arguments and at most most; names says what they
// are, as "KEY=VALUE...". A negative most means any number.
func Args(least, most int, names string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return usage(cmd, "%s needs %s", cmd.CommandPath(), names)
		case most >= 0 && len(args) > most:
			return usage(cmd, "%s takes %s, but got %q too", cmd.CommandPath(), names, args[most])
		default:
			return nil
		}
	}
}

// OneOf accepts exactly one argument out of cmd.ValidArgs.
func OneOf(cmd *cobra.Command, args []string) error {
	allowed := strings.Join(cmd.ValidArgs, ", ")
	if err := Args(1, 1, "one of "+allowed)(cmd, args); err != nil {
		return err
	}
	if slices.Contains(cmd.ValidArgs, args[0]) {
		return nil
	}
	return usage(cmd, "%s: %q is none of %s", cmd.CommandPath(), args[0], allowed)
}

// FlagError makes a usage error of what the flag parser says; it belongs to
// the root command.
func FlagError(cmd *cobra.Command, err error) error {
	return usage(cmd, "%s", err.Error())
}

func usage(cmd *cobra.Command, format string, args ...any) error {
	return &UsageError{Message: fmt.Sprintf(format, args...), Help: cmd.CommandPath() + " --help"}
}

// SetHelpCommand gives root a help command that refuses what is no command; cobra's own prints the general help.
func SetHelpCommand(root *cobra.Command) {
	root.SetHelpCommand(&cobra.Command{
		Use: "help [COMMAND]", Short: "Print the help of a command", Example: "  plattr help dev",
		ValidArgsFunction: func(_ *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
			at, _, err := root.Find(args)
			if err != nil {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			var names []string
			for _, c := range at.Commands() {
				if c.IsAvailableCommand() && strings.HasPrefix(c.Name(), begun) {
					names = append(names, c.Name()+"\t"+c.Short)
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			found, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return usage(root, "there is no command %q", strings.Join(args, " "))
			}
			return found.Help()
		},
	})
}

// SetHelp makes help begin with the sentence and an example; it belongs to the
// root command.
func SetHelp(root *cobra.Command) {
	// The sentence is printed by the help template; the examples come first in
	// what follows. The rest is cobra's own order.
	const example = "{{if .HasExample}}\n\nExamples:\n{{.Example}}{{end}}"
	usage := strings.Replace(root.UsageTemplate(), example, "", 1)
	root.SetUsageTemplate("{{if .HasExample}}Examples:\n{{.Example}}\n\n{{end}}" + usage)
}
