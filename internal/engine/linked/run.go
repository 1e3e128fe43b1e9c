// Package linked runs Pulumi's engine in this process: no CLI, no plugin, no gRPC to providers. One [Runner.Run] is
// what one `pulumi up`, `preview`, `destroy`, `refresh` or `import` does, on a stack of [state.Stacks].
package linked

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/pulumi/pulumi/pkg/v3/backend"
	"github.com/pulumi/pulumi/pkg/v3/display"
	"github.com/pulumi/pulumi/pkg/v3/engine"
	"github.com/pulumi/pulumi/pkg/v3/resource/deploy"
	"github.com/pulumi/pulumi/pkg/v3/secrets"
	"github.com/pulumi/pulumi/pkg/v3/util/cancel"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/config"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"plattr.dev/plattr/internal/engine/state"
)

// grace is how long a cancelled run may finish what it is doing before it is left alone.
const grace = 30 * time.Second

// parallel is how many resources are worked on at once, as many as the stock CLI's default of four per core at least.
const parallel = 32

// Keyring opens and makes the secrets managers of stacks.
type Keyring interface {
	secrets.Provider
	New() (secrets.Manager, error)
}

// Runner runs the engine. It is safe for concurrent use; two runs on one stack exclude each other.
type Runner struct {
	State     *state.Stacks
	Keys      Keyring
	Providers map[string]func() plugin.Provider
	// Owner is shown to whoever finds a stack locked by this runner.
	Owner string

	last remembered
}

// Request says what one run does.
type Request struct {
	Kind    apitype.UpdateKind
	Stack   state.Ref
	Program pulumi.RunFunc
	// Client is the address of a language runtime that holds the program; used when Program is nil.
	Client string
	// Root is the directory that relative paths of the program are based on.
	Root string

	// DryRun previews.
	DryRun bool
	// Refresh reads every resource first.
	Refresh bool
	Message string
	Config  config.Map
	// Manager decrypts Config and encrypts the state; nil means the state's or, for a new stack, a new one.
	Manager secrets.Manager
	Imports []deploy.Import
	Options engine.UpdateOptions
	// Events gets every event of the engine, in order. It must not block for long.
	Events func(engine.Event)
}

// Outcome is what a run gave, also one that failed.
type Outcome struct {
	Changes display.ResourceChanges
	// Outputs are the stack's outputs after the run; nil after a preview.
	Outputs resource.PropertyMap
	// Program is the error that the program returned, as it is.
	Program error
}

// Run does one run, under the stack's lock unless it is a preview. A stack that is absent is made by an update.
func (r *Runner) Run(ctx context.Context, req Request) (Outcome, error) {
	if err := ctx.Err(); err != nil {
		return Outcome{}, err
	}
	if req.DryRun {
		return r.locked(ctx, nil, req)
	}
	var out Outcome
	err := r.WithLock(ctx, req.Stack, func(ctx context.Context, l *state.Locked) error {
		var err error
		out, err = r.locked(ctx, l, req)
		return err
	})
	return out, err
}

// locked does a run under the stack's lock; for a preview there is none.
func (r *Runner) locked(ctx context.Context, l *state.Locked, req Request) (Outcome, error) {
	snap, fresh, err := r.load(ctx, l, req)
	if err != nil {
		return Outcome{}, err
	}
	manager := req.Manager
	if manager == nil {
		if manager, err = r.managerOf(snap); err != nil {
			return Outcome{}, err
		}
	}
	u := &update{runner: r, locked: l, req: req, snap: snap, manager: manager, written: !fresh}
	start := time.Now()
	changes, runErr := u.run(ctx)
	out := Outcome{Changes: changes, Program: u.programErr}
	if req.DryRun {
		return out, runErr
	}
	out.Outputs = rootOutputs(u.saved())
	result := backend.SucceededResult
	if runErr != nil {
		result = backend.FailedResult
	}
	recordErr := l.Record(context.WithoutCancel(ctx), backend.UpdateInfo{
		Kind: req.Kind, StartTime: start.Unix(), EndTime: time.Now().Unix(), Message: req.Message,
		Environment: map[string]string{}, Config: req.Config, Result: result, ResourceChanges: changes,
	}, u.written)
	if runErr != nil {
		return out, runErr
	}
	return out, recordErr
}

// load reads the stack, and makes it for an update. Fresh says that the state's file is as this run would write it.
func (r *Runner) load(ctx context.Context, l *state.Locked, req Request) (snap *deploy.Snapshot, fresh bool, err error) {
	snap, damaged, err := r.State.Load(ctx, req.Stack, r.Keys)
	if errors.Is(err, state.ErrNoStack) && req.Kind == apitype.UpdateUpdate {
		if req.DryRun {
			return nil, false, nil
		}
		return nil, false, l.Create(ctx, nil)
	}
	if err != nil || snap == nil {
		return nil, false, err
	}
	fresh = !damaged && len(snap.PendingOperations) == 0
	if !fresh && !req.DryRun {
		err = l.Sweep()
	}
	return snap, fresh, err
}

// managerOf returns the secrets manager that the stack has, or a new one for a new stack.
func (r *Runner) managerOf(snap *deploy.Snapshot) (secrets.Manager, error) {
	if snap != nil && snap.SecretsManager != nil {
		return snap.SecretsManager, nil
	}
	m, err := r.Keys.New()
	if err != nil {
		return nil, fmt.Errorf("open secrets: %w", err)
	}
	return m, nil
}

// update is one run of the engine.
type update struct {
	runner  *Runner
	locked  *state.Locked // nil: a preview
	journal *journal
	req     Request
	snap    *deploy.Snapshot
	manager secrets.Manager

	mu         sync.Mutex // guards what follows, and the order of events
	closed     bool
	closing    bool
	written    bool
	last       *deploy.Snapshot
	programErr error

	interrupted []resource.Operation
}

func (u *update) run(ctx context.Context) (display.ResourceChanges, error) {
	h, err := newHost(u.runner.Providers, u.log)
	if err != nil {
		return nil, err
	}
	defer func() { _ = h.Close() }()
	switch {
	case u.req.Program != nil:
		h.runtime = newRuntime(inline(u.req.Program, h.ServerAddr(), u.programFailed))
	case u.req.Client != "":
		h.runtime = newRuntime(remote(u.req.Client, h.ServerAddr()))
	}
	if err := u.finish(ctx, h); err != nil {
		return nil, err
	}
	canceller, stop := follow(ctx)
	defer stop()
	events, drained := u.drain()
	ectx := &engine.Context{
		Cancel: canceller, Events: events, PluginManager: noPlugins{},
		BackendClient: &references{stacks: u.runner.State, keys: u.runner.Keys, project: u.req.Stack.Project},
	}
	if !u.req.DryRun {
		// A run that is cancelled still writes what it did.
		u.journal = newJournal(func(raw []byte) error { return u.locked.Write(context.WithoutCancel(ctx), raw) })
		manager := backend.NewSnapshotManager(u, u.manager, u.snap)
		ectx.SnapshotManager = &snapshots{SnapshotManager: manager, update: u, ctx: ctx}
	}
	changes, err := u.execute(ectx, h)
	close(events)
	<-drained
	if ectx.SnapshotManager != nil {
		u.setClosing()
		if closeErr := errors.Join(ectx.SnapshotManager.Close(), u.journal.close()); closeErr != nil {
			err = errors.Join(err, fmt.Errorf("write state: %w", closeErr))
		}
	}
	if ctx.Err() != nil && err != nil {
		err = errors.Join(ctx.Err(), err)
	}
	return changes, err
}

func (u *update) execute(ectx *engine.Context, h *host) (display.ResourceChanges, error) {
	info := engine.UpdateInfo{
		Root: u.req.Root,
		Project: &workspace.Project{
			Name:    tokens.PackageName(u.req.Stack.Project),
			Runtime: workspace.NewProjectRuntimeInfo("go", nil),
		},
		Target: &deploy.Target{
			Name: tokens.MustParseStackName(u.req.Stack.Stack), Organization: "organization",
			Config: u.req.Config, Decrypter: u.manager.Decrypter(), Snapshot: u.snap,
		},
	}
	opts := u.req.Options
	opts.Host, opts.Refresh = h, u.req.Refresh
	if opts.Parallel == 0 {
		opts.Parallel = parallel
	}
	if u.req.Kind == apitype.ResourceImportUpdate {
		_, changes, err := engine.Import(info, ectx, opts, u.req.Imports, u.req.DryRun)
		return changes, err //nolint:wrapcheck // told by events; the engine's error is a marker
	}
	do := engine.Update
	switch {
	case u.req.Kind == apitype.DestroyUpdate && opts.DestroyProgram:
		do = engine.DestroyV2
	case u.req.Kind == apitype.DestroyUpdate:
		do = engine.Destroy
	case u.req.Kind == apitype.RefreshUpdate && opts.RefreshProgram:
		do = engine.RefreshV2
	case u.req.Kind == apitype.RefreshUpdate:
		do = engine.Refresh
	}
	_, changes, err := do(info, ectx, opts, u.req.DryRun)
	return changes, err
}

// Save makes update the persister of the snapshot manager. The manager puts off writes that change nothing and does
// them all at its end; when nothing else was written before and nothing is different, that one is not needed either.
func (u *update) Save(snap *deploy.Snapshot) error {
	u.mu.Lock()
	u.last = snap
	snap.PendingOperations = append(snap.PendingOperations, u.interrupted...)
	needless := u.closing && !u.written && u.req.Kind == apitype.UpdateUpdate && unchanged(u.snap, snap)
	u.written = u.written || !needless
	u.mu.Unlock()
	if needless {
		return nil
	}
	raw, err := u.locked.Encode(snap)
	if err != nil {
		return err
	}
	return u.journal.add(raw)
}

func (u *update) setClosing() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.closing = true
}

func (u *update) saved() *deploy.Snapshot {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.last == nil {
		return u.snap
	}
	return u.last
}

func (u *update) programFailed(err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.programErr = err
}

// follow makes a canceller of the engine that is cancelled with ctx and terminated when that takes longer than
// [grace]. Stop ends everything that waits for it.
func follow(ctx context.Context) (*cancel.Context, func()) {
	canceller, source := cancel.NewContext(context.Background())
	done := make(chan struct{})
	go func() {
		defer source.Terminate()
		select {
		case <-done:
			return
		case <-ctx.Done():
			source.Cancel()
		}
		select {
		case <-done:
		case <-time.After(grace):
		}
	}()
	return canceller, func() { close(done) }
}

func rootOutputs(snap *deploy.Snapshot) resource.PropertyMap {
	if snap == nil {
		return resource.PropertyMap{}
	}
	for _, res := range snap.Resources {
		if res.Type == resource.RootStackType && !res.Delete {
			return res.Outputs
		}
	}
	return resource.PropertyMap{}
}
