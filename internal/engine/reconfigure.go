package engine

import (
	"context"
	"fmt"
	"sync"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"plattr.dev/plattr/internal/engine/state"
)

// Reconfigure gives the providers in a stack's state the inputs that a program declares for them; no server is asked. A
// refresh, and the deletion of what a program does not declare any more, use the providers of the state: where a server has
// another address than it had, they must be told before. The program declares providers only; those that the state has not
// are left out.
func (e *Engine) Reconfigure(ctx context.Context, stack string, program pulumi.RunFunc) error {
	ref, err := state.ParseRef(e.project, stack)
	if err != nil {
		return err
	}
	declared := &declaration{inputs: map[string]resource.PropertyMap{}}
	if err := pulumi.RunErr(program, pulumi.WithMocks(ref.Project, ref.Stack, declared)); err != nil {
		return fmt.Errorf("stack %s: %w", stack, err)
	}
	return e.explain(ctx, ref, e.linked.Reconfigure(ctx, ref, declared.inputs))
}

// declaration listens to a program instead of an engine.
type declaration struct {
	mu     sync.Mutex
	inputs map[string]resource.PropertyMap // by type::name
}

// NewResource notes what an engine would be asked for.
func (d *declaration) NewResource(args pulumi.MockResourceArgs) (string, resource.PropertyMap, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.inputs[args.TypeToken+"::"+args.Name] = args.Inputs
	return args.Name, args.Inputs, nil
}

// Call refuses functions: they would ask a server.
func (d *declaration) Call(args pulumi.MockCallArgs) (resource.PropertyMap, error) {
	return nil, fmt.Errorf("a program of providers calls %s", args.Token)
}
