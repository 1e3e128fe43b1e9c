package linked

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/hashicorp/hcl/v2"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/pulumi/pulumi/sdk/v3/go/common/promise"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil/rpcerror"
	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// errInline is returned for what a language plugin can do with a program on disk.
var errInline = errors.New("not possible with an inline program")

// runtime is the language runtime of one run: its program is a function of this process, or held by a server.
type runtime struct {
	program func(ctx context.Context, info plugin.RunInfo) (failure string, err error)

	ctx     context.Context //nolint:containedctx // the program's life, ended by Cancel and Close
	cancel  context.CancelFunc
	running sync.WaitGroup
}

var _ plugin.LanguageRuntime = (*runtime)(nil)

func newRuntime(program func(context.Context, plugin.RunInfo) (string, error)) *runtime {
	r := &runtime{program: program}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	return r
}

// Run runs the program. Its error goes to the engine as text, as the protocol wants.
func (r *runtime) Run(info plugin.RunInfo) (string, bool, error) {
	r.running.Add(1)
	defer r.running.Done()
	failure, err := r.program(r.ctx, info)
	return failure, false, err
}

// Cancel ends the program's conversation with the engine, and so the program.
func (r *runtime) Cancel() error { r.cancel(); return nil }

// Close cancels the program and waits for it: nothing of a run goes on after its end.
func (r *runtime) Close() error {
	r.cancel()
	r.running.Wait()
	return nil
}

// inline runs a function. Its error goes to failed too, as it is.
func inline(program pulumi.RunFunc, engine string, failed func(error)) func(context.Context, plugin.RunInfo) (string, error) {
	return func(ctx context.Context, info plugin.RunInfo) (string, error) {
		conf, secret := configOf(info)
		pctx, err := pulumi.NewContext(ctx, pulumi.RunInfo{
			Project: info.Project, Stack: info.Stack, Organization: info.Organization,
			Config: conf, ConfigSecretKeys: secret, Parallel: info.Parallel, DryRun: info.DryRun,
			MonitorAddr: info.MonitorAddress, EngineAddr: engine,
		})
		if err != nil {
			return "", fmt.Errorf("start program: %w", err)
		}
		defer func() { _ = pctx.Close() }()
		if err := call(pctx, program); err != nil {
			failed(err)
			return err.Error(), nil
		}
		return "", nil
	}
}

// call turns a panic of the program into an error, as the Automation API does.
func call(pctx *pulumi.Context, program pulumi.RunFunc) (err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case error:
			err = fmt.Errorf("go inline source runtime error, an unhandled error occurred: %w", p)
		default:
			err = fmt.Errorf("go inline source runtime error, an unhandled panic occurred: %v", p)
		}
	}()
	return pulumi.RunWithContext(pctx, program) //nolint:wrapcheck // the program's own error
}

// absent stands for the program of a run that has none.
func absent(context.Context, plugin.RunInfo) (string, error) {
	return "", errors.New("this run has no program")
}

// remote asks the server at an address to run its program, as the engine itself does for the runtime "client". The
// engine's own connection would outlive the run: it counts on the end of the process.
func remote(address, engine string) func(context.Context, plugin.RunInfo) (string, error) {
	return func(ctx context.Context, info plugin.RunInfo) (string, error) {
		conn, err := grpc.NewClient(address,
			grpc.WithTransportCredentials(insecure.NewCredentials()), rpcutil.GrpcChannelOptions())
		if err != nil {
			return "", fmt.Errorf("connect to program: %w", err)
		}
		defer func() { _ = conn.Close() }()
		conf, secret := configOf(info)
		resp, err := pulumirpc.NewLanguageRuntimeClient(conn).Run(ctx, &pulumirpc.RunRequest{
			Project: info.Project, Stack: info.Stack, Organization: info.Organization, Pwd: info.Pwd,
			Config: conf, ConfigSecretKeys: secret, Parallel: info.Parallel, DryRun: info.DryRun,
			MonitorAddress: info.MonitorAddress, Args: []string{engine},
		})
		if err != nil {
			return "", rpcerror.Convert(err)
		}
		return resp.GetError(), nil
	}
}

func configOf(info plugin.RunInfo) (conf map[string]string, secret []string) {
	conf = make(map[string]string, len(info.Config))
	for k, v := range info.Config {
		conf[k.String()] = v
	}
	for _, k := range info.ConfigSecretKeys {
		secret = append(secret, k.String())
	}
	return conf, secret
}

func (r *runtime) GetPluginInfo() (workspace.PluginInfo, error) {
	return workspace.PluginInfo{Name: "plattr", Kind: apitype.LanguagePlugin}, nil
}

func (r *runtime) GetRequiredPackages(plugin.ProgramInfo) ([]workspace.PackageDescriptor, error) {
	return nil, nil
}

func (r *runtime) InstallDependencies(plugin.InstallDependenciesRequest) (io.Reader, io.Reader, <-chan error, error) {
	return nil, nil, nil, errInline
}

func (r *runtime) RuntimeOptionsPrompts(plugin.ProgramInfo) ([]plugin.RuntimeOptionPrompt, error) {
	return nil, errInline
}

func (r *runtime) About(plugin.ProgramInfo) (plugin.AboutInfo, error) {
	return plugin.AboutInfo{}, errInline
}

func (r *runtime) GetProgramDependencies(plugin.ProgramInfo, bool) ([]plugin.DependencyInfo, error) {
	return nil, errInline
}

func (r *runtime) RunPlugin(
	context.Context, plugin.RunPluginInfo,
) (io.Reader, io.Reader, *promise.Promise[int32], error) {
	return nil, nil, nil, errInline
}

func (r *runtime) GenerateProject(
	_, _, _ string, _ bool, _ string, _ map[string]string,
) (hcl.Diagnostics, error) {
	return nil, errInline
}

func (r *runtime) GeneratePackage(
	_, _ string, _ map[string][]byte, _ string, _ map[string]string, _ bool,
) (hcl.Diagnostics, error) {
	return nil, errInline
}

func (r *runtime) GenerateProgram(
	map[string]string, string, bool,
) (map[string][]byte, hcl.Diagnostics, error) {
	return nil, nil, errInline
}

func (r *runtime) Pack(string, string) (string, error) { return "", errInline }

func (r *runtime) Link(plugin.ProgramInfo, map[string]string) error { return errInline }
