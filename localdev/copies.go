package localdev

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"plattr.dev/plattr/internal/deploy"
	"plattr.dev/plattr/internal/engine"
	"plattr.dev/plattr/internal/environ"
	"plattr.dev/plattr/localdev/envfile"
	"plattr.dev/plattr/localdev/lockfile"
	"plattr.dev/plattr/localdev/scratch"
)

// Copy is a copy of an application's data for one run of its tests: a clone of the migrated and seeded database with a
// PostgREST of its own, and empty buckets, Redis and index prefix. The realm is the application's.
type Copy struct {
	// Variables is the application's environment on the copy.
	Variables []environ.Variable
	// Name says which copy it is, in names of databases, buckets and services.
	Name string

	of      *Dev // the application itself
	dev     *Dev // the application on the copy
	base    UpResult
	release func()
}

// Copy brings the application up and makes a copy. It drops the copies of runs that were killed, or that were kept. As
// long as this process lives and neither Drop nor Keep was called, no other run touches the copy.
func (d *Dev) Copy(ctx context.Context, r Reports, o Output) (*Copy, error) {
	base, err := d.ready(ctx, r)
	if err != nil {
		return nil, err
	}
	if err := d.sweepCopies(ctx, false); err != nil {
		return nil, err
	}
	id := make([]byte, 4)
	if _, err := rand.Read(id); err != nil {
		return nil, fmt.Errorf("name the copy: %w", err)
	}
	c := d.copyOf(hex.EncodeToString(id))
	c.base = base
	if err := d.runtime.State().MkdirAll(d.runtime.State().Join(copiesDir)); err != nil {
		return nil, explain(err)
	}
	if c.release, err = lockfile.Try(d.runtime.State().Join(copiesDir, c.Name)); err != nil {
		return nil, explain(err)
	}
	if err := c.make(ctx, o); err != nil {
		return nil, errors.Join(explain(err), c.Drop(context.WithoutCancel(ctx)))
	}
	return c, nil
}

// turn is how long a run of tests waits for another run on the application, which mostly is one of tests too.
const turn = 30 * time.Second

// ready returns an application that is up as plattr.yaml says. Where that is so since an earlier run nothing is looked at
// again but the services: the run of tests that wants it should begin at once. Else it is brought up, in turn.
func (d *Dev) ready(ctx context.Context, r Reports) (UpResult, error) {
	if res, ok, err := d.asItIs(ctx, r); ok || err != nil {
		return res, err
	}
	for deadline := time.Now().Add(turn); ; {
		res, err := d.Up(ctx, r)
		if !errors.Is(err, engine.ErrLocked) || time.Now().After(deadline) {
			return res, err
		}
		select {
		case <-ctx.Done():
			return res, err
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// asItIs is an application whose last run declared what the next one would.
func (d *Dev) asItIs(ctx context.Context, r Reports) (res UpResult, ok bool, err error) {
	if err := d.claim(ctx); err != nil {
		return res, false, explain(err)
	}
	app := d.options.Application
	present, err := d.deployer.Present(ctx, app, deploy.Platform{Target: d.target})
	if err != nil || present != deploy.Wanted(app) {
		return res, false, explain(err)
	}
	needs, err := d.use(ctx, false)
	if err != nil {
		return res, false, err
	}
	if res.Endpoints, err = d.runtime.Ensure(ctx, needs, r.Services); err != nil {
		return res, false, err
	}
	platform, err := d.platform(res.Endpoints)
	if err != nil {
		return res, false, err
	}
	if res.Connections, ok, err = d.deployer.Current(ctx, app, platform); err != nil || !ok {
		return res, false, explain(err)
	}
	if err := d.settleScratch(ctx, res.Endpoints); err != nil { // a killed run may have left the database closed
		return res, false, err
	}
	if res.RestURL, err = d.ensureREST(ctx, res.Connections, r.Services); err != nil {
		return res, false, err
	}
	res.Variables, err = d.variables(res.Connections, res.RestURL)
	return res, err == nil, err
}

// copiesDir holds a file for each copy, which its run keeps locked.
const copiesDir = "copies"

// copyOf is a copy by its name, made or not.
func (d *Dev) copyOf(id string) *Copy {
	on := *d
	on.target.Copy = id
	// What the copy has not of its own is no part of its stack.
	on.options.Application.Spec.Database, on.options.Application.Spec.Auth = nil, nil
	return &Copy{Name: on.target.Owner(d.options.Application.Name), of: d, dev: &on, release: func() {}}
}

func (c *Copy) make(ctx context.Context, o Output) error {
	connections, restURL := c.base.Connections, ""
	var services environ.Connections
	g, ctx := errgroup.WithContext(ctx)
	if c.of.options.Application.Spec.DatabaseEnabled() {
		g.Go(func() (err error) {
			connections, restURL, err = c.makeDatabase(ctx, connections, o)
			return err
		})
	}
	g.Go(func() (err error) {
		services, err = c.makeServices(ctx)
		return err
	})
	if err := g.Wait(); err != nil {
		return fmt.Errorf("make a copy of %s for its tests: %w", c.of.options.Application.Name, err)
	}
	connections.Buckets, connections.AccessKey, connections.SecretKey = services.Buckets, services.AccessKey, services.SecretKey
	connections.RedisURL, connections.SearchPrefix = services.RedisURL, services.SearchPrefix
	var err error
	c.Variables, err = c.of.variables(connections, restURL)
	return err
}

// makeDatabase clones the template, which is brought up to date first, and starts a PostgREST on the clone.
func (c *Copy) makeDatabase(ctx context.Context, base environ.Connections, o Output) (environ.Connections, string, error) {
	db := &Database{Connections: base, Variables: c.base.Variables, dev: c.of, endpoints: c.base.Endpoints}
	options, err := db.templateOptions(o)
	if err != nil {
		return base, "", err
	}
	if err := scratch.Clone(ctx, options, c.database()); err != nil {
		return base, "", err
	}
	for _, u := range []*string{&base.DatabaseURL, &base.RestURL} {
		if *u == "" {
			continue
		}
		if *u, err = onDatabase(*u, c.database()); err != nil {
			return base, "", err
		}
	}
	if !c.of.options.Application.Spec.RestEnabled() {
		return base, "", nil
	}
	rest, err := c.of.runtime.EnsurePostgREST(ctx, c.Name, c.of.restConfig(base), nil)
	return base, rest, err
}

// database is the name of the copy's database.
func (c *Copy) database() string {
	return deploy.NamesOf(c.of.options.Application, c.dev.target).Database
}

// makeServices gives the copy buckets, a Redis and an index prefix, by the components that the application has its own by.
func (c *Copy) makeServices(ctx context.Context) (environ.Connections, error) {
	app := c.dev.options.Application
	wanted := deploy.Wanted(app)
	if wanted == (deploy.Servers{}) {
		return environ.Connections{}, nil
	}
	e, err := c.dev.runtime.Ensure(ctx, c.dev.needs(wanted), nil)
	if err != nil {
		return environ.Connections{}, err
	}
	p, err := c.dev.platform(e)
	if err != nil {
		return environ.Connections{}, err
	}
	res, err := c.dev.deployer.Up(ctx, app, p, deploy.Options{SkipRefresh: true})
	return res.Connections, err
}

// WriteEnvFile writes the copy's environment beside the application's, for a look at a copy that is kept, and returns the
// path. It goes with the copy.
func (c *Copy) WriteEnvFile() (string, error) {
	path := c.envFile()
	return path, explain(writeVariables(path, c.Variables))
}

func (c *Copy) envFile() string { return envfile.Path(c.of.options.Dir, c.Name) }

// Keep leaves the copy as it is until the next run of tests of the application.
func (c *Copy) Keep() { c.release() }

// Drop deletes the copy and all that is in it.
func (c *Copy) Drop(ctx context.Context) error {
	defer c.release()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return c.dropServices(ctx) })
	g.Go(func() error { return c.dropDatabase(ctx) })
	g.Go(func() error { return c.of.runtime.RemoveService(ctx, RedisName(c.Name)) })
	if err := g.Wait(); err != nil {
		return explain(fmt.Errorf("delete the copy %s: %w", c.Name, err))
	}
	err := errors.Join(removeIfThere(c.envFile()), removeIfThere(c.of.runtime.State().Join(copiesDir, c.Name)))
	return explain(err)
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (c *Copy) dropServices(ctx context.Context) error {
	app, target := c.dev.options.Application, deploy.Platform{Target: c.dev.target}
	present, err := c.dev.deployer.Present(ctx, app, target)
	if err != nil {
		return err
	}
	present.Redis = false // its process goes, and the user with it
	e, err := c.dev.runtime.Ensure(ctx, c.dev.needs(present), nil)
	if err != nil {
		return err
	}
	platform, err := c.dev.platform(e)
	if err != nil {
		return err
	}
	_, err = c.dev.deployer.Destroy(ctx, app, platform, deploy.Options{SkipRefresh: true})
	return err
}

func (c *Copy) dropDatabase(ctx context.Context) error {
	if err := c.of.runtime.RemoveService(ctx, PostgRESTName(c.Name)); err != nil {
		return err
	}
	if err := c.of.runtime.ForgetPorts(ctx, c.Name); err != nil {
		return err
	}
	present, err := c.of.deployer.Present(ctx, c.of.options.Application, deploy.Platform{Target: c.of.target})
	if err != nil || !present.Database {
		return err
	}
	e, err := c.of.runtime.Ensure(ctx, Needs{PostgreSQL: true}, nil)
	if err != nil {
		return err
	}
	return scratch.Drop(ctx, e.PostgreSQL.AdminURL, c.database())
}

// sweepCopies drops the application's copies that no run holds; with all, also those that one does.
func (d *Dev) sweepCopies(ctx context.Context, all bool) error {
	dir := d.runtime.State().Join(copiesDir)
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return explain(err)
	}
	for _, e := range entries {
		app, id, isCopy := strings.Cut(e.Name(), "--")
		if !isCopy || app != d.options.Application.Name {
			continue
		}
		c := d.copyOf(id)
		release, err := lockfile.Try(d.runtime.State().Join(copiesDir, e.Name()))
		switch {
		case err == nil:
			c.release = release
		case !errors.Is(err, lockfile.ErrHeld):
			return explain(err)
		case !all:
			continue
		}
		if err := c.Drop(ctx); err != nil {
			return err
		}
	}
	return nil
}
