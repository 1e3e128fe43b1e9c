package testutil

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Applied is what a program made, in the order in which it was made.
type Applied struct {
	Resources []*Resource

	deletedWith map[resource.URN]resource.URN
	retained    map[resource.URN]bool
}

// Apply runs a program against real providers, by package name, without an engine: every custom resource is checked
// and created. A program that is applied twice must adopt what it made.
func Apply(t testing.TB, stack string, providers map[string]*Provider, program pulumi.RunFunc) (*Applied, error) {
	t.Helper()
	m := &monitor{t: t, providers: providers, applied: &Applied{
		deletedWith: map[resource.URN]resource.URN{}, retained: map[resource.URN]bool{},
	}}
	err := pulumi.RunErr(program, pulumi.WithMocks("plattr", stack, m))
	return m.applied, err
}

// Destroy deletes everything in reverse order, as the engine does.
func (a *Applied) Destroy(t testing.TB) {
	t.Helper()
	for i := len(a.Resources) - 1; i >= 0; i-- {
		r := a.Resources[i]
		if a.retained[r.URN] || a.deletedWith[r.URN] != "" {
			continue
		}
		if err := r.Delete(); err != nil {
			t.Fatalf("delete %s: %v", r.URN.Name(), err)
		}
	}
}

// Drift refreshes everything and returns, by resource, what differs from the program; "gone" for a thing that is.
func (a *Applied) Drift(t testing.TB) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, r := range a.Resources {
		wanted := r.Inputs
		if !r.Refresh() {
			out[r.URN.Name()] = "gone"
			continue
		}
		res, err := r.provider.Diff(t.Context(), plugin.DiffRequest{
			URN: r.URN, ID: r.ID, OldInputs: r.Inputs, OldOutputs: r.Outputs, NewInputs: wanted,
		})
		if err != nil {
			t.Fatalf("diff %s: %v", r.URN.Name(), err)
		}
		var keys []string
		for _, k := range res.ChangedKeys {
			keys = append(keys, string(k))
		}
		if len(keys) > 0 {
			out[r.URN.Name()] = strings.Join(keys, ",")
		}
		r.Inputs = wanted
	}
	return out
}

type monitor struct {
	t         testing.TB
	providers map[string]*Provider

	mu      sync.Mutex
	applied *Applied
}

func (m *monitor) Call(args pulumi.MockCallArgs) (resource.PropertyMap, error) {
	return nil, fmt.Errorf("unexpected call of %s", args.Token)
}

func (m *monitor) NewResource(args pulumi.MockResourceArgs) (string, resource.PropertyMap, error) {
	if !args.Custom || strings.HasPrefix(args.TypeToken, "pulumi:") {
		return args.Name, args.Inputs, nil
	}
	pkg, _, _ := strings.Cut(args.TypeToken, ":")
	p := m.providers[pkg]
	if p == nil {
		return "", nil, fmt.Errorf("the test has no provider for %s", args.TypeToken)
	}
	r := &Resource{URN: p.urn(args.TypeToken, args.Name), provider: p, t: m.t}
	checked, err := p.Provider.Check(m.t.Context(), plugin.CheckRequest{URN: r.URN, News: args.Inputs})
	if err != nil || len(checked.Failures) > 0 {
		return "", nil, fmt.Errorf("check %s: %w %v", args.Name, err, checked.Failures)
	}
	r.Inputs = checked.Properties
	res, err := p.Provider.Create(m.t.Context(), plugin.CreateRequest{URN: r.URN, Properties: r.Inputs})
	if err != nil {
		return "", nil, err
	}
	r.ID, r.Outputs = res.ID, res.Properties
	m.mu.Lock()
	defer m.mu.Unlock()
	m.applied.Resources = append(m.applied.Resources, r)
	m.applied.retained[r.URN] = args.RegisterRPC.GetRetainOnDelete()
	m.applied.deletedWith[r.URN] = resource.URN(args.RegisterRPC.GetDeletedWith())
	return string(r.ID), r.Outputs, nil
}
