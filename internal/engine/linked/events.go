package linked

import (
	"context"
	"fmt"

	"github.com/pulumi/pulumi/pkg/v3/engine"
	"github.com/pulumi/pulumi/sdk/v3/go/common/diag"
	"github.com/pulumi/pulumi/sdk/v3/go/common/diag/colors"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"plattr.dev/plattr/internal/engine/state"
)

// drain hands the engine's events to the request's function, one at a time, until the channel is closed.
func (u *update) drain() (chan engine.Event, <-chan struct{}) {
	events, done := make(chan engine.Event), make(chan struct{})
	go func() {
		defer close(done)
		for e := range events {
			u.emit(e)
		}
		u.mu.Lock()
		defer u.mu.Unlock()
		u.closed = true
	}()
	return events, done
}

func (u *update) emit(e engine.Event) {
	if u.req.Events == nil {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.closed {
		u.req.Events(e)
	}
}

// log makes an event of a message of the program or a provider. One that comes after the run has ended is dropped.
func (u *update) log(sev diag.Severity, urn resource.URN, msg string, stream int32, status bool) {
	u.emit(engine.NewEvent(engine.DiagEventPayload{
		URN: urn, Message: msg, Color: colors.Never, Severity: sev, StreamID: stream, Ephemeral: status,
	}))
}

// references answers a program's questions about other stacks (pulumi.StackReference) from the same store.
type references struct {
	stacks  *state.Stacks
	keys    Keyring
	project string
}

func (r *references) GetStackOutputs(
	ctx context.Context, name string, _ func(error) error,
) (resource.PropertyMap, error) {
	ref, err := state.ParseRef(r.project, name)
	if err != nil {
		return nil, err
	}
	snap, _, err := r.stacks.Load(ctx, ref, r.keys)
	if err != nil {
		return nil, fmt.Errorf("stack reference: %w", err)
	}
	return rootOutputs(snap), nil
}

func (r *references) GetStackResourceOutputs(ctx context.Context, name string) (resource.PropertyMap, error) {
	ref, err := state.ParseRef(r.project, name)
	if err != nil {
		return nil, err
	}
	snap, _, err := r.stacks.Load(ctx, ref, r.keys)
	if err != nil {
		return nil, fmt.Errorf("stack reference: %w", err)
	}
	all := resource.PropertyMap{}
	if snap == nil {
		return all, nil
	}
	for _, res := range snap.Resources {
		if !res.Delete {
			all[resource.PropertyKey(res.URN)] = resource.NewProperty(resource.PropertyMap{
				"type": resource.NewProperty(string(res.Type)), "outputs": resource.NewProperty(res.Outputs),
			})
		}
	}
	return all, nil
}
