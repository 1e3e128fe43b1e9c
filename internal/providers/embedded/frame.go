package embedded

import (
	"context"
	"fmt"

	"github.com/blang/semver"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"
)

// Frame is what every provider of this process answers alike, and its life, which ends when a run is cancelled. A
// provider whose resources are no Go structs embeds it and does the rest itself; the others use [New].
type Frame struct {
	plugin.UnimplementedProvider

	pkg, version string

	ctx    context.Context //nolint:containedctx // the provider's own life, ended by SignalCancellation and Close
	cancel context.CancelFunc
}

// NewFrame is the frame of one instance of a package's provider, in the version of the official plugin.
func NewFrame(pkg, version string) *Frame {
	f := &Frame{pkg: pkg, version: version}
	f.ctx, f.cancel = context.WithCancel(context.Background())
	return f
}

// Pkg is the Pulumi package.
func (f *Frame) Pkg() tokens.Package { return tokens.Package(f.pkg) }

// Cancel ends what the provider is doing, and everything that it is asked later.
func (f *Frame) Cancel() { f.cancel() }

// SignalCancellation is how the engine says that the run was cancelled.
func (f *Frame) SignalCancellation(context.Context) error {
	f.Cancel()
	return nil
}

// Handshake tells the engine that secrets are understood.
func (f *Frame) Handshake(context.Context, plugin.ProviderHandshakeRequest) (*plugin.ProviderHandshakeResponse, error) {
	return &plugin.ProviderHandshakeResponse{AcceptSecrets: true}, nil
}

// GetPluginInfo says which official plugin this is in place of.
func (f *Frame) GetPluginInfo(context.Context) (workspace.PluginInfo, error) {
	v, err := semver.Parse(f.version)
	if err != nil {
		return workspace.PluginInfo{}, fmt.Errorf("version of provider %s: %w", f.pkg, err)
	}
	return workspace.PluginInfo{Name: f.pkg, Kind: apitype.ResourcePlugin, Version: &v}, nil
}

// GetSchema is a schema with nothing but the name: programs are written against the official SDKs.
func (f *Frame) GetSchema(context.Context, plugin.GetSchemaRequest) (plugin.GetSchemaResponse, error) {
	return plugin.GetSchemaResponse{Schema: fmt.Appendf(nil, `{"name":%q,"version":%q}`, f.pkg, f.version)}, nil
}

// GetMapping is none.
func (f *Frame) GetMapping(context.Context, plugin.GetMappingRequest) (plugin.GetMappingResponse, error) {
	return plugin.GetMappingResponse{}, nil
}

// GetMappings are none.
func (f *Frame) GetMappings(context.Context, plugin.GetMappingsRequest) (plugin.GetMappingsResponse, error) {
	return plugin.GetMappingsResponse{}, nil
}

// Begin gives an operation a context that also ends when the run is cancelled; the function ends the operation.
func (f *Frame) Begin(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(f.ctx, cancel)
	return ctx, func() { stop(); cancel() }
}

// Explain says that an operation was cancelled instead of quoting what the client made of it.
func (f *Frame) Explain(ctx context.Context, err error) error {
	if f.ctx.Err() != nil || ctx.Err() != nil {
		return context.Canceled
	}
	return err
}

// Unsupported is the failure of an input that would otherwise be ignored.
func (f *Frame) Unsupported(key string) plugin.CheckFailure {
	return plugin.CheckFailure{
		Property: resource.PropertyKey(key),
		Reason:   fmt.Sprintf("input %q is not supported by the embedded %s provider", key, f.pkg),
	}
}

// NewOp says for which stack a resource is worked on.
func NewOp(urn resource.URN) Op {
	return Op{URN: urn, Owner: string(urn.Project()) + "/" + string(urn.Stack().Name())}
}

// DecodeConfig reads a provider's settings, as an SDK sends them, into a struct with json tags, or says what is wrong.
// While settings are unknown nothing is decoded.
func DecodeConfig[Config any](f *Frame, props resource.PropertyMap) (Config, []plugin.CheckFailure) {
	var config Config
	var failures []plugin.CheckFailure
	for _, key := range unknownKeys[Config](props) {
		failures = append(failures, f.Unsupported(key))
	}
	if len(failures) > 0 || props.ContainsUnknowns() {
		return config, failures
	}
	config, err := decode[Config](jsonStrings[Config](props))
	if err != nil {
		failures = append(failures, plugin.CheckFailure{Reason: err.Error()})
	}
	return config, failures
}
