package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/pkg/v3/backend"
	"golang.org/x/sync/errgroup"

	"plattr.dev/plattr/internal/engine/store"
)

// kept is how many runs a stack's history holds. The stock CLI never forgets; a developer's laptop should.
const kept = 100

// readers is how many entries of a history are read at once.
const readers = 8

// History returns the runs of a stack, newest first; limit 0 means all.
func (d *Stacks) History(ctx context.Context, ref Ref, limit int) ([]backend.UpdateInfo, error) {
	keys, err := d.store.List(ctx, historyDir(ref))
	if err != nil {
		return nil, fmt.Errorf("read history of stack %s: %w", ref.Stack, err)
	}
	keys = slices.DeleteFunc(keys, func(k string) bool { return !strings.HasSuffix(k, ".history.json") })
	slices.SortFunc(keys, func(a, b string) int { return strings.Compare(b, a) })
	if limit > 0 && len(keys) > limit {
		keys = keys[:limit]
	}
	entries := make([]*backend.UpdateInfo, len(keys))
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(readers)
	for i, k := range keys {
		group.Go(func() (err error) {
			entries[i], err = d.entry(gctx, k)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, fmt.Errorf("read history of stack %s: %w", ref.Stack, err)
	}
	runs := make([]backend.UpdateInfo, 0, len(entries))
	for _, e := range entries {
		if e != nil {
			runs = append(runs, *e)
		}
	}
	return runs, nil
}

// entry reads one entry; nil is one that was forgotten just now, or torn by a kill: the run itself is in the state.
func (d *Stacks) entry(ctx context.Context, key string) (*backend.UpdateInfo, error) {
	raw, err := d.store.Read(ctx, key)
	if errors.Is(err, store.ErrAbsent) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var info backend.UpdateInfo
	if json.Unmarshal(raw, &info) != nil {
		return nil, nil
	}
	return &info, nil
}

// old lists the oldest entries of a stack's history and backups, those that go.
func (d *Stacks) old(ctx context.Context, ref Ref) []store.Change {
	var changes []store.Change
	history, err := d.store.List(ctx, historyDir(ref))
	if err != nil {
		return nil // costs only space, and the next run tries again
	}
	runs := slices.DeleteFunc(slices.Clone(history), func(k string) bool { return !strings.HasSuffix(k, ".history.json") })
	if len(runs) <= kept {
		return nil
	}
	first := strings.TrimSuffix(runs[len(runs)-kept], ".history.json") // names, and so keys, are sorted by time
	for _, k := range history {
		if k < first {
			changes = append(changes, store.Delete(k))
		}
	}
	backups, err := d.store.List(ctx, backupDir(ref))
	if err != nil {
		return changes
	}
	for _, k := range backups[:max(0, len(backups)-kept)] {
		changes = append(changes, store.Delete(k))
	}
	return changes
}
