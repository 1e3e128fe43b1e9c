package linked

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/pulumi/pulumi/sdk/v3/go/common/diag"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
)

// errNoPlugins is returned for what only an installed plugin could do.
var errNoPlugins = errors.New("plugins are not supported by the linked engine")

// host serves providers and the program from this process. It is the plugin.Host of one run.
type host struct {
	factories map[string]func() plugin.Provider
	runtime   *runtime
	log       func(sev diag.Severity, urn resource.URN, msg string, stream int32, status bool)
	server    *callbacks

	mu       sync.Mutex
	running  map[plugin.Provider]struct{}
	signaled bool
}

var _ plugin.Host = (*host)(nil)

func newHost(
	factories map[string]func() plugin.Provider,
	log func(sev diag.Severity, urn resource.URN, msg string, stream int32, status bool),
) (*host, error) {
	h := &host{factories: factories, log: log, running: map[plugin.Provider]struct{}{}, runtime: newRuntime(absent)}
	server, err := serveCallbacks(h)
	if err != nil {
		return nil, fmt.Errorf("start engine callbacks: %w", err)
	}
	h.server = server
	return h, nil
}

func (h *host) ServerAddr() string { return h.server.addr }

func (h *host) Log(sev diag.Severity, urn resource.URN, msg string, stream int32) {
	h.log(sev, urn, msg, stream, false)
}

func (h *host) LogStatus(sev diag.Severity, urn resource.URN, msg string, stream int32) {
	h.log(sev, urn, msg, stream, true)
}

// Provider makes an instance of a package's provider: one per provider resource, configured on its own.
func (h *host) Provider(descriptor workspace.PackageDescriptor) (plugin.Provider, error) {
	factory, ok := h.factories[descriptor.Name]
	if !ok {
		return nil, fmt.Errorf("no provider for package %q in this program", descriptor.Name)
	}
	return h.start(factory), nil
}

// talker is a provider that says what it waits for.
type talker interface {
	LogTo(log func(severity diag.Severity, urn resource.URN, message string))
}

func (h *host) start(factory func() plugin.Provider) plugin.Provider {
	p := factory()
	if t, ok := p.(talker); ok {
		t.LogTo(func(sev diag.Severity, urn resource.URN, message string) {
			h.log(sev, urn, message, 0, sev == diag.Info)
		})
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.running[p] = struct{}{}
	return p
}

func (h *host) CloseProvider(p plugin.Provider) error {
	h.mu.Lock()
	delete(h.running, p)
	h.mu.Unlock()
	return p.Close()
}

func (h *host) LanguageRuntime(string, plugin.ProgramInfo) (plugin.LanguageRuntime, error) {
	return h.runtime, nil
}

// SignalCancellation tells every provider and the program to stop what they are doing.
func (h *host) SignalCancellation() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.signaled {
		return nil
	}
	h.signaled = true
	var errs []error
	for p := range h.running {
		errs = append(errs, p.SignalCancellation(context.Background()))
	}
	return errors.Join(append(errs, h.runtime.Cancel())...)
}

// Close ends every provider. The engine calls it more than once.
func (h *host) Close() error {
	h.mu.Lock()
	running := h.running
	h.running = map[plugin.Provider]struct{}{}
	h.mu.Unlock()
	errs := []error{h.runtime.Close()}
	for p := range running {
		errs = append(errs, p.Close())
	}
	return errors.Join(append(errs, h.server.close())...)
}

func (h *host) EnsurePlugins([]workspace.PluginSpec, plugin.Flags) error { return nil }

func (h *host) ResolvePlugin(spec workspace.PluginSpec) (*workspace.PluginInfo, error) {
	if _, ok := h.factories[spec.Name]; !ok {
		return nil, fmt.Errorf("plugin %s: %w", spec.Name, errNoPlugins)
	}
	return &workspace.PluginInfo{Name: spec.Name, Kind: spec.Kind, Version: spec.Version}, nil
}

func (h *host) GetProjectPlugins() []workspace.ProjectPlugin { return nil }

func (h *host) Analyzer(name tokens.QName) (plugin.Analyzer, error) {
	return nil, fmt.Errorf("analyzer %s: %w", name, errNoPlugins)
}

func (h *host) PolicyAnalyzer(name tokens.QName, _ string, _ *plugin.PolicyAnalyzerOptions) (plugin.Analyzer, error) {
	return nil, fmt.Errorf("policy analyzer %s: %w", name, errNoPlugins)
}

func (h *host) ListAnalyzers() []plugin.Analyzer { return nil }

func (h *host) StartDebugging(plugin.DebuggingInfo) error { return errNoPlugins }

func (h *host) AttachDebugger(plugin.DebugSpec) bool { return false }

// callbacks is the service on which the program's SDK calls the engine back: logs and the root resource.
type callbacks struct {
	pulumirpc.UnimplementedEngineServer

	host *host
	root atomic.Value
	addr string
	stop func() error
}

func serveCallbacks(h *host) (*callbacks, error) {
	c := &callbacks{host: h}
	c.root.Store("")
	cancel := make(chan bool)
	handle, err := rpcutil.ServeWithOptions(rpcutil.ServeOptions{
		Cancel: cancel,
		Init: func(s *grpc.Server) error {
			pulumirpc.RegisterEngineServer(s, c)
			return nil
		},
	})
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	c.addr = fmt.Sprintf("127.0.0.1:%d", handle.Port)
	c.stop = sync.OnceValue(func() error { close(cancel); return <-handle.Done })
	return c, nil
}

func (c *callbacks) close() error { return c.stop() }

func (c *callbacks) Log(_ context.Context, req *pulumirpc.LogRequest) (*emptypb.Empty, error) {
	severities := map[pulumirpc.LogSeverity]diag.Severity{
		pulumirpc.LogSeverity_DEBUG: diag.Debug, pulumirpc.LogSeverity_INFO: diag.Info,
		pulumirpc.LogSeverity_WARNING: diag.Warning, pulumirpc.LogSeverity_ERROR: diag.Error,
	}
	c.host.log(severities[req.GetSeverity()], resource.URN(req.GetUrn()), req.GetMessage(), req.GetStreamId(), req.GetEphemeral())
	return &emptypb.Empty{}, nil
}

func (c *callbacks) GetRootResource(
	context.Context, *pulumirpc.GetRootResourceRequest,
) (*pulumirpc.GetRootResourceResponse, error) {
	urn, _ := c.root.Load().(string)
	return &pulumirpc.GetRootResourceResponse{Urn: urn}, nil
}

func (c *callbacks) SetRootResource(
	_ context.Context, req *pulumirpc.SetRootResourceRequest,
) (*pulumirpc.SetRootResourceResponse, error) {
	c.root.Store(req.GetUrn())
	return &pulumirpc.SetRootResourceResponse{}, nil
}
