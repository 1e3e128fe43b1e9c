package main

import (
	"context"

	"github.com/spf13/cobra"

	"plattr.dev/plattr/cmd/plattr/internal/remote"
	"plattr.dev/plattr/cmd/plattr/logs"
	"plattr.dev/plattr/cmd/plattr/status"
	"plattr.dev/plattr/internal/cli"
	"plattr.dev/plattr/internal/cluster"
)

// statusCommand looks at the environments of the platform's file.
func statusCommand(s *cli.Session, open remote.Opener) *cobra.Command {
	return status.New(s, func(ctx context.Context, env string) (status.Environment, error) {
		e, err := open(ctx, env, "plattr status")
		if err != nil {
			return status.Environment{}, err
		}
		client, app, err := e.Cluster()
		return status.Environment{
			App: app, Cluster: client, URL: e.App.URL, Owners: e.Owners,
			Parts: func(ctx context.Context) ([]cluster.Part, error) { return e.Parts(ctx, client) },
		}, err
	})
}

// logsCommand reads in the environments of the platform's file.
func logsCommand(s *cli.Session, open remote.Opener) *cobra.Command {
	return logs.New(s, func(ctx context.Context, env string) (logs.Environment, error) {
		e, err := open(ctx, env, "plattr logs")
		if err != nil {
			return logs.Environment{}, err
		}
		client, app, err := e.Cluster()
		return logs.Environment{App: app, Cluster: client}, err
	})
}
