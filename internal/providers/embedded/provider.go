// Package embedded turns typed resource handlers into a Pulumi provider that runs in this process.
//
// A provider is a [Spec]: how to configure a client, and a list of resource types. A resource type is a [Type]: its
// inputs and its state as Go structs with json tags, and functions over them. What every provider owes the engine
// (decoding, defaults, unknown inputs, secrets, previews, diffs, the hidden properties of bridged plugins,
// cancellation) is done here once, so that a handler only talks to its server.
package embedded

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
)

// ErrGone is what a Read returns for a resource that does not exist (any more).
var ErrGone = errors.New("resource is gone")

// Spec describes a provider: its package, how a configuration becomes a client, and the resource types it serves.
type Spec[Config, Client any] struct {
	// Package is the Pulumi package name, the first part of every type token.
	Package string
	// Version is the version of the official plugin whose types are served, without a leading v.
	Version string
	// Bridged adds the hidden input __defaults and the output id, as plugins made by the Terraform bridge do.
	Bridged bool
	// Configure makes the client; it should not dial, so that a preview against an absent server can be made.
	Configure func(ctx context.Context, config Config) (Client, error)
	// Close ends the client; may be nil.
	Close func(client Client)
	// Resources are the served types.
	Resources []Resource[Client]
}

// Op says what a handler works for.
type Op struct {
	// URN is the resource's name in the state.
	URN resource.URN
	// Owner is the mark that a created thing carries: project/stack. A thing with another mark, or none, is not ours.
	Owner string
	// Import is true when a Read is asked by ID alone, with no earlier state.
	Import bool
}

// New returns the provider. Each call makes one instance, which is configured on its own.
func New[Config, Client any](spec Spec[Config, Client]) plugin.Provider {
	p := &provider[Config, Client]{
		Frame: NewFrame(spec.Package, spec.Version), spec: spec, resources: map[tokens.Type]Served[Client]{},
	}
	for _, r := range spec.Resources {
		served := r.Serve()
		p.resources[tokens.Type(served.token)] = served
	}
	return p
}

type provider[Config, Client any] struct {
	*Frame

	spec      Spec[Config, Client]
	resources map[tokens.Type]Served[Client]

	mu         sync.Mutex
	client     Client
	configured bool
}

func (p *provider[Config, Client]) Close() error {
	p.Cancel()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.configured && p.spec.Close != nil {
		p.spec.Close(p.client)
	}
	p.configured = false
	return nil
}

func (p *provider[Config, Client]) CheckConfig(
	_ context.Context, req plugin.CheckConfigRequest,
) (plugin.CheckConfigResponse, error) {
	res := plugin.CheckConfigResponse{Properties: req.News}
	_, res.Failures = DecodeConfig[Config](p.Frame, req.News)
	return res, nil
}

func (p *provider[Config, Client]) DiffConfig(
	_ context.Context, req plugin.DiffConfigRequest,
) (plugin.DiffConfigResponse, error) {
	return diffInputs(req.OldInputs, req.NewInputs, nil), nil
}

func (p *provider[Config, Client]) Configure(
	ctx context.Context, req plugin.ConfigureRequest,
) (plugin.ConfigureResponse, error) {
	if req.Inputs.ContainsUnknowns() {
		return plugin.ConfigureResponse{}, nil // a preview: the client is made when the values are known
	}
	config, err := decode[Config](jsonStrings[Config](req.Inputs))
	if err != nil {
		return plugin.ConfigureResponse{}, fmt.Errorf("configure provider %s: %w", p.spec.Package, err)
	}
	client, err := p.spec.Configure(ctx, config)
	if err != nil {
		return plugin.ConfigureResponse{}, fmt.Errorf("configure provider %s: %w", p.spec.Package, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.client, p.configured = client, true
	return plugin.ConfigureResponse{}, nil
}

func (p *provider[Config, Client]) Check(
	_ context.Context, req plugin.CheckRequest,
) (plugin.CheckResponse, error) {
	r, err := p.resource(req.URN.Type())
	if err != nil {
		return plugin.CheckResponse{}, err
	}
	var failures []plugin.CheckFailure
	for _, key := range r.unknownInputs(req.News) {
		failures = append(failures, p.Unsupported(key))
	}
	if len(failures) > 0 {
		return plugin.CheckResponse{Properties: req.News, Failures: failures}, nil
	}
	inputs, failures := r.check(req.News, p.spec.Bridged)
	return plugin.CheckResponse{Properties: inputs, Failures: failures}, nil
}

func (p *provider[Config, Client]) Diff(
	_ context.Context, req plugin.DiffRequest,
) (plugin.DiffResponse, error) {
	r, err := p.resource(req.URN.Type())
	if err != nil {
		return plugin.DiffResponse{}, err
	}
	return r.diff(req.OldInputs, req.NewInputs), nil
}

func (p *provider[Config, Client]) Create(
	ctx context.Context, req plugin.CreateRequest,
) (plugin.CreateResponse, error) {
	failed := plugin.CreateResponse{Status: resource.StatusUnknown}
	r, err := p.resource(req.URN.Type())
	if err != nil {
		return failed, err
	}
	if req.Preview {
		return plugin.CreateResponse{Properties: r.preview(req.Properties), Status: resource.StatusOK}, nil
	}
	ctx, client, done, err := p.begin(ctx)
	if err != nil {
		return failed, err
	}
	defer done()
	id, state, err := r.create(ctx, client, NewOp(req.URN), req.Properties)
	if err != nil {
		return failed, p.Explain(ctx, err)
	}
	p.withID(state, resource.ID(id))
	return plugin.CreateResponse{ID: resource.ID(id), Properties: state, Status: resource.StatusOK}, nil
}

func (p *provider[Config, Client]) Read(ctx context.Context, req plugin.ReadRequest) (plugin.ReadResponse, error) {
	failed := plugin.ReadResponse{Status: resource.StatusUnknown}
	r, err := p.resource(req.URN.Type())
	if err != nil {
		return failed, err
	}
	ctx, client, done, err := p.begin(ctx)
	if err != nil {
		return failed, err
	}
	defer done()
	res, err := r.read(ctx, client, NewOp(req.URN), req)
	if errors.Is(err, ErrGone) {
		return plugin.ReadResponse{Status: resource.StatusOK}, nil
	}
	if err != nil {
		return failed, p.Explain(ctx, err)
	}
	p.withID(res.Outputs, res.ID)
	return plugin.ReadResponse{ReadResult: res, Status: resource.StatusOK}, nil
}

func (p *provider[Config, Client]) Update(
	ctx context.Context, req plugin.UpdateRequest,
) (plugin.UpdateResponse, error) {
	failed := plugin.UpdateResponse{Status: resource.StatusUnknown}
	r, err := p.resource(req.URN.Type())
	if err != nil {
		return failed, err
	}
	if req.Preview {
		return plugin.UpdateResponse{Properties: r.preview(req.NewInputs), Status: resource.StatusOK}, nil
	}
	ctx, client, done, err := p.begin(ctx)
	if err != nil {
		return failed, err
	}
	defer done()
	state, err := r.update(ctx, client, NewOp(req.URN), req)
	if err != nil {
		return failed, p.Explain(ctx, err)
	}
	p.withID(state, req.ID)
	return plugin.UpdateResponse{Properties: state, Status: resource.StatusOK}, nil
}

func (p *provider[Config, Client]) Delete(
	ctx context.Context, req plugin.DeleteRequest,
) (plugin.DeleteResponse, error) {
	failed := plugin.DeleteResponse{Status: resource.StatusUnknown}
	r, err := p.resource(req.URN.Type())
	if err != nil {
		return failed, err
	}
	ctx, client, done, err := p.begin(ctx)
	if err != nil {
		return failed, err
	}
	defer done()
	if err := r.remove(ctx, client, NewOp(req.URN), req); err != nil && !errors.Is(err, ErrGone) {
		return failed, p.Explain(ctx, err)
	}
	return plugin.DeleteResponse{Status: resource.StatusOK}, nil
}

// withID repeats the ID among the outputs, as plugins made by the Terraform bridge do.
func (p *provider[Config, Client]) withID(outputs resource.PropertyMap, id resource.ID) {
	if p.spec.Bridged {
		outputs["id"] = resource.NewStringProperty(string(id))
	}
}

// begin gives an operation its client and a context that also ends when the run is cancelled.
func (p *provider[Config, Client]) begin(ctx context.Context) (context.Context, Client, func(), error) {
	p.mu.Lock()
	client, configured := p.client, p.configured
	p.mu.Unlock()
	if !configured {
		return ctx, client, nil, fmt.Errorf("provider %s is not configured", p.spec.Package)
	}
	ctx, done := p.Begin(ctx)
	return ctx, client, done, nil
}

func (p *provider[Config, Client]) resource(token tokens.Type) (Served[Client], error) {
	r, ok := p.resources[token]
	if !ok {
		return Served[Client]{}, fmt.Errorf("the embedded %s provider does not serve %s", p.spec.Package, token)
	}
	return r, nil
}
