package linked

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/hashicorp/hcl/v2"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/pulumi/pulumi/sdk/v3/go/common/promise"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// runtimeName is the name of the runtime of inline programs in a project; the stock CLI calls it "client" too.
const runtimeName = "client"

// errInline is returned for what a language plugin can do with a program on disk.
var errInline = errors.New("not possible with an inline program")

// inline is a language runtime that runs a function of this process.
type inline struct {
	program pulumi.RunFunc
	engine  string // address of the engine's callbacks
	ctx     context.Context //nolint:containedctx // the program's life, ended by Cancel
	cancel  context.CancelFunc
	failed  func(error)
}

var _ plugin.LanguageRuntime = (*inline)(nil)

func newInline(program pulumi.RunFunc, engine string, failed func(error)) *inline {
	r := &inline{program: program, engine: engine, failed: failed}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	return r
}

// Run runs the program. Its error goes to the engine as text, as the protocol wants, and to failed as it is.
func (r *inline) Run(info plugin.RunInfo) (string, bool, error) {
	conf := make(map[string]string, len(info.Config))
	for k, v := range info.Config {
		conf[k.String()] = v
	}
	secret := make([]string, 0, len(info.ConfigSecretKeys))
	for _, k := range info.ConfigSecretKeys {
		secret = append(secret, k.String())
	}
	pctx, err := pulumi.NewContext(r.ctx, pulumi.RunInfo{
		Project: info.Project, Stack: info.Stack, Organization: info.Organization,
		Config: conf, ConfigSecretKeys: secret, Parallel: info.Parallel, DryRun: info.DryRun,
		MonitorAddr: info.MonitorAddress, EngineAddr: r.engine,
	})
	if err != nil {
		return "", false, fmt.Errorf("start program: %w", err)
	}
	defer func() { _ = pctx.Close() }()
	if err := r.call(pctx); err != nil {
		r.failed(err)
		return err.Error(), false, nil
	}
	return "", false, nil
}

// call turns a panic of the program into an error, as the Automation API does.
func (r *inline) call(pctx *pulumi.Context) (err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case error:
			err = fmt.Errorf("go inline source runtime error, an unhandled error occurred: %w", p)
		default:
			err = fmt.Errorf("go inline source runtime error, an unhandled panic occurred: %v", p)
		}
	}()
	return pulumi.RunWithContext(pctx, r.program)
}

func (r *inline) Cancel() error { r.cancel(); return nil }

func (r *inline) Close() error { r.cancel(); return nil }

func (r *inline) GetPluginInfo() (workspace.PluginInfo, error) {
	return workspace.PluginInfo{Name: runtimeName, Kind: apitype.LanguagePlugin}, nil
}

func (r *inline) GetRequiredPackages(plugin.ProgramInfo) ([]workspace.PackageDescriptor, error) {
	return nil, nil
}

func (r *inline) InstallDependencies(plugin.InstallDependenciesRequest) (io.Reader, io.Reader, <-chan error, error) {
	return nil, nil, nil, errInline
}

func (r *inline) RuntimeOptionsPrompts(plugin.ProgramInfo) ([]plugin.RuntimeOptionPrompt, error) {
	return nil, errInline
}

func (r *inline) About(plugin.ProgramInfo) (plugin.AboutInfo, error) { return plugin.AboutInfo{}, errInline }

func (r *inline) GetProgramDependencies(plugin.ProgramInfo, bool) ([]plugin.DependencyInfo, error) {
	return nil, errInline
}

func (r *inline) RunPlugin(
	context.Context, plugin.RunPluginInfo,
) (io.Reader, io.Reader, *promise.Promise[int32], error) {
	return nil, nil, nil, errInline
}

func (r *inline) GenerateProject(
	_, _, _ string, _ bool, _ string, _ map[string]string,
) (hcl.Diagnostics, error) {
	return nil, errInline
}

func (r *inline) GeneratePackage(
	_, _ string, _ map[string][]byte, _ string, _ map[string]string, _ bool,
) (hcl.Diagnostics, error) {
	return nil, errInline
}

func (r *inline) GenerateProgram(
	map[string]string, string, bool,
) (map[string][]byte, hcl.Diagnostics, error) {
	return nil, nil, errInline
}

func (r *inline) Pack(string, string) (string, error) { return "", errInline }

func (r *inline) Link(plugin.ProgramInfo, map[string]string) error { return errInline }
