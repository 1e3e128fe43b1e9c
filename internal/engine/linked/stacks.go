package linked

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/pulumi/pulumi/pkg/v3/resource/edit"
	"github.com/pulumi/pulumi/pkg/v3/resource/stack"
	"github.com/pulumi/pulumi/pkg/v3/secrets"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"

	"plattr.dev/plattr/internal/engine/state"
)

// Masked is what stands for a secret where it is not shown.
const Masked = "[secret]"

// remembered are the outputs of the stack that was asked for last, with the version that they are of. A command asks
// for them several times, and to decode a state takes as long as a tenth of a run.
type remembered struct {
	mu      sync.Mutex
	ref     state.Ref
	version string
	outputs resource.PropertyMap
}

// Outputs returns what the stack's program exported in its last run.
func (r *Runner) Outputs(ctx context.Context, ref state.Ref) (resource.PropertyMap, error) {
	version, versionErr := r.State.Version(ctx, ref) // before it is read: then what is remembered is never older than it says
	if outputs, ok := r.last.get(ref, version); ok && versionErr == nil {
		return outputs, nil
	}
	snap, _, err := r.State.Load(ctx, ref, r.Keys)
	if err != nil {
		return nil, err
	}
	outputs := rootOutputs(snap)
	if versionErr == nil {
		r.last.set(ref, version, outputs)
	}
	return outputs, nil
}

func (m *remembered) get(ref state.Ref, version string) (resource.PropertyMap, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if version == "" || m.ref != ref || m.version != version {
		return nil, false
	}
	return m.outputs.Copy(), true
}

func (m *remembered) set(ref state.Ref, version string, outputs resource.PropertyMap) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ref, m.version, m.outputs = ref, version, outputs.Copy()
}

// Manager returns the secrets manager of a stack; one that was never deployed gets a new one.
func (r *Runner) Manager(ctx context.Context, ref state.Ref) (secrets.Manager, error) {
	snap, _, err := r.State.Load(ctx, ref, r.Keys)
	if err != nil {
		return nil, err
	}
	return r.managerOf(snap)
}

// Import replaces a stack's deployment with an exported one; the stack is made when it is absent. Secrets that the
// export shows are encrypted again. A deployment of another stack is refused.
func (r *Runner) Import(ctx context.Context, ref state.Ref, d apitype.UntypedDeployment) error {
	snap, err := stack.DeserializeUntypedDeployment(ctx, &d, r.Keys)
	if err != nil {
		return fmt.Errorf("import stack %s: %w", ref.Stack, err)
	}
	for _, res := range snap.Resources {
		if string(res.URN.Stack()) != ref.Stack || string(res.URN.Project()) != ref.Project {
			return fmt.Errorf("import stack %s: %s belongs to another stack", ref.Stack, res.URN)
		}
	}
	if snap.SecretsManager == nil {
		if snap.SecretsManager, err = r.managerOf(nil); err != nil {
			return fmt.Errorf("import stack %s: %w", ref.Stack, err)
		}
	}
	if err := snap.VerifyIntegrity(); err != nil {
		return fmt.Errorf("import stack %s: %w", ref.Stack, err)
	}
	return r.WithLock(ctx, ref, func(ctx context.Context, l *state.Locked) error {
		if ok, err := l.Exists(ctx, ref); err != nil || ok {
			return errors.Join(err, l.Save(ctx, snap))
		}
		return l.Create(ctx, snap)
	})
}

// Reconfigure gives the providers in the state new inputs, by type::name.
func (r *Runner) Reconfigure(ctx context.Context, ref state.Ref, inputs map[string]resource.PropertyMap) error {
	return r.WithLock(ctx, ref, func(ctx context.Context, l *state.Locked) error {
		snap, _, err := r.State.Load(ctx, ref, r.Keys)
		if err != nil || snap == nil {
			return err
		}
		for _, res := range snap.Resources {
			news, ok := inputs[string(res.Type)+"::"+res.URN.Name()]
			if !ok {
				continue
			}
			for key, old := range res.Inputs { // what the engine itself notes there
				if _, given := news[key]; !given && (key == "version" || strings.HasPrefix(string(key), "__")) {
					news[key] = old
				}
			}
			res.Inputs, res.Outputs = news, news.Copy()
		}
		return l.Save(ctx, snap)
	})
}

// Rename gives a stack another name, in its URNs too.
func (r *Runner) Rename(ctx context.Context, from, to state.Ref) error {
	return r.WithLock(ctx, from, func(ctx context.Context, l *state.Locked) error { return r.rename(ctx, l, to) })
}

func (r *Runner) rename(ctx context.Context, l *state.Locked, to state.Ref) error {
	from := l.Ref
	d, err := r.State.Export(ctx, from)
	if err != nil {
		return err
	}
	v3, err := stack.UnmarshalUntypedDeployment(ctx, &d)
	if err != nil {
		return fmt.Errorf("rename stack %s: %w", from.Stack, err)
	}
	name, err := tokens.ParseStackName(to.Stack)
	if err != nil {
		return fmt.Errorf("rename stack %s: %w", from.Stack, err)
	}
	if err := edit.RenameStack(v3, name, tokens.PackageName(to.Project)); err != nil {
		return fmt.Errorf("rename stack %s: %w", from.Stack, err)
	}
	snap, err := stack.DeserializeDeploymentV3(ctx, *v3, r.Keys)
	if err != nil {
		return fmt.Errorf("rename stack %s: %w", from.Stack, err)
	}
	return l.Rename(ctx, to, snap)
}

// WithLock does something with a stack under its lock. Its context ends when the lock is lost, and so does what it does:
// somebody else may work on the stack then.
func (r *Runner) WithLock(ctx context.Context, ref state.Ref, do func(context.Context, *state.Locked) error) error {
	l, err := r.State.Lock(ctx, ref, r.Owner)
	if err != nil {
		return err
	}
	held, cancel := context.WithCancelCause(ctx)
	ended := make(chan struct{})
	go func() {
		select {
		case <-l.Lost():
			cancel(l.Err())
		case <-ended:
		}
	}()
	err = do(held, l)
	close(ended)
	cancel(nil)
	lost, released := l.Err(), l.Release()
	if lost != nil && err != nil && ctx.Err() == nil {
		return lost // what the rest says follows from it
	}
	return errors.Join(err, released)
}

// Plain returns the JSON form of a value, with its secrets shown or as [Masked].
func Plain(v resource.PropertyValue, show bool) any {
	return v.MapRepl(nil, func(v resource.PropertyValue) (any, bool) {
		switch {
		case v.IsSecret() && !show:
			return Masked, true
		case v.IsSecret():
			return Plain(v.SecretValue().Element, show), true
		case v.IsOutput():
			return Plain(v.OutputValue().Element, show), true
		}
		return nil, false
	})
}
