package main

import (
	"context"
	"os"
	"runtime/debug"

	"github.com/spf13/cobra"

	"plattr.dev/plattr/cmd/plattr/completion"
	"plattr.dev/plattr/cmd/plattr/config/show"
	"plattr.dev/plattr/cmd/plattr/db/connect"
	"plattr.dev/plattr/cmd/plattr/db/dump"
	"plattr.dev/plattr/cmd/plattr/db/migrate"
	"plattr.dev/plattr/cmd/plattr/db/reset"
	"plattr.dev/plattr/cmd/plattr/db/restore"
	"plattr.dev/plattr/cmd/plattr/db/rotate"
	"plattr.dev/plattr/cmd/plattr/db/seed"
	"plattr.dev/plattr/cmd/plattr/db/shell"
	"plattr.dev/plattr/cmd/plattr/deploycmd"
	"plattr.dev/plattr/cmd/plattr/dev"
	"plattr.dev/plattr/cmd/plattr/dev/destroy"
	"plattr.dev/plattr/cmd/plattr/dev/logs"
	"plattr.dev/plattr/cmd/plattr/dev/status"
	"plattr.dev/plattr/cmd/plattr/dev/stop"
	"plattr.dev/plattr/cmd/plattr/doctorcmd"
	"plattr.dev/plattr/cmd/plattr/env/list"
	"plattr.dev/plattr/cmd/plattr/env/set"
	"plattr.dev/plattr/cmd/plattr/env/unset"
	"plattr.dev/plattr/cmd/plattr/history"
	"plattr.dev/plattr/cmd/plattr/initcmd"
	"plattr.dev/plattr/cmd/plattr/internal/local"
	"plattr.dev/plattr/cmd/plattr/internal/remote"
	"plattr.dev/plattr/cmd/plattr/pod"
	redisreset "plattr.dev/plattr/cmd/plattr/redis/reset"
	"plattr.dev/plattr/cmd/plattr/rollback"
	searchreset "plattr.dev/plattr/cmd/plattr/search/reset"
	"plattr.dev/plattr/cmd/plattr/testcmd"
	"plattr.dev/plattr/cmd/plattr/undeploy"
	"plattr.dev/plattr/cmd/plattr/validate"
	"plattr.dev/plattr/cmd/plattr/version"
	"plattr.dev/plattr/internal/cli"
	"plattr.dev/plattr/localdev"
)

// The groups of the root's help.
const (
	groupStart = "start"
	groupRun   = "run"
	groupThere = "there"
	groupOther = "other"
)

// newRoot returns the root command with all others below it. Nothing is opened
// before a command runs.
func newRoot(s *cli.Session) *cobra.Command {
	root := cli.Group("plattr", "Give an application its database, storage and more",
		"  plattr init --yes --name shop --framework docker --database\n  plattr dev")
	root.Long = "plattr gives an application its database with a REST API, storage, sign-in, Redis and search, from one small plattr.yaml.\n\n" +
		"Everything runs from this one program, which fetches the servers when they are first needed."
	root.SilenceErrors, root.SilenceUsage = true, true
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetIn(s.In)
	root.SetOut(s.Out)
	root.SetErr(s.Err)
	root.SetFlagErrorFunc(cli.FlagError)
	cli.SetHelp(root)
	cli.SetHelpCommand(root)
	s.AddFlags(root.PersistentFlags())
	root.AddGroup(
		&cobra.Group{ID: groupStart, Title: "Describe an application"},
		&cobra.Group{ID: groupRun, Title: "Run it on this machine"},
		&cobra.Group{ID: groupThere, Title: "Run it in an environment"},
		&cobra.Group{ID: groupOther, Title: "Other commands"},
	)
	add(root, groupStart, initcmd.New(s), validate.New(s), configGroup(s))
	open := local.NewOpener(s)
	there := remote.NewOpener(s, open)
	add(root, groupRun, devGroup(s, open), dbGroup(s, open, there), redisGroup(s, open), searchGroup(s, open), envGroup(s, there),
		testcmd.New(s, open))
	add(root, groupThere, deploycmd.New(s, there), statusCommand(s, there), logsCommand(s, there), undeploy.New(s, there),
		history.New(s, there), rollback.New(s, there))
	add(root, groupOther, doctorcmd.New(s, open), version.New(s, debug.ReadBuildInfo), completion.New(s))
	root.AddCommand(pod.New(s, os.Getenv))
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

func devGroup(s *cli.Session, open local.Opener) *cobra.Command {
	choose := func(ctx context.Context, runtime localdev.RuntimeName) (string, error) {
		return localdev.Choose(ctx, os.Getenv, runtime)
	}
	return dev.New(s, open, choose,
		stop.New(s, func(ctx context.Context) (stop.Runtime, error) { return local.OpenMachine(ctx) }),
		status.New(s, func(ctx context.Context) (status.Runtime, error) { return local.OpenMachine(ctx) }),
		logs.New(s, func(ctx context.Context) (logs.Runtime, error) { return local.OpenMachine(ctx) }),
		destroy.New(s, open, func(ctx context.Context) (destroy.Runtime, error) { return local.OpenEverything(ctx) }),
	)
}

func dbGroup(s *cli.Session, open local.Opener, there remote.Opener) *cobra.Command {
	return cli.Group("db", "Work on the application's database", "  plattr db migrate\n  plattr db shell -c 'select 1'",
		migrate.New(s, open, there), seed.New(s, open), shell.New(s, open, there), connect.New(s, open, there),
		reset.New(s, open), rotate.New(s, open), dump.New(s, open), restore.New(s, open),
	)
}

func redisGroup(s *cli.Session, open local.Opener) *cobra.Command {
	return cli.Group("redis", "Work on the application's Redis", "  plattr redis reset --yes", redisreset.New(s, open))
}

func searchGroup(s *cli.Session, open local.Opener) *cobra.Command {
	return cli.Group("search", "Work on the application's search indices", "  plattr search reset --yes", searchreset.New(s, open))
}

func envGroup(s *cli.Session, there remote.Opener) *cobra.Command {
	return cli.Group("env", "Work on the application's environment variables", "  plattr env list\n  plattr env set LOG_LEVEL=debug",
		list.New(s, there), set.New(s, there), unset.New(s, there))
}
