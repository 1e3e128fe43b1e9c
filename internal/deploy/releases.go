package deploy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"plattr.dev/plattr/internal/engine"
	"plattr.dev/plattr/internal/migrate"
	"plattr.dev/plattr/operator/api/v1alpha1"
)

// ErrNoRelease says that an application does not run in an environment.
var ErrNoRelease = errors.New("no release serves")

// TakenError says that an application of the same name, from another repository, is in the environment.
type TakenError struct{ App, Environment, Repository string }

func (e *TakenError) Error() string {
	return fmt.Sprintf("the name %s is taken in %s: the application there comes from %s", e.App, e.Environment, e.Repository)
}

// Hint is the next step.
func (e *TakenError) Hint() string { return "choose another `name:` in plattr.yaml" }

// ReleaseError says that a release did not come to serve.
type ReleaseError struct {
	Environment string
	// Failed is the release; Serving is the one that serves instead, with an empty ID where there was none before.
	Failed, Serving Record
	// SetBack is why the release before could not be put back; nil if it was.
	SetBack error
	Cause   error
}

func (e *ReleaseError) Error() string { return e.Cause.Error() }
func (e *ReleaseError) Unwrap() error { return e.Cause }

// ReleaseOptions change how a release is made.
type ReleaseOptions struct {
	Options
	// By is who makes it.
	By string
}

// Released is what became of a release.
type Released struct {
	Result
	// Record is the release that serves now, or would after a plan; Before the one that served until then.
	Record, Before Record
}

// Release brings an image of the application, named by digest, into service: migrations first, then pod by pod. If that
// fails, the release that served before is put back, and a [*ReleaseError] says so. The same again changes nothing.
func (d *Deployer) Release(ctx context.Context, app Application, p Platform, o ReleaseOptions) (Released, error) {
	m, err := d.owned(ctx, app, p)
	if err != nil {
		return Released{}, err
	}
	next := Record{Image: app.Release.Image, User: app.Release.User, Spec: app.Spec, UserEnv: m.userEnv}
	if app.UserEnv != nil {
		next.UserEnv = app.UserEnv
	}
	return d.release(ctx, app, p, o, m, next)
}

// Rollback makes a release of an earlier one: its image and its configuration. Migrations stay. An empty ID means the last
// one that differs from what serves.
func (d *Deployer) Rollback(ctx context.Context, app Application, p Platform, id string, o ReleaseOptions) (Released, error) {
	m, err := d.owned(ctx, app, p)
	if err != nil {
		return Released{}, err
	}
	to, err := m.earlier(id)
	if err != nil {
		return Released{}, fmt.Errorf("roll back %s in %s: %w", app.Name, p.Target.Environment, err)
	}
	next := Record{Image: to.Image, User: to.User, Spec: to.Spec, UserEnv: to.UserEnv, RollbackTo: to.ID}
	return d.release(ctx, app, p, o, m, next)
}

// earlier finds what to go back to.
func (m memory) earlier(id string) (Record, error) {
	live, serves := m.find(m.live)
	newest := m.live
	if !serves { // it was taken out of service: the last release is the one to go back to
		newest = m.next()
	}
	good := m.before(newest)
	if !serves && len(good) == 0 {
		return Record{}, ErrNoRelease
	}
	if id == "" {
		for _, r := range good {
			if !serves || !r.same(live) {
				return r, nil
			}
		}
		return Record{}, errors.New("there is no earlier release that differs from the one that serves")
	}
	to, ok := m.find(id)
	switch {
	case !ok || number(id) > number(newest):
		return Record{}, fmt.Errorf("there is no earlier release %s: there is %s", id, listed(good))
	case serves && to.ID == live.ID:
		return Record{}, fmt.Errorf("release %s serves already", id)
	case to.Failure != "":
		return Record{}, fmt.Errorf("release %s never came to serve: %s", id, to.Failure)
	}
	return to, nil
}

func listed(records []Record) string {
	if len(records) == 0 {
		return "none"
	}
	ids := make([]string, len(records))
	for i, r := range records {
		ids[i] = r.ID
	}
	return strings.Join(ids, ", ")
}

// SetEnv changes the variables that the application's people set, and makes a release with the same image. Where none
// serves, they are remembered for the next one. change gets a map of its own, which it may change or replace.
func (d *Deployer) SetEnv(
	ctx context.Context, app Application, p Platform, change func(map[string]string) (map[string]string, error), o ReleaseOptions,
) (Released, error) {
	m, err := d.owned(ctx, app, p)
	if err != nil {
		return Released{}, err
	}
	env := maps.Clone(m.userEnv)
	if env == nil {
		env = map[string]string{}
	}
	if env, err = change(env); err != nil {
		return Released{}, err
	}
	if live, ok := m.find(m.live); ok {
		live.RollbackTo, live.UserEnv = "", env
		return d.release(ctx, app, p, o, m, live)
	}
	m.userEnv = env
	if !m.exists {
		app.Spec = v1alpha1.ApplicationSpec{} // nothing is made before the first release
	} else {
		app.Spec = m.spec(app)
	}
	app.Release = Release{}
	res, err := d.up(ctx, app, p, o.Options, m)
	return Released{Result: res}, err
}

// spec is what the application was last made of.
func (m memory) spec(app Application) v1alpha1.ApplicationSpec {
	for _, r := range slices.Backward(m.records) {
		if r.Failure == "" {
			return r.Spec
		}
	}
	return app.Spec
}

// AsLast is the application as it was last made in the environment, with the image that serves; one that was never there is
// as it was given. One of another repository is a [*TakenError].
func (d *Deployer) AsLast(ctx context.Context, app Application, p Platform) (Application, error) {
	m, err := d.owned(ctx, app, p)
	if err != nil {
		return app, err
	}
	live, _ := m.find(m.live)
	app.Spec, app.Release = m.spec(app), Release{Image: live.Image}
	return app, nil
}

// Undeploy takes the pods of an application away, and how it is reached. What it has on servers stays, and so do its history
// and variables.
func (d *Deployer) Undeploy(ctx context.Context, app Application, p Platform, o Options) (Result, error) {
	m, err := d.owned(ctx, app, p)
	if err != nil || !m.exists {
		return Result{}, err
	}
	app.Spec, app.Release = m.spec(app), Release{}
	return d.up(ctx, app, p, o, m)
}

// Discard deletes everything that the application has in the environment, its data and history included. The buckets of
// environments that are kept refuse to go while they hold objects, until a run has allowed it to them: that is the one that
// takes the pods away. Where an earlier Discard came that far, it goes on from there.
func (d *Deployer) Discard(ctx context.Context, app Application, p Platform, o Options) (Result, error) {
	m, err := d.owned(ctx, app, p)
	if err != nil {
		return Result{}, err
	}
	var before Result
	if m.exists && !m.discards {
		o.discard = true
		if before, err = d.Undeploy(ctx, app, p, o); err != nil {
			return before, err
		}
		o.SkipRefresh = true // it was just looked at
	}
	res, err := d.Destroy(ctx, app, p, o)
	if m.exists {
		res.Warnings = undiscarded(app.Name, m.spec(app), p)
	}
	if res.Changes == nil {
		res.Changes = map[string]int{}
	}
	res.Changes[engine.Deleted] += before.Changes[engine.Deleted]
	return res, err
}

// undiscarded says what stays: a Redis that others may use as well does not know whose a key is.
func undiscarded(app string, spec v1alpha1.ApplicationSpec, p Platform) []string {
	if !spec.RedisEnabled() || p.Redis.Own || p.Redis.Image != "" {
		return nil
	}
	return []string{fmt.Sprintf("what %s kept in Redis at %s stays: other applications may use that server", app, p.Redis.Host)}
}

// Live is the release that serves. There is none before the first, and none after Undeploy. That of another
// repository is a [*TakenError].
func (d *Deployer) Live(ctx context.Context, app Application, p Platform) (Record, bool, error) {
	m, err := d.owned(ctx, app, p)
	if err != nil {
		return Record{}, false, err
	}
	live, ok := m.find(m.live)
	return live, ok, nil
}

// Releases are those that are remembered, newest first, and the ID of the one that serves. Those of another repository are a
// [*TakenError].
func (d *Deployer) Releases(ctx context.Context, app Application, p Platform) (records []Record, live string, err error) {
	m, err := d.owned(ctx, app, p)
	slices.Reverse(m.records)
	return m.records, m.live, err
}

// owned is the memory of a stack that is the application's, or nobody's yet.
func (d *Deployer) owned(ctx context.Context, app Application, p Platform) (memory, error) {
	m, err := d.memory(ctx, app, p)
	if err != nil {
		return m, err
	}
	if m.repository != "" && app.Repository != "" && m.repository != app.Repository {
		return m, &TakenError{App: app.Name, Environment: p.Target.Environment, Repository: m.repository}
	}
	if m.repository == "" {
		m.repository = app.Repository
	}
	return m, nil
}

// release makes what a record says.
func (d *Deployer) release(ctx context.Context, app Application, p Platform, o ReleaseOptions, m memory, next Record) (Released, error) {
	live, serves := m.find(m.live)
	if serves && next.same(live) {
		next = live
	} else {
		next.ID, next.By, next.Time, next.Failure = m.next(), o.By, time.Now().UTC().Truncate(time.Second), ""
		if next.Attempt = live.Attempt; !serves {
			next.Attempt = next.Time.Format(time.RFC3339)
		}
		next.Migrates = next.RollbackTo == "" && (!serves || next.Image != live.Image || !equalJSON(next.Spec.Database, live.Spec.Database))
		m = m.with(next)
	}
	o.message = "release " + next.ID
	res, err := d.up(ctx, m.as(app, next), p, o.Options, m)
	out := Released{Result: res, Record: next, Before: live}
	if err == nil || o.Plan || !errors.Is(err, engine.ErrResourceFailed) || ctx.Err() != nil {
		return out, err
	}
	failed := &ReleaseError{Environment: p.Target.Environment, Failed: next, Serving: live, Cause: err}
	if !serves || next.ID == live.ID {
		return out, failed
	}
	failed.SetBack = d.setBack(ctx, app, p, o.Options, m, next, live, err)
	out.Record = live
	return out, failed
}

// maxFailure is how much of an error is remembered, in bytes.
const maxFailure = 400

// setBack makes the release that served before serve again, and remembers that another one failed.
func (d *Deployer) setBack(
	ctx context.Context, app Application, p Platform, o Options, m memory, failed, live Record, cause error,
) error {
	failed.Failure, _, _ = strings.Cut(cause.Error(), "\n")
	failed.Failure = strings.ToValidUTF8(failed.Failure[:min(len(failed.Failure), maxFailure)], "")
	m = m.with(failed)
	m.userEnv = live.UserEnv
	o.SkipRefresh, o.message = true, "back to release "+live.ID
	_, err := d.up(ctx, m.as(app, live), p, o, m)
	return err
}

// Earlier is the release that Rollback would go back to.
func (d *Deployer) Earlier(ctx context.Context, app Application, p Platform, id string) (Record, error) {
	m, err := d.owned(ctx, app, p)
	if err != nil {
		return Record{}, err
	}
	return m.earlier(id)
}

// NewerMigrations names the migrations that ran for releases after one: a rollback to it keeps them.
func (d *Deployer) NewerMigrations(ctx context.Context, app Application, p Platform, id string) ([]string, error) {
	m, err := d.memory(ctx, app, p)
	if err != nil {
		return nil, err
	}
	to, ok := m.find(id)
	var after Record // the first release after it
	for _, r := range slices.Backward(m.records) {
		if number(r.ID) > number(id) {
			after = r
		}
	}
	if !ok || after.ID == "" || !to.Spec.DatabaseEnabled() || to.Spec.Database.Migrations.Engine == "" {
		return nil, nil
	}
	app.Spec = to.Spec
	n := NamesOf(app, p.Target)
	admin := p.Database.AdminURL(cmp.Or(p.Database.Database, n.Database))
	return migrate.Since(ctx, migrate.Engine(to.Spec.Database.Migrations.Engine), admin, n.Schema, n.MigrationsSchema, after.Time)
}
