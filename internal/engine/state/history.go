package state

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/pkg/v3/backend"

	"plattr.dev/plattr/internal/engine/store"
)

// kept is how many runs a stack's history holds. The stock CLI never forgets; a developer's laptop should.
const kept = 100

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
	runs := make([]backend.UpdateInfo, 0, len(keys))
	for _, k := range keys {
		raw, err := d.store.Read(ctx, k)
		if errors.Is(err, store.ErrAbsent) {
			continue // forgotten just now
		}
		if err != nil {
			return nil, fmt.Errorf("read history of stack %s: %w", ref.Stack, err)
		}
		var info backend.UpdateInfo
		if err := json.Unmarshal(raw, &info); err != nil {
			continue // torn by a kill: the run itself is in the state
		}
		runs = append(runs, info)
	}
	return runs, nil
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
