package localdev

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"plattr.dev/plattr/internal/deploy"
	"plattr.dev/plattr/internal/engine"
	"plattr.dev/plattr/internal/migrate"
	"plattr.dev/plattr/internal/providers/keycloak/admin"
	"plattr.dev/plattr/internal/sqlshell/libpq"
	"plattr.dev/plattr/localdev/lockfile"
	"plattr.dev/plattr/localdev/ports"
	"plattr.dev/plattr/localdev/services"
)

// StaleLocks returns the stacks of a runtime that are locked by a process that is gone.
func StaleLocks(ctx context.Context, r Runtime) ([]string, error) {
	e, err := openEngine(r.State(), "plattr doctor")
	if err != nil {
		return nil, explain(err)
	}
	stale, err := e.StaleLocks(ctx)
	return stale, explain(err)
}

// FreeStaleLocks removes the locks of processes that are gone.
func FreeStaleLocks(ctx context.Context, r Runtime) error {
	e, err := openEngine(r.State(), "plattr doctor")
	if err != nil {
		return explain(err)
	}
	return explain(e.FreeStaleLocks(ctx))
}

// LeftCopies returns the copies of applications' data that no run of tests holds.
func LeftCopies(r Runtime) ([]string, error) {
	entries, err := os.ReadDir(r.State().Join(copiesDir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, explain(err)
	}
	var left []string
	for _, e := range entries {
		release, err := lockfile.Try(r.State().Join(copiesDir, e.Name()))
		if err == nil {
			release()
			left = append(left, e.Name())
		}
	}
	return left, nil
}

// InsecureViews are warnings about views of the application that bypass row-level security. Its database must run.
func (d *Dev) InsecureViews(ctx context.Context) ([]string, error) {
	c, err := d.deployer.Connections(ctx, d.options.Application, deploy.Platform{Target: d.target})
	if errors.Is(err, engine.ErrStackNotFound) || err == nil && c.DatabaseURL == "" {
		return nil, nil
	}
	if err != nil {
		return nil, explain(err)
	}
	config, err := libpq.Config(c.DatabaseURL, "plattr doctor")
	if err != nil {
		return nil, err
	}
	conn, err := libpq.Connect(ctx, config)
	if err != nil {
		return nil, err
	}
	defer libpq.Close(conn)
	views, err := migrate.InsecureViews(ctx, conn, c.Schema)
	var warnings []string
	for _, v := range views {
		warnings = append(warnings, v.Warning())
	}
	return warnings, err
}

// CheckKeycloakLogin logs in to the local Keycloak as plattr does.
func CheckKeycloakLogin(ctx context.Context, r Runtime, s services.Spec) error {
	return withKeycloak(ctx, r, s, false, func(ctx context.Context, c *admin.Client) error {
		_, err := c.FindClient(ctx, "master", services.KeycloakClient)
		return err
	})
}

// MendKeycloakLogin gives plattr's client the secret that this machine keeps, as the administrator for people.
func MendKeycloakLogin(ctx context.Context, r Runtime, s services.Spec) error {
	return withKeycloak(ctx, r, s, true, func(ctx context.Context, c *admin.Client) error {
		client, err := c.FindClient(ctx, "master", services.KeycloakClient)
		if err != nil {
			return err
		}
		if client == nil {
			return fmt.Errorf("client %s of realm master was deleted: plattr dev destroy --all, and begin anew", services.KeycloakClient)
		}
		secrets, err := r.State().Secrets(ctx)
		if err != nil {
			return err
		}
		client["secret"], client["enabled"] = secrets.KeycloakClient, true
		return c.UpdateClient(ctx, "master", client.Text("id"), client)
	})
}

// withKeycloak works on the local Keycloak as plattr's client, or as the user for people.
func withKeycloak(
	ctx context.Context, r Runtime, s services.Spec, asUser bool, work func(context.Context, *admin.Client) error,
) error {
	secrets, err := r.State().Secrets(ctx)
	if err != nil {
		return explain(err)
	}
	config := admin.Config{URL: "http://" + s.Address(ports.Keycloak), Realm: "master"}
	if asUser {
		config.ClientID, config.Username, config.Password = "admin-cli", services.KeycloakAdmin, secrets.KeycloakAdmin
	} else {
		config.ClientID, config.ClientSecret = services.KeycloakClient, secrets.KeycloakClient
	}
	c, err := admin.New(config)
	if err != nil {
		return err
	}
	defer c.Close()
	return explain(work(ctx, c))
}
