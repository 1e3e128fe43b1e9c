package remote

import (
	"context"
	"fmt"

	"plattr.dev/plattr/internal/cluster"
	"plattr.dev/plattr/internal/deploy"
	"plattr.dev/plattr/internal/kube"
)

// Cluster opens the environment's cluster, and says where the application's objects are in it.
func (e *Environment) Cluster() (*cluster.Client, kube.App, error) {
	app := deploy.Place(e.App, e.Bare)
	client, err := cluster.Open(e.Bare.Cluster.Kubeconfig, e.Bare.Cluster.Context)
	if err != nil {
		return nil, app, fmt.Errorf("%s: %w", e.Label(), err)
	}
	return client, app, nil
}

// Database finds the application's database as its role: a URL that works from here until it is closed.
func (o Opener) Database(ctx context.Context, environment, command string) (url string, closeURL func() error, err error) {
	e, err := o(ctx, environment, command)
	if err != nil {
		return "", nil, err
	}
	client, app, err := e.Cluster()
	if err != nil {
		return "", nil, err
	}
	inPods, err := client.DatabaseURL(ctx, app)
	if err == nil {
		url, closeURL, err = client.ReachDatabase(ctx, app, inPods)
	}
	if err != nil {
		return "", nil, fmt.Errorf("%s: %w", e.Label(), err)
	}
	return url, closeURL, nil
}

// WithDatabase does something with a URL of Database, and ends the way to it.
func (o Opener) WithDatabase(ctx context.Context, environment, command string, do func(url string) error) error {
	url, closeURL, err := o.Database(ctx, environment, command)
	if err != nil {
		return err
	}
	err = do(url)
	if closeErr := closeURL(); err == nil && closeErr != nil {
		return fmt.Errorf("end the way to the database: %w", closeErr)
	}
	return err
}
