package kubernetes

import (
	"fmt"
	"sync"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"

	"plattr.dev/plattr/internal/testutil"
)

// BenchmarkCompare reads 60 objects and compares them by dry run, all at once, as a run does with what the engine leaves
// out: a new provider each time, which shares nothing but the client.
func BenchmarkCompare(b *testing.B) {
	config := m{"kubeconfig": testutil.Kubernetes(b).Admin.Content}
	clusters := NewClusters()
	p := testutil.NewProvider(b, clusters.New(), "bench", config)
	ns := p.MustCreate(b, "kubernetes:core/v1:Namespace", m{"metadata": m{"name": "compare"}})
	b.Cleanup(func() { _ = ns.Delete() })
	var all []*testutil.Resource
	for i := range 60 {
		token, in := configMapToken, m{"metadata": named("compare", fmt.Sprintf("it%d", i)), "data": m{"a": "1"}}
		if i%3 == 0 {
			token = "kubernetes:apps/v1:Deployment"
			in = m{"metadata": with(named("compare", fmt.Sprintf("it%d", i)), m{"annotations": m{skipAwaitAnnotation: "true"}}), "spec": spec("a", nil)}
		}
		all = append(all, p.MustCreate(b, token, in))
	}
	b.ResetTimer()
	for b.Loop() {
		p := testutil.NewProvider(b, clusters.New(), "bench", config)
		var wg sync.WaitGroup
		for _, r := range all {
			wg.Go(func() {
				res, err := p.Read(b.Context(), plugin.ReadRequest{URN: r.URN, ID: r.ID, Inputs: r.Inputs, State: r.Outputs})
				if err != nil {
					b.Error(err)
					return
				}
				d, err := p.Diff(b.Context(), plugin.DiffRequest{URN: r.URN, ID: r.ID, OldInputs: res.Inputs, OldOutputs: res.Outputs, NewInputs: r.Inputs})
				if err != nil || d.Changes != plugin.DiffNone {
					b.Errorf("%s: %v, %v", r.ID, d.DetailedDiff, err)
				}
			})
		}
		wg.Wait()
	}
}

// BenchmarkReplay is one object's difference where nothing has to be asked a second time.
func BenchmarkReplay(b *testing.B) {
	p := testutil.NewProvider(b, NewClusters().New(), "replay", m{"kubeconfig": testutil.Kubernetes(b).Admin.Content})
	r := p.MustCreate(b, configMapToken, m{"metadata": m{"name": "replay"}, "data": m{"a": "1"}})
	b.Cleanup(func() { _ = r.Delete() })
	for b.Loop() {
		if _, err := p.Diff(b.Context(), plugin.DiffRequest{
			URN: resource.URN(r.URN), ID: r.ID, OldInputs: r.Inputs, OldOutputs: r.Outputs, NewInputs: r.Inputs,
		}); err != nil {
			b.Fatal(err)
		}
	}
}
