package main

import (
	"runtime/debug"

	"github.com/spf13/cobra"

	"plattr.dev/plattr/cmd/plattr/completion"
	"plattr.dev/plattr/cmd/plattr/config/show"
	"plattr.dev/plattr/cmd/plattr/initcmd"
	"plattr.dev/plattr/cmd/plattr/validate"
	"plattr.dev/plattr/cmd/plattr/version"
	"plattr.dev/plattr/internal/cli"
)

// The groups of the root's help.
const (
	groupStart = "start"
	groupRun   = "run"
	groupOther = "other"
)

// newRoot returns the root command with all others below it. Nothing is opened
// before a command runs.
func newRoot(s *cli.Session) *cobra.Command {
	root := cli.Group("plattr", "Give an application its database, storage and more",
		"  plattr init --yes --name shop --framework docker --database\n  plattr dev")
	root.Long = "plattr gives an application its database with a REST API, and its storage, from one small plattr.yaml.\n\n" +
		"Everything runs from this one program; nothing else has to be installed."
	root.SilenceErrors, root.SilenceUsage = true, true
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetIn(s.In)
	root.SetOut(s.Out)
	root.SetErr(s.Err)
	root.SetFlagErrorFunc(cli.FlagError)
	cli.SetHelp(root)
	s.AddFlags(root.PersistentFlags())
	root.AddGroup(
		&cobra.Group{ID: groupStart, Title: "Describe an application"},
		&cobra.Group{ID: groupRun, Title: "Run it on this machine"},
		&cobra.Group{ID: groupOther, Title: "Other commands"},
	)
	add(root, groupStart, initcmd.New(s), validate.New(s), configGroup(s))
	add(root, groupRun)
	add(root, groupOther, version.New(s, debug.ReadBuildInfo), completion.New(s))
	root.SetHelpCommandGroupID(groupOther)
	return root
}

func add(root *cobra.Command, group string, commands ...*cobra.Command) {
	for _, c := range commands {
		c.GroupID = group
		root.AddCommand(c)
	}
}

func configGroup(s *cli.Session) *cobra.Command {
	return cli.Group("config", "Look at plattr.yaml as plattr reads it",
		"  plattr config show --env staging", show.New(s))
}
