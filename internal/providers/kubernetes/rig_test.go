package kubernetes

import (
	"crypto/rand"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"

	"plattr.dev/plattr/internal/testutil"
)

// These tests run on a real API server with real controllers, and without a kubelet: no container ever runs. Where a
// rollout has to go on, the test writes the status that a kubelet would write, and says so.

// stackOf is a provider for a stack of project "plattr" on the shared server.
func stackOf(t *testing.T, stack string, change ...m) *testutil.Provider {
	t.Helper()
	return stackOn(t, testutil.Kubernetes(t).Admin.Content, stack, change...)
}

func stackOn(t *testing.T, kubeconfig, stack string, change ...m) *testutil.Provider {
	t.Helper()
	config := m{"kubeconfig": kubeconfig}
	for _, c := range change {
		maps.Copy(config, c)
	}
	return testutil.NewProvider(t, NewClusters().New(), stack, config)
}

// newNamespace is a namespace of the test's own.
func newNamespace(t *testing.T, p *testutil.Provider) string {
	t.Helper()
	name := unique("test")
	r := p.MustCreate(t, "kubernetes:core/v1:Namespace", m{"metadata": m{"name": name}})
	t.Cleanup(func() {
		if err := r.Delete(); err != nil {
			t.Errorf("delete the test's namespace: %v", err)
		}
	})
	return name
}

func unique(name string) string { return name + "-" + strings.ToLower(rand.Text()[:8]) }

func named(namespace, name string) m { return m{"name": name, "namespace": namespace} }

// paths are the differences to wanted inputs, as a run would see them: those that make a new object end in a !.
func paths(t *testing.T, p *testutil.Provider, r *testutil.Resource, inputs m) []string {
	t.Helper()
	checked, err := p.Check(t, string(r.URN.Type()), inputs)
	if err != nil {
		t.Fatalf("check: %v", err)
	}
	res, err := p.Diff(t.Context(), plugin.DiffRequest{
		URN: r.URN, ID: r.ID, OldInputs: r.Inputs, OldOutputs: r.Outputs, NewInputs: checked,
	})
	if err != nil {
		t.Fatalf("diff: %v", err)
	}
	var out []string
	for path, d := range res.DetailedDiff {
		if d.Kind.IsReplace() {
			path += "!"
		}
		out = append(out, path)
	}
	slices.Sort(out)
	return out
}

// same fails unless a refresh and a diff to inputs find just the differences that are wanted.
func same(t *testing.T, p *testutil.Provider, r *testutil.Resource, inputs m, want ...string) {
	t.Helper()
	if !r.Refresh() {
		t.Fatalf("%s is gone", r.URN.Type())
	}
	if got := paths(t, p, r, inputs); !slices.Equal(got, want) {
		t.Errorf("%s: after a refresh %q differ, want %q", r.URN.Type(), got, want)
	}
}

func wantErr(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error = %v\nwant %q", err, want)
	}
}

// kubectl is what a person does beside plattr.
func kubectl(t *testing.T, args ...string) string {
	t.Helper()
	return kubectlAdmin(t).Kubectl(t, args...)
}

func kubectlAdmin(t *testing.T) testutil.Kubeconfig {
	t.Helper()
	return testutil.Kubernetes(t).Admin
}

// with is an object with other values at the top.
func with(o m, change m) m {
	out := maps.Clone(o)
	maps.Copy(out, change)
	return out
}

func cond(kind, status, reason, message string) m {
	return m{"type": kind, "status": status, "reason": reason, "message": message}
}

func n(v int) any { return int64(v) }
