package linked

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/blang/semver"
	pkgworkspace "github.com/pulumi/pulumi/pkg/v3/workspace"
	"github.com/pulumi/pulumi/sdk/v3/go/common/diag"
	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"
)

// noPlugins is the engine's plugin manager: everything is here already, and nothing is ever downloaded.
type noPlugins struct{}

func (noPlugins) GetPluginPath(
	context.Context, diag.Sink, workspace.PluginSpec, []workspace.ProjectPlugin,
) (string, error) {
	return "", nil
}

func (noPlugins) HasPlugin(workspace.PluginSpec) bool { return true }

func (noPlugins) HasPluginGTE(workspace.PluginSpec) (bool, error) { return true, nil }

func (noPlugins) GetLatestPluginVersion(_ context.Context, spec workspace.PluginSpec) (*semver.Version, error) {
	return nil, fmt.Errorf("plugin %s: %w", spec.Name, errNoPlugins)
}

func (noPlugins) DownloadPlugin(
	_ context.Context, spec workspace.PluginSpec,
	_ func(io.ReadCloser, int64) io.ReadCloser, _ func(error, int, int, time.Duration),
) (io.ReadCloser, int64, error) {
	return nil, 0, fmt.Errorf("plugin %s: %w", spec.Name, errNoPlugins)
}

func (noPlugins) InstallPlugin(
	_ context.Context, spec workspace.PluginSpec, _ pkgworkspace.PluginContent, _ bool,
) error {
	return fmt.Errorf("plugin %s: %w", spec.Name, errNoPlugins)
}
