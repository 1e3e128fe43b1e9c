package linked

import (
	"context"
	"errors"
	"fmt"

	"github.com/pulumi/pulumi/pkg/v3/engine"
	"github.com/pulumi/pulumi/pkg/v3/resource/deploy"
	"github.com/pulumi/pulumi/pkg/v3/resource/deploy/providers"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/pulumi/pulumi/sdk/v3/go/common/diag"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
)

// finish does to the end what a run that was killed or cancelled had begun, so that the snapshot knows everything that
// exists. Only creates matter: an update or a delete that was interrupted is in the snapshot as it was before, and is
// done again. A create is repeated, and takes over what is there already, because our providers know what they made by
// its owner mark. From then on the resource is like any other: kept, changed or deleted as the program says.
func (u *update) finish(ctx context.Context, h *host) error {
	if u.snap == nil {
		return nil
	}
	pending := u.snap.PendingOperations
	u.snap.PendingOperations = nil
	if u.req.DryRun {
		return nil
	}
	for _, op := range pending {
		if op.Type != resource.OperationTypeCreating || !op.Resource.Custom || providers.IsProviderType(op.Resource.Type) {
			continue // providers exist in the state alone
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		err := u.create(ctx, h, op.Resource)
		if err == nil {
			continue
		}
		err = fmt.Errorf("finish the interrupted create of %s: %w", op.Resource.URN.Name(), err)
		if u.req.Kind == apitype.DestroyUpdate {
			return err // else it might be left behind
		}
		u.log(diag.Warning, op.Resource.URN, err.Error(), 0, false)
	}
	return nil
}

// atOnce is how long, in seconds, an object whose create is repeated is waited for: it may need what only the program makes,
// as a Service needs its pods. The program's turn waits for what does not work by then, and a deletion need not.
const atOnce = 1

// create repeats one create and enters the resource into the snapshot. An older one of the same URN was to be replaced
// by it, and is now to be deleted.
func (u *update) create(ctx context.Context, h *host, res *resource.State) error {
	provider, err := u.provider(ctx, h, res)
	if err != nil {
		return err
	}
	defer func() { _ = h.CloseProvider(provider) }()
	made, err := provider.Create(ctx, plugin.CreateRequest{
		URN: res.URN, Name: res.URN.Name(), Type: res.Type, Properties: res.Inputs, Timeout: atOnce,
	})
	var broken *plugin.InitError
	if errors.As(err, &broken) && made.Status == resource.StatusPartialFailure {
		res.InitErrors, err = broken.Reasons, nil // it is there, and waited for again
	}
	if err != nil {
		return err
	}
	if made.ID == "" {
		return errors.New("provider did not return an ID")
	}
	res.ID, res.Outputs = made.ID, made.Properties
	for _, k := range res.AdditionalSecretOutputs {
		if v, ok := res.Outputs[k]; ok && !v.IsSecret() {
			res.Outputs[k] = resource.MakeSecret(v)
		}
	}
	for i, old := range u.snap.Resources {
		switch {
		case old.URN != res.URN || old.Delete:
		case old.ID == res.ID: // the older one itself, taken over
			u.snap.Resources[i] = res
			return nil
		default:
			old.Delete = true
		}
	}
	u.snap.Resources = append(u.snap.Resources, res)
	return nil
}

// provider returns a configured instance of the provider that the resource names.
func (u *update) provider(ctx context.Context, h *host, res *resource.State) (plugin.Provider, error) {
	ref, err := providers.ParseReference(res.Provider)
	if err != nil {
		return nil, fmt.Errorf("provider of %s: %w", res.URN, err)
	}
	for _, p := range u.snap.Resources {
		if p.URN != ref.URN() || p.ID != ref.ID() {
			continue
		}
		factory, ok := u.runner.Providers[string(providers.GetProviderPackage(p.Type))]
		if !ok {
			break
		}
		provider := h.start(factory)
		name, typ := p.URN.Name(), p.URN.Type()
		_, err := provider.Configure(ctx, plugin.ConfigureRequest{
			URN: &p.URN, Name: &name, Type: &typ, ID: &p.ID, Inputs: providers.FilterProviderConfig(p.Inputs),
		})
		if err != nil {
			return nil, errors.Join(err, h.CloseProvider(provider))
		}
		return provider, nil
	}
	return nil, fmt.Errorf("provider %s is not here", ref)
}

// snapshots watches the snapshot manager for creates. One begins when the state says so; one that ends because the run was
// cancelled stays pending in the state, because what it made may exist all the same.
type snapshots struct {
	engine.SnapshotManager
	update *update
	ctx    context.Context //nolint:containedctx // the run's
}

func (s *snapshots) BeginMutation(step deploy.Step) (engine.SnapshotMutation, error) {
	m, err := s.SnapshotManager.BeginMutation(step)
	if err != nil || (step.Op() != deploy.OpCreate && step.Op() != deploy.OpCreateReplacement) {
		return m, err //nolint:wrapcheck // passed on as it is
	}
	// What is about to be made must be on record, or nobody would find it after a kill. All else can come later: an
	// update or a deletion is done again.
	if err := s.update.journal.wait(); err != nil {
		return nil, err
	}
	return &creation{SnapshotMutation: m, snapshots: s}, nil
}

type creation struct {
	engine.SnapshotMutation
	snapshots *snapshots
}

func (c *creation) End(step deploy.Step, successful bool) error {
	if !successful && c.snapshots.ctx.Err() != nil && step.New().Custom {
		u := c.snapshots.update
		u.mu.Lock()
		u.interrupted = append(u.interrupted, resource.NewOperation(step.New(), resource.OperationTypeCreating))
		u.mu.Unlock()
	}
	return c.SnapshotMutation.End(step, successful) //nolint:wrapcheck // passed on as it is
}
