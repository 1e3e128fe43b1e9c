// Package kubernetes serves the kinds of Kubernetes, and custom resources, from this process: the tokens, inputs and
// outputs of pulumi-kubernetes, by server-side apply with one field manager for each stack.
//
// The difference between a program and a cluster is what a dry run of the apply would change, so that defaults, other
// ways to write a value and webhooks never show as changes. A thing of another stack, or of nobody, is refused. What a
// run has to wait for, and why it waits in vain, is in ready.go and pods.go.
package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/pulumi/pulumi/sdk/v3/go/common/diag"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"

	"plattr.dev/plattr/internal/kubeapi"
	"plattr.dev/plattr/internal/providers/embedded"
)

const (
	pkg = "kubernetes"
	// version is the official plugin's whose types are served.
	version = "4.23.0"
)

// Clusters are the clusters that the providers of one engine have met: providers that mean the same cluster as the same
// user share the client, its connection, and what is known of the kinds.
type Clusters struct {
	mu  sync.Mutex
	all map[string]*kubeapi.Cluster
}

// NewClusters knows no cluster yet.
func NewClusters() *Clusters { return &Clusters{all: map[string]*kubeapi.Cluster{}} }

func (c *Clusters) get(a kubeapi.Access) (*kubeapi.Cluster, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if known, ok := c.all[a.ID]; ok {
		return known, nil
	}
	made, err := kubeapi.New(a)
	if err == nil {
		c.all[a.ID] = made
	}
	return made, err
}

// New returns a provider. It is configured on its own.
func (c *Clusters) New() plugin.Provider {
	return &provider{Frame: embedded.NewFrame(pkg, version), clusters: c, log: func(diag.Severity, resource.URN, string) {}}
}

// provider serves one provider resource of a program.
type provider struct {
	*embedded.Frame

	clusters *Clusters
	log      func(diag.Severity, resource.URN, string)
	dryRuns  sync.Map // key of what was asked -> *unstructured.Unstructured

	mu        sync.Mutex
	settings  settings
	cluster   *kubeapi.Cluster
	namespace string
	// gone says that the settings lead to no cluster, and that this means that its objects are gone.
	gone bool
}

// LogTo makes the provider say what it waits for, and what it could not do as it should.
func (p *provider) LogTo(log func(diag.Severity, resource.URN, string)) { p.log = log }

func (p *provider) Close() error {
	p.Cancel()
	return nil
}

func (p *provider) CheckConfig(_ context.Context, req plugin.CheckConfigRequest) (plugin.CheckConfigResponse, error) {
	_, failures := embedded.DecodeConfig[settings](p.Frame, req.News)
	return plugin.CheckConfigResponse{Properties: req.News, Failures: failures}, nil
}

// DiffConfig replaces the provider, and with it all its objects, only if it means another cluster: with
// clusterIdentifier the program says so itself, else another server in the kubeconfig does.
// Source: pulumi-kubernetes, provider/pkg/provider/provider.go, DiffConfig.
func (p *provider) DiffConfig(_ context.Context, req plugin.DiffConfigRequest) (plugin.DiffConfigResponse, error) {
	res := plugin.DiffResult{Changes: plugin.DiffNone}
	changed := map[resource.PropertyKey]bool{}
	for _, k := range append(req.OldInputs.StableKeys(), req.NewInputs.StableKeys()...) {
		old, now := req.OldInputs[k], req.NewInputs[k]
		if !changed[k] && !old.DeepEquals(now) && k != "version" {
			changed[k] = true
			res.ChangedKeys = append(res.ChangedKeys, k)
			res.Changes = plugin.DiffSome
		}
	}
	oldID, newID := req.OldInputs["clusterIdentifier"], req.NewInputs["clusterIdentifier"]
	switch {
	case oldID.HasValue() && newID.HasValue() && changed["clusterIdentifier"]:
		res.ReplaceKeys = []resource.PropertyKey{"clusterIdentifier"}
	case newID.HasValue() && !changed["clusterIdentifier"]:
	default:
		for _, k := range []resource.PropertyKey{"kubeconfig", "context", "cluster"} {
			if changed[k] && (req.NewInputs.ContainsUnknowns() || p.server(req.OldInputs) != p.server(req.NewInputs)) {
				res.ReplaceKeys = append(res.ReplaceKeys, k)
			}
		}
	}
	return res, nil
}

// server is the address that settings lead to; empty if to none.
func (p *provider) server(props resource.PropertyMap) string {
	s, failures := embedded.DecodeConfig[settings](p.Frame, props)
	if len(failures) > 0 {
		return ""
	}
	a, err := s.reach()
	if err != nil {
		return ""
	}
	return a.Config.Host
}

func (p *provider) Configure(_ context.Context, req plugin.ConfigureRequest) (plugin.ConfigureResponse, error) {
	if req.Inputs.ContainsUnknowns() {
		return plugin.ConfigureResponse{}, nil // a preview: the cluster is not there yet
	}
	s, failures := embedded.DecodeConfig[settings](p.Frame, req.Inputs)
	if len(failures) > 0 {
		return plugin.ConfigureResponse{}, fmt.Errorf("configure provider kubernetes: %s", failures[0].Reason)
	}
	a, err := s.reach()
	if err != nil && s.DeleteUnreachable {
		p.gone = true
		return plugin.ConfigureResponse{}, nil
	}
	if err != nil {
		return plugin.ConfigureResponse{}, fmt.Errorf("configure provider kubernetes: %w", err)
	}
	c, err := p.clusters.get(a)
	if err != nil {
		return plugin.ConfigureResponse{}, fmt.Errorf("configure provider kubernetes: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.settings, p.cluster, p.namespace = s, c, a.Namespace
	return plugin.ConfigureResponse{}, nil
}

// job is one operation on one object.
type job struct {
	*kubeapi.Cluster

	provider *provider
	op       embedded.Op
	timeout  float64
	secrets  []string
}

// begin gives an operation its cluster and a context that also ends when the run is cancelled.
func (p *provider) begin(ctx context.Context, urn resource.URN, secrets []string) (context.Context, *job, func(), error) {
	p.mu.Lock()
	c := p.cluster
	p.mu.Unlock()
	if c == nil {
		return ctx, nil, nil, fmt.Errorf("provider kubernetes is not configured")
	}
	ctx, done := p.Begin(ctx)
	return ctx, &job{Cluster: c, provider: p, op: embedded.NewOp(urn), secrets: secrets}, done, nil
}

// failed is an error as the engine gets it: cancelled or concealed.
func (p *provider) failed(ctx context.Context, secrets []string, err error) error {
	if err == nil {
		return nil
	}
	return concealed(p.Explain(ctx, err), secrets)
}

func (p *provider) Diff(ctx context.Context, req plugin.DiffRequest) (plugin.DiffResponse, error) {
	if p.absent() {
		return plugin.DiffResult{}, plugin.DiffUnavailable("the cluster is not known before the run, so the object is taken to change")
	}
	secrets := secretsIn(req.OldInputs, req.OldOutputs, req.NewInputs)
	ctx, j, done, err := p.begin(ctx, req.URN, secrets)
	if err != nil {
		return plugin.DiffResult{}, err
	}
	defer done()
	res, err := j.diff(ctx, req)
	return res, p.failed(ctx, secrets, err)
}

func (p *provider) Create(ctx context.Context, req plugin.CreateRequest) (plugin.CreateResponse, error) {
	res := plugin.CreateResponse{Status: resource.StatusUnknown}
	if req.Preview && p.absent() {
		return plugin.CreateResponse{Properties: preview(req.Properties), Status: resource.StatusOK}, nil
	}
	secrets := secretsIn(req.Properties)
	ctx, j, done, err := p.begin(ctx, req.URN, secrets)
	if err != nil {
		return res, err
	}
	defer done()
	j.timeout = req.Timeout
	if req.Preview {
		props, err := j.previewCreate(ctx, req.Properties)
		return plugin.CreateResponse{Properties: props, Status: resource.StatusOK}, p.failed(ctx, secrets, err)
	}
	live, err := j.create(ctx, req.Properties, j.manager(nil, req.Properties))
	if live == nil {
		return res, p.failed(ctx, secrets, err)
	}
	res.ID, res.Status = objectID(live), resource.StatusOK
	res.Properties = checkpoint(req.Properties, live, live.GetAPIVersion(), j.manager(nil, req.Properties))
	res.Status, err = p.initialised(ctx, secrets, err)
	return res, err
}

// initialised is how the engine learns that an object was made and does not work.
func (p *provider) initialised(ctx context.Context, secrets []string, err error) (resource.Status, error) {
	if err == nil {
		return resource.StatusOK, nil
	}
	if err := p.Explain(ctx, nil); err != nil {
		return resource.StatusUnknown, err
	}
	return resource.StatusPartialFailure, concealed(&plugin.InitError{Reasons: []string{err.Error()}}, secrets)
}

// absent says that there is no cluster to ask yet.
func (p *provider) absent() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cluster == nil
}

func (p *provider) Read(ctx context.Context, req plugin.ReadRequest) (plugin.ReadResponse, error) {
	if p.gone {
		return plugin.ReadResponse{Status: resource.StatusOK}, nil
	}
	if p.absent() { // in a preview: nobody can be asked
		return plugin.ReadResponse{
			ReadResult: plugin.ReadResult{ID: req.ID, Inputs: req.Inputs, Outputs: req.State}, Status: resource.StatusOK,
		}, nil
	}
	secrets := secretsIn(req.Inputs, req.State)
	ctx, j, done, err := p.begin(ctx, req.URN, secrets)
	if err != nil {
		return plugin.ReadResponse{Status: resource.StatusUnknown}, err
	}
	defer done()
	res, unready, err := j.read(ctx, req)
	if err != nil && p.settings.DeleteUnreachable && j.Unreachable(err) != "" {
		return plugin.ReadResponse{Status: resource.StatusOK}, nil
	}
	if err != nil {
		return plugin.ReadResponse{Status: resource.StatusUnknown}, p.failed(ctx, secrets, err)
	}
	status, err := p.initialised(ctx, secrets, unready)
	return plugin.ReadResponse{ReadResult: res, Status: status}, err
}

func (p *provider) Update(ctx context.Context, req plugin.UpdateRequest) (plugin.UpdateResponse, error) {
	res := plugin.UpdateResponse{Status: resource.StatusUnknown}
	if req.Preview && p.absent() {
		return plugin.UpdateResponse{Properties: preview(req.NewInputs), Status: resource.StatusOK}, nil
	}
	secrets := secretsIn(req.NewInputs, req.OldOutputs)
	ctx, j, done, err := p.begin(ctx, req.URN, secrets)
	if err != nil {
		return res, err
	}
	defer done()
	j.timeout = req.Timeout
	if req.Preview {
		props, err := j.previewUpdate(ctx, req)
		return plugin.UpdateResponse{Properties: props, Status: resource.StatusOK}, p.failed(ctx, secrets, err)
	}
	live, err := j.update(ctx, req)
	if live == nil {
		return res, p.failed(ctx, secrets, err)
	}
	first := live.GetAPIVersion()
	if v, ok := req.OldOutputs[initialVersionKey]; ok && v.IsString() {
		first = v.StringValue()
	}
	res.Properties = checkpoint(req.NewInputs, live, first, j.manager(req.OldOutputs, req.NewInputs))
	res.Status, err = p.initialised(ctx, secrets, err)
	return res, err
}

func (p *provider) Delete(ctx context.Context, req plugin.DeleteRequest) (plugin.DeleteResponse, error) {
	if p.gone {
		return plugin.DeleteResponse{Status: resource.StatusOK}, nil
	}
	secrets := secretsIn(req.Inputs, req.Outputs)
	ctx, j, done, err := p.begin(ctx, req.URN, secrets)
	if err != nil {
		return plugin.DeleteResponse{Status: resource.StatusUnknown}, err
	}
	defer done()
	j.timeout = req.Timeout
	err = j.delete(ctx, req)
	if err != nil && p.settings.DeleteUnreachable && j.Unreachable(err) != "" {
		err = nil
	}
	if err != nil {
		return plugin.DeleteResponse{Status: resource.StatusUnknown}, p.failed(ctx, secrets, err)
	}
	return plugin.DeleteResponse{Status: resource.StatusOK}, nil
}

// manager is the field manager of an object: the one that the program names, else the one that the state has, which may
// be the official plugin's, else the stack's.
// Source: pulumi-kubernetes, provider/pkg/provider/provider.go, fieldManagerName.
func (j *job) manager(state, inputs resource.PropertyMap) string {
	if name := kubeapi.Annotation(toObject(inputs), fieldManagerAnnotation); name != "" {
		return name
	}
	if v, ok := state[fieldManagerKey]; ok && v.IsString() {
		return v.StringValue()
	}
	return managerOf(j.op.Owner)
}

// explain turns what the client says about an object into one line; that it is somebody else's is one already.
func (j *job) explain(t kubeapi.Target, err error) error {
	if errors.As(err, new(*ForeignError)) {
		return err
	}
	return j.Cluster.Explain(t, err) //nolint:staticcheck // else it calls itself
}

// say tells the person who waits what is going on.
func (j *job) say(severity diag.Severity, format string, args ...any) {
	j.provider.log(severity, j.op.URN, conceal(fmt.Sprintf(format, args...), j.secrets))
}
