// Package enginetest has a provider for tests of the engine. A resource is a file, so that it outlives the process, can
// be changed and deleted behind the engine's back, and can be counted.
package enginetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/blang/semver"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

const (
	// Package is the provider's Pulumi package.
	Package = "test"
	// Type is the token of its resource.
	Type = "test:index:File"
)

// Provider serves files of a directory. Inputs: name (changing it replaces the resource), content, fail (the text of an
// error with which Create and Update end), slow (a duration that they take), lag (a duration for which the first Create
// goes on after its effect).
type Provider struct {
	plugin.UnimplementedProvider

	dir    string
	ctx    context.Context //nolint:containedctx // the provider's life, ended by SignalCancellation
	cancel context.CancelFunc
}

// New returns the factory of a provider for the files in dir.
func New(dir string) func() plugin.Provider {
	return func() plugin.Provider {
		ctx, cancel := context.WithCancel(context.Background())
		return &Provider{dir: dir, ctx: ctx, cancel: cancel}
	}
}

// file is what a resource is on disk. Urn is the owner mark: Create takes over a file of the same URN.
type file struct {
	URN     string `json:"urn"`
	Content string `json:"content"`
}

// Files returns the content of every file in dir by its name.
func Files(dir string) (map[string]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return map[string]string{}, nil
	}
	if err != nil {
		return nil, err
	}
	all := map[string]string{}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			continue // the write of a process that was killed
		}
		f, err := read(dir, e.Name())
		if err != nil {
			return nil, err
		}
		all[e.Name()] = f.Content
	}
	return all, nil
}

// Set changes a file behind the engine's back.
func Set(dir, name, content string) error {
	f, err := read(dir, name)
	if err != nil {
		return err
	}
	f.Content = content
	return write(dir, name, f)
}

func read(dir, name string) (file, error) {
	var f file
	raw, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return f, err
	}
	if err := json.Unmarshal(raw, &f); err != nil {
		return f, fmt.Errorf("read file %s: %w", name, err)
	}
	return f, nil
}

func write(dir, name string, f file) error {
	raw, err := json.Marshal(f)
	if err != nil {
		return fmt.Errorf("write file %s: %w", name, err)
	}
	tmp, err := os.CreateTemp(dir, ".tmp*")
	if err != nil {
		return err
	}
	_, err = tmp.Write(raw)
	return errors.Join(err, tmp.Close(), os.Rename(tmp.Name(), filepath.Join(dir, name)))
}

// Pkg implements plugin.Provider.
func (p *Provider) Pkg() tokens.Package { return Package }

// Close implements plugin.Provider.
func (p *Provider) Close() error { p.cancel(); return nil }

// SignalCancellation implements plugin.Provider.
func (p *Provider) SignalCancellation(context.Context) error { p.cancel(); return nil }

// Handshake implements plugin.Provider.
func (p *Provider) Handshake(
	context.Context, plugin.ProviderHandshakeRequest,
) (*plugin.ProviderHandshakeResponse, error) {
	return &plugin.ProviderHandshakeResponse{AcceptSecrets: true}, nil
}

// GetPluginInfo implements plugin.Provider.
func (p *Provider) GetPluginInfo(context.Context) (workspace.PluginInfo, error) {
	v := semver.MustParse("1.0.0")
	return workspace.PluginInfo{Name: Package, Kind: apitype.ResourcePlugin, Version: &v}, nil
}

// GetSchema implements plugin.Provider.
func (p *Provider) GetSchema(context.Context, plugin.GetSchemaRequest) (plugin.GetSchemaResponse, error) {
	return plugin.GetSchemaResponse{Schema: []byte(`{"name":"test","version":"1.0.0"}`)}, nil
}

// CheckConfig implements plugin.Provider.
func (p *Provider) CheckConfig(
	_ context.Context, req plugin.CheckConfigRequest,
) (plugin.CheckConfigResponse, error) {
	return plugin.CheckConfigResponse{Properties: req.News}, nil
}

// DiffConfig implements plugin.Provider.
func (p *Provider) DiffConfig(context.Context, plugin.DiffConfigRequest) (plugin.DiffConfigResponse, error) {
	return plugin.DiffConfigResponse{Changes: plugin.DiffNone}, nil
}

// Configure implements plugin.Provider.
func (p *Provider) Configure(context.Context, plugin.ConfigureRequest) (plugin.ConfigureResponse, error) {
	return plugin.ConfigureResponse{}, nil
}

// Check implements plugin.Provider: name is required.
func (p *Provider) Check(_ context.Context, req plugin.CheckRequest) (plugin.CheckResponse, error) {
	res := plugin.CheckResponse{Properties: req.News}
	if _, ok := req.News["name"]; !ok {
		res.Failures = append(res.Failures, plugin.CheckFailure{Property: "name", Reason: "name is required"})
	}
	return res, nil
}

// Diff implements plugin.Provider.
func (p *Provider) Diff(_ context.Context, req plugin.DiffRequest) (plugin.DiffResponse, error) {
	res := plugin.DiffResult{Changes: plugin.DiffNone, DetailedDiff: map[string]plugin.PropertyDiff{}}
	ignored := map[string]bool{}
	for _, k := range req.IgnoreChanges {
		ignored[k] = true
	}
	for _, k := range []resource.PropertyKey{"name", "content", "fail", "slow"} {
		was, is := req.OldInputs[k], req.NewInputs[k]
		if ignored[string(k)] || was.DeepEquals(is) {
			continue
		}
		res.Changes = plugin.DiffSome
		res.ChangedKeys = append(res.ChangedKeys, k)
		kind := plugin.DiffUpdate
		if k == "name" {
			kind = plugin.DiffUpdateReplace
			res.ReplaceKeys = append(res.ReplaceKeys, k)
		}
		res.DetailedDiff[string(k)] = plugin.PropertyDiff{Kind: kind, InputDiff: true}
	}
	return res, nil
}

// Create implements plugin.Provider: a file that the same resource made before is taken over.
func (p *Provider) Create(ctx context.Context, req plugin.CreateRequest) (plugin.CreateResponse, error) {
	if req.Preview {
		return plugin.CreateResponse{Properties: req.Properties, Status: resource.StatusOK}, nil
	}
	failed := plugin.CreateResponse{Status: resource.StatusUnknown}
	if err := p.work(ctx, req.Properties); err != nil {
		return failed, err
	}
	name := text(req.Properties, "name")
	old, err := read(p.dir, name)
	if err == nil && old.URN != string(req.URN) {
		return failed, fmt.Errorf("file %s belongs to %s", name, old.URN)
	}
	taken := err == nil
	if err := write(p.dir, name, file{URN: string(req.URN), Content: text(req.Properties, "content")}); err != nil {
		return failed, err
	}
	if lag := text(req.Properties, "lag"); lag != "" && !taken {
		if err := p.work(ctx, resource.PropertyMap{"slow": resource.NewProperty(lag)}); err != nil {
			return failed, err
		}
	}
	return plugin.CreateResponse{ID: resource.ID(name), Properties: state(req.Properties), Status: resource.StatusOK}, nil
}

// Update implements plugin.Provider.
func (p *Provider) Update(ctx context.Context, req plugin.UpdateRequest) (plugin.UpdateResponse, error) {
	if req.Preview {
		return plugin.UpdateResponse{Properties: req.NewInputs, Status: resource.StatusOK}, nil
	}
	failed := plugin.UpdateResponse{Status: resource.StatusUnknown}
	if err := p.work(ctx, req.NewInputs); err != nil {
		return failed, err
	}
	if _, err := read(p.dir, string(req.ID)); err != nil {
		return failed, err
	}
	f := file{URN: string(req.URN), Content: text(req.NewInputs, "content")}
	if err := write(p.dir, string(req.ID), f); err != nil {
		return failed, err
	}
	return plugin.UpdateResponse{Properties: state(req.NewInputs), Status: resource.StatusOK}, nil
}

// Read implements plugin.Provider.
func (p *Provider) Read(_ context.Context, req plugin.ReadRequest) (plugin.ReadResponse, error) {
	f, err := read(p.dir, string(req.ID))
	if errors.Is(err, fs.ErrNotExist) {
		return plugin.ReadResponse{Status: resource.StatusOK}, nil
	}
	if err != nil {
		return plugin.ReadResponse{Status: resource.StatusUnknown}, err
	}
	inputs := req.Inputs.Copy()
	if inputs == nil {
		inputs = resource.PropertyMap{}
	}
	inputs["name"] = resource.NewProperty(string(req.ID))
	if text(inputs, "content") != f.Content {
		inputs["content"] = resource.NewProperty(f.Content)
	}
	return plugin.ReadResponse{
		ReadResult: plugin.ReadResult{ID: req.ID, Inputs: inputs, Outputs: state(inputs)}, Status: resource.StatusOK,
	}, nil
}

// Delete implements plugin.Provider.
func (p *Provider) Delete(ctx context.Context, req plugin.DeleteRequest) (plugin.DeleteResponse, error) {
	inputs := req.Inputs.Copy()
	delete(inputs, "fail")
	if err := p.work(ctx, inputs); err != nil {
		return plugin.DeleteResponse{Status: resource.StatusUnknown}, err
	}
	if err := os.Remove(filepath.Join(p.dir, string(req.ID))); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return plugin.DeleteResponse{Status: resource.StatusUnknown}, err
	}
	return plugin.DeleteResponse{Status: resource.StatusOK}, nil
}

// work takes as long as the inputs say, ends at once when cancelled, and fails when they say so.
func (p *Provider) work(ctx context.Context, inputs resource.PropertyMap) error {
	if d, err := time.ParseDuration(text(inputs, "slow")); err == nil {
		select {
		case <-time.After(d):
		case <-ctx.Done():
			return context.Canceled
		case <-p.ctx.Done():
			return context.Canceled
		}
	}
	if msg := text(inputs, "fail"); msg != "" {
		return errors.New(msg)
	}
	return nil
}

func state(inputs resource.PropertyMap) resource.PropertyMap {
	out := inputs.Copy()
	out["size"] = resource.NewProperty(float64(len(text(inputs, "content"))))
	return out
}

func text(m resource.PropertyMap, key resource.PropertyKey) string {
	v := m[key]
	for v.IsSecret() {
		v = v.SecretValue().Element
	}
	if !v.IsString() {
		return ""
	}
	return v.StringValue()
}

// File is the resource for programs.
type File struct {
	pulumi.CustomResourceState

	Content pulumi.StringOutput `pulumi:"content"`
	Size    pulumi.IntOutput    `pulumi:"size"`
}

// NewFile declares a file. Args are the inputs of [Provider].
func NewFile(ctx *pulumi.Context, name string, args pulumi.Map, opts ...pulumi.ResourceOption) (*File, error) {
	f := &File{}
	if args == nil {
		args = pulumi.Map{}
	}
	if _, ok := args["name"]; !ok {
		args["name"] = pulumi.String(name)
	}
	opts = append([]pulumi.ResourceOption{pulumi.Version("1.0.0")}, opts...)
	if err := ctx.RegisterResource(Type, name, args, f, opts...); err != nil {
		return nil, fmt.Errorf("register file %s: %w", name, err)
	}
	return f, nil
}
