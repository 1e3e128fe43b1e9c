// Package local opens the application of plattr.yaml on this machine for the
// commands that work on it, and shows them what happens there.
package local

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"plattr.dev/plattr/internal/cli"
	"plattr.dev/plattr/internal/config"
	"plattr.dev/plattr/internal/config/names"
	"plattr.dev/plattr/internal/deploy"
	"plattr.dev/plattr/localdev"
)

// App is an application on this machine.
type App struct {
	*localdev.Dev
	// Config is plattr.yaml as the laptop sees it.
	Config *config.App
	// Dir is the absolute path of the directory of plattr.yaml.
	Dir string
}

// Opener opens the application that a command works on. It is called when the
// command runs, so that --help needs nothing. command is what others read who
// find the application locked, as "plattr dev".
type Opener func(ctx context.Context, command string) (*App, error)

// NewOpener returns an Opener for the file that the session's flags name.
func NewOpener(s *cli.Session) Opener {
	return func(ctx context.Context, command string) (*App, error) {
		app, dir, err := Load(s)
		if err != nil {
			return nil, err
		}
		dev, err := localdev.OpenDev(ctx, localdev.DevOptions{
			Application: deploy.Application{
				Name: app.Name, Spec: app.ApplicationSpec, InBrowser: app.Framework == config.Static,
			},
			Dir: dir, Port: app.Local.Port, Env: app.Local.Env, Owner: command, Getenv: os.Getenv,
		})
		if err != nil {
			return nil, fmt.Errorf("open %s: %w", app.Name, err)
		}
		return &App{Dev: dev, Config: app, Dir: dir}, nil
	}
}

// OpenForReset opens the application of a command that deletes data on this machine: what it deletes, as "all rows of %s",
// is confirmed first. It refuses other environments.
func OpenForReset(
	ctx context.Context, s *cli.Session, env cli.ResetEnvironment, open Opener, command, what string,
) (app *App, name string, err error) {
	if err := env.MustBeLocal(); err != nil {
		return nil, "", err
	}
	config, _, err := Load(s)
	if err != nil {
		return nil, "", err
	}
	if err := s.Confirm(ctx, "delete "+fmt.Sprintf(what, config.Name)+" on this machine"); err != nil {
		return nil, "", err
	}
	app, err = open(ctx, command)
	return app, config.Name, err
}

// Load reads the application file as the laptop sees it, and returns the
// absolute path of its directory too. Nothing is opened or written.
func Load(s *cli.Session) (*config.App, string, error) {
	file, err := s.File()
	if err != nil {
		return nil, "", err
	}
	app, err := config.Load(file)
	if err != nil {
		return nil, "", err
	}
	if app, err = app.For(names.Local); err != nil {
		return nil, "", err
	}
	dir, err := filepath.Abs(filepath.Dir(file))
	if err != nil {
		return nil, "", fmt.Errorf("open %s: %w", app.Name, err)
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return nil, "", fmt.Errorf("open %s: %w", app.Name, err)
	}
	return app, dir, nil
}

// Near returns a path as it is shortest to read from the working directory.
func Near(path string) string {
	here, err := os.Getwd()
	if err != nil {
		return path
	}
	near, err := filepath.Rel(here, path)
	if err != nil || len(near) > len(path) {
		return path
	}
	return near
}
