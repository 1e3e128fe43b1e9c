package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"

	"plattr.dev/plattr/internal/engine/state"
)

// Outputs returns what the stack's program exported in its last run.
func (e *Engine) Outputs(ctx context.Context, stack string) (map[string]Output, error) {
	ref, err := state.ParseRef(e.project, stack)
	if err != nil {
		return nil, err
	}
	m, err := e.linked.Outputs(ctx, ref)
	if err != nil {
		return nil, e.explain(ctx, ref, err)
	}
	return outputs(m), nil
}

// Types returns the types of the stack's resources, sorted, those included whose making was interrupted.
func (e *Engine) Types(ctx context.Context, stack string) ([]string, error) {
	ref, err := state.ParseRef(e.project, stack)
	if err != nil {
		return nil, err
	}
	types, err := e.state.Types(ctx, ref)
	return types, e.explain(ctx, ref, err)
}

// StaleLocks returns the stacks that are locked by a process that is gone. The next run on each takes the lock over.
func (e *Engine) StaleLocks(ctx context.Context) ([]string, error) {
	refs, err := e.state.List(ctx, e.project)
	if err != nil {
		return nil, err
	}
	var stale []string
	for _, r := range refs {
		is, err := e.state.Stale(ctx, r)
		if err != nil {
			return nil, err
		}
		if is {
			stale = append(stale, r.Stack)
		}
	}
	return stale, nil
}

// FreeStaleLocks removes the locks of processes that are gone.
func (e *Engine) FreeStaleLocks(ctx context.Context) error {
	stale, err := e.StaleLocks(ctx)
	if err != nil {
		return err
	}
	for _, stack := range stale {
		ref, err := state.ParseRef(e.project, stack)
		if err == nil {
			err = e.state.Check(ctx, ref, e.linked.Owner)
		}
		if err != nil {
			return e.explain(ctx, ref, err)
		}
	}
	return nil
}

// Run is one entry of a stack's history.
type Run struct {
	// Kind is update, destroy, refresh or resource-import.
	Kind      string         `json:"kind"`
	Succeeded bool           `json:"succeeded"`
	Message   string         `json:"message,omitempty"`
	Start     time.Time      `json:"start"`
	End       time.Time      `json:"end"`
	Changes   map[string]int `json:"changes"`
}

// History returns the runs of a stack, newest first; limit 0 means all that are kept (100).
func (e *Engine) History(ctx context.Context, stack string, limit int) ([]Run, error) {
	ref, err := state.ParseRef(e.project, stack)
	if err != nil {
		return nil, err
	}
	if err := e.mustExist(ctx, ref); err != nil {
		return nil, err
	}
	infos, err := e.state.History(ctx, ref, limit)
	if err != nil {
		return nil, err
	}
	runs := make([]Run, 0, len(infos))
	for _, i := range infos {
		changes := make(map[apitype.OpType]int, len(i.ResourceChanges))
		for op, n := range i.ResourceChanges {
			changes[apitype.OpType(op)] = n
		}
		runs = append(runs, Run{
			Kind: string(i.Kind), Succeeded: i.Result == "succeeded", Message: i.Message,
			Start: time.Unix(i.StartTime, 0).UTC(), End: time.Unix(i.EndTime, 0).UTC(), Changes: counts(changes),
		})
	}
	return runs, nil
}

// Export returns a stack's deployment, in the format of `pulumi stack export`. Secrets stay encrypted.
func (e *Engine) Export(ctx context.Context, stack string) (apitype.UntypedDeployment, error) {
	ref, err := state.ParseRef(e.project, stack)
	if err != nil {
		return apitype.UntypedDeployment{}, err
	}
	d, err := e.state.Export(ctx, ref)
	return d, e.explain(ctx, ref, err)
}

// Import replaces a stack's deployment with an exported one; the stack is made when it is absent.
func (e *Engine) Import(ctx context.Context, stack string, deployment apitype.UntypedDeployment) error {
	ref, err := state.ParseRef(e.project, stack)
	if err != nil {
		return err
	}
	return e.explain(ctx, ref, e.linked.Import(ctx, ref, deployment))
}

// Remove deletes a stack with its history. One that still has resources is refused with [ErrStackNotEmpty].
func (e *Engine) Remove(ctx context.Context, stack string) error {
	ref, err := state.ParseRef(e.project, stack)
	if err != nil {
		return err
	}
	return e.explain(ctx, ref, e.linked.WithLock(ctx, ref, func(ctx context.Context, l *state.Locked) error {
		n, err := l.Count(ctx, ref)
		if err != nil {
			return err
		}
		if n > 0 {
			return fmt.Errorf("%w: %d", ErrStackNotEmpty, n)
		}
		return l.Remove(ctx)
	}))
}

// List returns the names of the project's stacks, sorted.
func (e *Engine) List(ctx context.Context) ([]string, error) {
	refs, err := e.state.List(ctx, e.project)
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(refs))
	for _, r := range refs {
		names = append(names, r.Stack)
	}
	return names, nil
}
