// Package config reads plattr.yaml: strictly, with every problem at once, each
// at its line and with the fix. It also writes the file, edits it without
// touching its comments, and describes it as a JSON Schema.
package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"plattr.dev/plattr/operator/api/v1alpha1"
)

// FileName is what an application's file is called.
const FileName = "plattr.yaml"

// MaxFileBytes is the size beyond which a file is refused without reading it.
const MaxFileBytes = 1 << 20

// Framework is how an application is built and tested.
type Framework string

// The frameworks.
const (
	NextJS Framework = "nextjs"
	Rails  Framework = "rails"
	Static Framework = "static"
	Docker Framework = "docker"
	Go     Framework = "go"
)

// App is the content of a plattr.yaml, defaults applied.
type App struct {
	Name string `json:"name" yaml:"name"`
	// Framework is empty only where Parse found none; Load detects it.
	Framework Framework `json:"framework,omitempty" yaml:"framework,omitempty"`

	// Environment and Domain are set by For: what the App is resolved for, and
	// the host that serves it where that is not the one that names.Host gives.
	Environment string `json:"environment,omitempty" yaml:"environment,omitempty" config:"resolved"`
	Domain      string `json:"domain,omitempty" yaml:"domain,omitempty" config:"resolved"`

	v1alpha1.ApplicationSpec `yaml:",inline"`

	Environments map[string]EnvironmentOverrides `json:"environments,omitempty" yaml:"environments,omitempty"`
	Preview      PreviewSpec                     `json:"preview" yaml:"preview"`
	Local        LocalSpec                       `json:"local" yaml:"local"`
}

// EnvironmentOverrides is what one environment changes.
type EnvironmentOverrides struct {
	Scaling   *v1alpha1.ScalingSpec   `json:"scaling,omitempty" yaml:"scaling,omitempty"`
	Resources *v1alpha1.ResourcesSpec `json:"resources,omitempty" yaml:"resources,omitempty"`
	Env       map[string]string       `json:"env,omitempty" yaml:"env,omitempty"`
	Domain    string                  `json:"domain,omitempty" yaml:"domain,omitempty"`
}

// PreviewSpec is about previews of pull requests.
type PreviewSpec struct {
	// TTL is a duration as v1alpha1.ParseDuration reads it.
	TTL string `json:"ttl,omitempty" yaml:"ttl,omitempty"`
	// Seed is the directory of the seeds that previews get; empty means none.
	Seed string `json:"seed,omitempty" yaml:"seed,omitempty"`
}

// LocalSpec is about the laptop only. Its Env comes after everything else and
// is therefore not merged into App.Env by For.
type LocalSpec struct {
	Port int               `json:"port,omitempty" yaml:"port,omitempty"`
	Env  map[string]string `json:"env,omitempty" yaml:"env,omitempty"`
}

// Load reads and checks the file at path. The framework and the migration
// engine, where the file names none, are detected in the file's directory. A
// file that breaks a rule gives an *Error with every problem; one that cannot
// be read gives the error of the operating system, wrapped.
func Load(path string) (*App, error) {
	raw, err := read(path)
	if err != nil {
		return nil, err
	}
	return parse(path, raw, filepath.Dir(path))
}

// Parse checks the content of a file and applies the defaults; file is what
// errors call it. Nothing is detected.
func Parse(file string, raw []byte) (*App, error) {
	return parse(file, raw, "")
}

// read refuses a large file before it is in memory.
func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the application's file: %w", err)
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, MaxFileBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read the application's file: %w", err)
	}
	return raw, nil
}

// parse does the work of Load and Parse; dir is empty where nothing shall be
// detected.
func parse(file string, raw []byte, dir string) (*App, error) {
	d := newDecoder(file)
	app := defaultApp()
	root := d.document(raw)
	if root == nil {
		return nil, d.err()
	}
	d.root(root, app)
	if dir != "" {
		d.detect(app, dir)
	}
	complete(app)
	d.check(app)
	if err := d.err(); err != nil {
		return nil, err
	}
	return app, nil
}

// detect fills in what the project's directory shows.
func (d *decoder) detect(app *App, dir string) {
	if app.Framework == "" && !d.bad["framework"] {
		framework, _, err := DetectFramework(dir)
		switch {
		case errors.Is(err, ErrNotDetected):
			d.missing("framework", "is missing and the project shows none: add `framework:` with one of "+
				list(frameworks()))
		case err != nil:
			d.missing("framework", "is missing and could not be detected: "+err.Error())
		default:
			app.Framework = framework
		}
	}
	if !app.DatabaseEnabled() || app.Database.Migrations.Engine != "" || d.bad["database.migrations.engine"] {
		return
	}
	engine, _, err := DetectMigrationEngine(dir, app.Database.Migrations.Path)
	if err != nil {
		d.missing("database.migrations.engine", "is missing and could not be detected: "+err.Error())
		return
	}
	app.Database.Migrations.Engine = engine
}
