package localdev

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"plattr.dev/plattr/localdev/ports"
	"plattr.dev/plattr/localdev/process"
	"plattr.dev/plattr/localdev/supervisor"
)

// serialised makes a report that several goroutines may call out of one that may be nil.
func serialised(progress func(Progress)) func(Progress) {
	var mu sync.Mutex
	return func(p Progress) {
		if progress == nil {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		progress(p)
	}
}

// Status tells what runs, with the memory that each service holds. Nothing runs if there are no services in it.
func (n *Native) Status(ctx context.Context) (supervisor.Status, error) {
	s, err := n.client.Status(ctx, true)
	if !errors.Is(err, supervisor.ErrNotRunning) {
		return s, explain(err)
	}
	if !n.orphans() {
		return supervisor.Status{}, nil
	}
	if _, err := n.client.Start(ctx); err != nil {
		return supervisor.Status{}, explain(err)
	}
	s, err = n.client.Status(ctx, true)
	return s, explain(err)
}

// orphans tells whether services run whose supervisor was killed. A new one adopts them.
func (n *Native) orphans() bool {
	entries, err := os.ReadDir(n.state.Join("services"))
	if err != nil {
		return false
	}
	for _, e := range entries {
		var id process.ID
		if n.state.ReadJSON(filepath.Join("services", e.Name(), "process.json"), &id) == nil && id.Alive() {
			return true
		}
	}
	return false
}

// Remove ends what runs for one application alone, with its data, and forgets its ports. Its name is free afterwards.
func (n *Native) Remove(ctx context.Context, app string) error {
	for _, name := range []string{PostgRESTName(app), RedisName(app)} {
		if err := n.RemoveService(ctx, name); err != nil {
			return err
		}
	}
	if err := n.ForgetPorts(ctx, app); err != nil {
		return err
	}
	return explain(n.state.Forget(ctx, app))
}

// RemoveService ends a service of one application, with the data that it keeps in its own folder; one that is not there is
// no error.
func (n *Native) RemoveService(ctx context.Context, name string) error {
	if _, err := os.Stat(n.state.Join("services", name)); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return explain(n.remove(ctx, name))
}

// remove has the supervisor end services. Where it was killed, also just now, a new one adopts what still runs.
func (n *Native) remove(ctx context.Context, names ...string) error {
	const attempts = 3
	for i := 1; ; i++ {
		if _, err := n.client.Start(ctx); err != nil {
			return err
		}
		if err := n.client.Remove(ctx, names...); i == attempts || !errors.Is(err, supervisor.ErrNotRunning) {
			return err
		}
	}
}

// StopUnused ends the shared services that serve no application any more. Their data stay. The lock keeps an application
// from beginning to use one meanwhile.
func (n *Native) StopUnused(ctx context.Context) error {
	release, err := n.state.Lock(ctx)
	if err != nil {
		return explain(err)
	}
	defer release()
	apps, err := n.state.Apps()
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
	running, err := n.running(ctx)
	if err != nil {
		return err
	}
	var unused []string
	for name, s := range running {
		if s.App == "" && !used[name] {
			unused = append(unused, name)
		}
	}
	if len(unused) == 0 {
		return nil
	}
	return explain(n.remove(ctx, unused...))
}

// ForgetPorts makes the ports of an application, or a copy of one, free for others.
func (n *Native) ForgetPorts(ctx context.Context, app string) error {
	release, err := n.state.Lock(ctx)
	if err != nil {
		return explain(err)
	}
	defer release()
	book, err := ports.Load(n.state)
	if err != nil {
		return explain(err)
	}
	before := len(book)
	for use := range ports.Preferred() {
		delete(book, ports.Key(use, app))
	}
	if len(book) == before {
		return nil
	}
	return explain(book.Save(n.state))
}

// Stop ends all services of the machine in order, and the supervisor. The data stay.
func (n *Native) Stop(ctx context.Context) error {
	if _, err := n.client.Status(ctx, false); errors.Is(err, supervisor.ErrNotRunning) && !n.orphans() {
		return nil
	}
	if _, err := n.client.Start(ctx); err != nil {
		return explain(err)
	}
	return explain(n.client.Stop(ctx))
}

// Destroy ends all services and deletes everything that they and plattr kept on this machine, but for the cache of
// programs. It cannot be undone.
func (n *Native) Destroy(ctx context.Context) error {
	if err := n.Stop(ctx); err != nil {
		return fmt.Errorf("stop the services before their data are deleted: %w", err)
	}
	return explain(n.state.Destroy())
}
