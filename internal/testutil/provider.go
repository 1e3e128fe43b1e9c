package testutil

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
)

// Provider drives a resource provider as the engine does, in the name of one stack.
type Provider struct {
	plugin.Provider

	// Project and Stack are the owner.
	Project, Stack string
	// Name is what its resources are called; "test" unless a test needs two of one type.
	Name string
}

// NewProvider configures a provider for a stack. It is closed when the test ends.
func NewProvider(t testing.TB, p plugin.Provider, stack string, config map[string]any) *Provider {
	t.Helper()
	props := resource.NewPropertyMapFromMap(config)
	checked, err := p.CheckConfig(t.Context(), plugin.CheckConfigRequest{News: props})
	if err != nil || len(checked.Failures) > 0 {
		t.Fatalf("check the provider's configuration: %v %v", err, checked.Failures)
	}
	if _, err := p.Configure(t.Context(), plugin.ConfigureRequest{Inputs: checked.Properties}); err != nil {
		t.Fatalf("configure the provider: %v", err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return &Provider{Provider: p, Project: "plattr", Stack: stack, Name: "test"}
}

// ConfigurationError is the first thing that a provider says against a configuration; empty when it takes it.
func ConfigurationError(t testing.TB, p plugin.Provider, config map[string]any) string {
	t.Helper()
	props := resource.NewPropertyMapFromMap(config)
	checked, err := p.CheckConfig(t.Context(), plugin.CheckConfigRequest{News: props})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range checked.Failures {
		return f.Reason
	}
	if _, err := p.Configure(t.Context(), plugin.ConfigureRequest{Inputs: props}); err != nil {
		return err.Error()
	}
	return ""
}

// FieldTags are the names that the fields of a struct, or of what a pointer points to, have under a tag.
func FieldTags(t reflect.Type, tag string) []string {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	var out []string
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get(tag), ",")
		if name != "" {
			out = append(out, name)
		}
	}
	return out
}

// Resource is a resource in the state of a test.
type Resource struct {
	URN     resource.URN
	ID      resource.ID
	Inputs  resource.PropertyMap
	Outputs resource.PropertyMap

	provider *Provider
	t        testing.TB
}

// Output is an output as plain data, with secrets opened.
func (r *Resource) Output(key string) any {
	v := r.Outputs[resource.PropertyKey(key)]
	if v.IsSecret() {
		v = v.SecretValue().Element
	}
	return v.Mappable()
}

func (p *Provider) urn(token, name string) resource.URN {
	return resource.NewURN(tokens.QName(p.Stack), tokens.PackageName(p.Project), "", tokens.Type(token), name)
}

// Check validates inputs and fills in defaults.
func (p *Provider) Check(t testing.TB, token string, inputs map[string]any) (resource.PropertyMap, error) {
	t.Helper()
	res, err := p.Provider.Check(t.Context(), plugin.CheckRequest{
		URN: p.urn(token, p.Name), News: resource.NewPropertyMapFromMap(inputs),
	})
	if err != nil {
		return nil, err
	}
	var reasons []string
	for _, f := range res.Failures {
		reasons = append(reasons, fmt.Sprintf("%s: %s", f.Property, f.Reason))
	}
	if len(reasons) > 0 {
		return nil, fmt.Errorf("%s", strings.Join(reasons, "; ")) //nolint:err113 // a test's own
	}
	return res.Properties, nil
}

// Create checks and creates.
func (p *Provider) Create(t testing.TB, token string, inputs map[string]any) (*Resource, error) {
	t.Helper()
	checked, err := p.Check(t, token, inputs)
	if err != nil {
		return nil, err
	}
	r := &Resource{URN: p.urn(token, p.Name), Inputs: checked, provider: p, t: t}
	res, err := p.Provider.Create(t.Context(), plugin.CreateRequest{URN: r.URN, Properties: checked})
	if err != nil {
		return nil, err
	}
	r.ID, r.Outputs = res.ID, res.Properties
	return r, nil
}

// MustCreate is Create for steps that are not what is tested.
func (p *Provider) MustCreate(t testing.TB, token string, inputs map[string]any) *Resource {
	t.Helper()
	r, err := p.Create(t, token, inputs)
	if err != nil {
		t.Fatalf("create %s: %v", token, err)
	}
	return r
}

// Refresh reads the resource as a run does at its beginning. It says whether the thing is still there.
func (r *Resource) Refresh() bool {
	r.t.Helper()
	res, err := r.provider.Read(context.WithoutCancel(r.t.Context()), plugin.ReadRequest{
		URN: r.URN, ID: r.ID, Inputs: r.Inputs, State: r.Outputs,
	})
	if err != nil {
		r.t.Fatalf("read %s: %v", r.URN.Type(), err)
	}
	if res.Outputs == nil {
		return false
	}
	r.Inputs, r.Outputs = res.Inputs, res.Outputs
	return true
}

// Diff compares what was read last with wanted inputs: the keys that differ, those that need a replacement with a `!`.
func (r *Resource) Diff(inputs map[string]any) []string {
	r.t.Helper()
	checked, err := r.provider.Check(r.t, string(r.URN.Type()), inputs)
	if err != nil {
		r.t.Fatalf("check: %v", err)
	}
	res, err := r.provider.Diff(r.t.Context(), plugin.DiffRequest{
		URN: r.URN, ID: r.ID, OldInputs: r.Inputs, OldOutputs: r.Outputs, NewInputs: checked,
	})
	if err != nil {
		r.t.Fatalf("diff: %v", err)
	}
	var out []string
	for _, k := range res.ChangedKeys {
		key := string(k)
		for _, replace := range res.ReplaceKeys {
			if replace == k {
				key = "!" + key
			}
		}
		out = append(out, key)
	}
	return out
}

// Update brings the resource to wanted inputs.
func (r *Resource) Update(inputs map[string]any) error {
	r.t.Helper()
	checked, err := r.provider.Check(r.t, string(r.URN.Type()), inputs)
	if err != nil {
		return err
	}
	res, err := r.provider.Update(r.t.Context(), plugin.UpdateRequest{
		URN: r.URN, ID: r.ID, OldInputs: r.Inputs, OldOutputs: r.Outputs, NewInputs: checked,
	})
	if err != nil {
		return err
	}
	r.Inputs, r.Outputs = checked, res.Properties
	return nil
}

// Delete deletes the resource, also when the test is at its end.
func (r *Resource) Delete() error {
	r.t.Helper()
	_, err := r.provider.Delete(context.WithoutCancel(r.t.Context()), plugin.DeleteRequest{
		URN: r.URN, ID: r.ID, Inputs: r.Inputs, Outputs: r.Outputs,
	})
	return err
}
