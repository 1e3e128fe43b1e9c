package localdev

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"plattr.dev/plattr/localdev/kind"
)

// RemoveService ends a service of one application, with the data that it keeps for itself.
func (p *Pods) RemoveService(ctx context.Context, name string) error {
	return explain(p.reduce(ctx, func(r *podsRecord) { r.remove(name) }))
}

// reduce takes services away. Where nothing is taken away, nothing is started for it.
func (p *Pods) reduce(ctx context.Context, change func(*podsRecord)) error {
	r, err := readPods(p.state)
	if err != nil {
		return err
	}
	next := r.clone()
	change(&next)
	if next.same(r) {
		return nil
	}
	release, err := p.cluster.Lock(ctx)
	if err != nil {
		return err
	}
	defer release()
	if r, err = readPods(p.state); err != nil {
		return err
	}
	next = r.clone()
	change(&next)
	if err := p.state.WriteJSON(podsFile, next); err != nil {
		return err
	}
	quiet := func(Progress) {}
	if err := p.ensureCluster(ctx, quiet); err != nil {
		return err
	}
	if _, err := p.apply(ctx, nil, quiet); err != nil {
		return err
	}
	return p.awaitGone(ctx, r, next)
}

// awaitGone waits until every PostgREST that was taken away is gone: see [Pods.apply].
func (p *Pods) awaitGone(ctx context.Context, before, after podsRecord) error {
	return untilItWorks(ctx, func(ctx context.Context) error {
		there, err := p.deployments(ctx)
		if err != nil {
			return err
		}
		for app := range before.PostgREST {
			_, stays := after.PostgREST[app]
			if name := PostgRESTName(app); !stays && there[name] != nil {
				return fmt.Errorf("%s does not end", name)
			}
		}
		return nil
	})
}

// StopUnused ends the shared services that serve no application any more. Their data stay.
func (p *Pods) StopUnused(ctx context.Context) error {
	apps, err := p.state.Apps()
	if err != nil {
		return explain(err)
	}
	used := map[string]bool{}
	for _, a := range apps {
		if a.Uses == nil {
			return nil // nobody can tell
		}
		for _, name := range a.Uses {
			used[name] = true
		}
	}
	return explain(p.reduce(ctx, func(r *podsRecord) { r.keep(used) }))
}

// Remove ends what runs for one application alone, with its data. Its name is free afterwards.
func (p *Pods) Remove(ctx context.Context, app string) error {
	err := p.reduce(ctx, func(r *podsRecord) {
		r.remove(PostgRESTName(app))
		r.remove(RedisName(app))
	})
	if err != nil {
		return explain(err)
	}
	return explain(p.state.Forget(ctx, app))
}

// Stop stops the cluster and its registry. The data stay.
func (p *Pods) Stop(ctx context.Context) error {
	if made, err := p.wasMade(); err != nil || !made {
		return explain(err)
	}
	release, err := p.cluster.Lock(ctx)
	if err != nil {
		return explain(err)
	}
	defer release()
	return explain(p.cluster.Stop(ctx))
}

// wasMade tells whether a cluster was made or begun: without one nobody needs Docker.
func (p *Pods) wasMade() (bool, error) {
	_, err := os.Stat(p.cluster.Data())
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// Destroy deletes the cluster, its registry, and everything that the services and plattr kept for this runtime.
func (p *Pods) Destroy(ctx context.Context) error {
	made, err := p.wasMade()
	if err != nil {
		return explain(err)
	}
	if made {
		release, err := p.cluster.Lock(ctx)
		if err != nil {
			return explain(err)
		}
		err = p.cluster.Destroy(ctx)
		release()
		if err != nil {
			return explain(fmt.Errorf("delete the cluster with its data: %w", err))
		}
	}
	return explain(p.state.Destroy())
}

// NewCluster makes the cluster anew, with the same data.
func (p *Pods) NewCluster(ctx context.Context, progress func(Progress)) error {
	report := serialised(progress)
	release, err := p.cluster.Lock(ctx)
	if err != nil {
		return explain(err)
	}
	defer release()
	tell := func(phase Phase, detail string) {
		report(Progress{Service: clusterName, Title: "Cluster", Phase: phase, Detail: detail})
	}
	if err := p.cluster.Remake(ctx, func(text string) { tell(Starting, text) }); err != nil {
		return explain(err)
	}
	tell(Ready, p.cluster.Name)
	return nil
}

// Check says how the cluster is, in words for people; an error is what keeps it from working.
func (p *Pods) Check(ctx context.Context) (string, error) {
	if err := kind.Available(ctx); err != nil {
		return "", err
	}
	made, err := p.wasMade()
	if err != nil || !made {
		return "runtime kind, without a cluster yet: plattr dev makes it", explain(err)
	}
	running, err := p.cluster.Running(ctx)
	if err != nil || !running {
		return "runtime kind, cluster " + p.cluster.Name + " is stopped: plattr dev starts it", explain(err)
	}
	api, err := p.cluster.API()
	if err == nil {
		err = api.Ready(ctx)
	}
	if err != nil {
		return "", &kind.BrokenError{Name: p.cluster.Name, Why: err.Error()}
	}
	return "runtime kind, cluster " + p.cluster.Name + " works", nil
}
