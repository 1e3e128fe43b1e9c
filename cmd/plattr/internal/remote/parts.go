package remote

import (
	"context"
	"errors"

	"plattr.dev/plattr/internal/cluster"
	"plattr.dev/plattr/internal/deploy"
	"plattr.dev/plattr/internal/parts"
)

// Parts asks after what the application has on the servers of the environment: what it was made of there, or, where that cannot
// be found out, what plattr.yaml asks for. What a server does not tell is said of its part. An error says that the application
// there is another one.
func (e *Environment) Parts(ctx context.Context, client *cluster.Client) ([]cluster.Part, error) {
	app, err := e.asMade(ctx)
	if err != nil {
		return nil, err
	}
	return parts.Asker{
		App: app, Place: deploy.Place(app, e.Bare), Target: e.Bare.Target, Cluster: client, Platform: e.there,
	}.Ask(ctx), nil
}

// asMade is the application as its stack knows it.
func (e *Environment) asMade(ctx context.Context) (deploy.Application, error) {
	limited, cancel := context.WithTimeout(ctx, parts.DefaultLimit)
	defer cancel()
	made, err := e.Deployer.AsLast(limited, e.App, e.Bare)
	var taken *deploy.TakenError
	switch {
	case errors.As(err, &taken):
		return made, err
	case err != nil: // nobody may read the state from here: no passphrase, no way to it
		return e.App, nil
	}
	return made, nil
}
