package kubernetes

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/diag"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"

	"plattr.dev/plattr/internal/testutil"
)

// TestConfiguration holds what is said against settings before a cluster is asked.
func TestConfiguration(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		config m
		want   string
	}{
		"Fine":      {m{"kubeconfig": kubeconfig, "context": "one", "namespace": "x", "enableConfigMapMutable": "true", "kubeClientSettings": `{"qps":50,"burst":100}`}, ""},
		"Context":   {m{"kubeconfig": kubeconfig, "context": "two"}, `configure provider kubernetes: context "two" is not in the given kubeconfig: it has lost, one`},
		"Charts":    {m{"kubeconfig": kubeconfig, "helmReleaseSettings": "{}"}, `input "helmReleaseSettings" is not supported by the embedded kubernetes provider`},
		"Rendering": {m{"renderYamlToDirectory": "out"}, `input "renderYamlToDirectory" is not supported`},
		"Type":      {m{"kubeconfig": kubeconfig, "enableConfigMapMutable": "perhaps"}, "enableConfigMapMutable"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := testutil.ConfigurationError(t, NewClusters().New(), tc.config)
			if tc.want == "" && got != "" || !strings.Contains(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

// TestDiffConfig holds when all objects of a provider are made anew: if it means another cluster, and only then.
// Source: pulumi-kubernetes, provider/pkg/provider/provider_diffconfig_test.go.
func TestDiffConfig(t *testing.T) {
	t.Parallel()
	other := strings.ReplaceAll(kubeconfig, "one.example", "two.example")
	token := strings.ReplaceAll(kubeconfig, "t0k3n", "another")
	cases := map[string]struct {
		old, now m
		changes  bool
		replaces []string
	}{
		"Same":       {m{"kubeconfig": kubeconfig}, m{"kubeconfig": kubeconfig}, false, nil},
		"Server":     {m{"kubeconfig": kubeconfig}, m{"kubeconfig": other}, true, []string{"kubeconfig"}},
		"Token":      {m{"kubeconfig": kubeconfig}, m{"kubeconfig": token}, true, nil},
		"Namespace":  {m{"kubeconfig": kubeconfig}, m{"kubeconfig": kubeconfig, "namespace": "x"}, true, nil},
		"Identifier": {m{"kubeconfig": kubeconfig, "clusterIdentifier": "a"}, m{"kubeconfig": other, "clusterIdentifier": "a"}, true, nil},
		"Another":    {m{"kubeconfig": kubeconfig, "clusterIdentifier": "a"}, m{"kubeconfig": kubeconfig, "clusterIdentifier": "b"}, true, []string{"clusterIdentifier"}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			res, err := NewClusters().New().DiffConfig(t.Context(), plugin.DiffConfigRequest{
				OldInputs: resource.NewPropertyMapFromMap(tc.old), NewInputs: resource.NewPropertyMapFromMap(tc.now),
			})
			if err != nil {
				t.Fatal(err)
			}
			var replaces []string
			for _, k := range res.ReplaceKeys {
				replaces = append(replaces, string(k))
			}
			if (res.Changes == plugin.DiffSome) != tc.changes || !slices.Equal(replaces, tc.replaces) {
				t.Errorf("changes %v, replaces %v", res.Changes, replaces)
			}
		})
	}
}

// TestReplaceUnready follows pulumi-kubernetes, provider/pkg/provider/provider.go, Diff.
func TestReplaceUnready(t *testing.T) {
	t.Parallel()
	job := m{"kind": "Job", "metadata": m{"annotations": m{replaceUnreadyKey: "true"}}}
	done := with(job, m{"status": m{"conditions": l{cond("Complete", "True", "", "")}}})
	for want, live := range map[bool]m{false: done, true: job} {
		res := plugin.DiffResult{Changes: plugin.DiffNone, DetailedDiff: map[string]plugin.PropertyDiff{}}
		replaceUnready(&res, live, job)
		if got := res.Changes == plugin.DiffSome && res.DeleteBeforeReplace && len(res.ReplaceKeys) == 1; got != want {
			t.Errorf("replaces = %t, want %t", got, want)
		}
	}
}

// TestNews holds that a person is told what is waited for, without what is secret.
func TestNews(t *testing.T) {
	t.Parallel()
	p := stackOf(t, "news")
	ns := newNamespace(t, p)
	var mu sync.Mutex
	var said []string
	talking := stackOf(t, "news")
	talking.Provider.(*provider).LogTo(func(_ diag.Severity, urn resource.URN, text string) {
		mu.Lock()
		defer mu.Unlock()
		said = append(said, urn.Name()+": "+text)
	})
	_, err := talking.Create(t, configMapToken, m{
		"metadata": with(named(ns, "x"), m{"annotations": m{waitForAnnotation: "jsonpath={.data.done}=hunter2", timeoutAnnotation: "1"}}),
	})
	wantErr(t, err, "does not work after 1s")
	if want := "test: ConfigMap " + ns + "/x: jsonpath={.data.done}=hunter2 is not there"; len(said) != 1 || said[0] != want {
		t.Errorf("said %q, want %q", said, want)
	}
}

// TestUpdatePreview holds that a preview tells of a conflict.
func TestUpdatePreview(t *testing.T) {
	t.Parallel()
	p := stackOf(t, "conflict", m{"enableConfigMapMutable": true})
	ns := newNamespace(t, p)
	r := p.MustCreate(t, configMapToken, m{"metadata": named(ns, "x"), "data": m{"a": "1"}})
	kubectl(t, "patch", "configmap", "x", "-n", ns, "--type=merge", "-p", `{"data":{"a":"9"}}`)
	now, err := p.Check(t, configMapToken, m{"metadata": named(ns, "x"), "data": m{"a": "2"}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.Update(t.Context(), plugin.UpdateRequest{URN: r.URN, ID: r.ID, OldInputs: r.Inputs, OldOutputs: r.Outputs, NewInputs: now, Preview: true})
	wantErr(t, err, `.data.a belongs to field manager "kubectl-patch"`)
}

// TestGoneMeanwhile holds that an update of an object that somebody deleted makes it anew.
func TestGoneMeanwhile(t *testing.T) {
	t.Parallel()
	p := stackOf(t, "meanwhile", m{"enableConfigMapMutable": true})
	ns := newNamespace(t, p)
	in := m{"metadata": named(ns, "x"), "data": m{"a": "1"}}
	r := p.MustCreate(t, configMapToken, in)
	kubectl(t, "delete", "configmap", "x", "-n", ns)
	if got := paths(t, p, r, in); !slices.Equal(got, []string{"metadata.uid"}) {
		t.Errorf("without a refresh %q differ", got)
	}
	before := stateUID(r.Outputs)
	if err := r.Update(in); err != nil {
		t.Fatal(err)
	}
	if stateUID(r.Outputs) == before {
		t.Error("it is the old one")
	}
	same(t, p, r, in)
}

// TestNoClusterYet holds that a preview whose cluster is made in the same run asks nobody, and fails at nothing.
func TestNoClusterYet(t *testing.T) {
	t.Parallel()
	p := NewClusters().New()
	config := resource.PropertyMap{"kubeconfig": resource.MakeComputed(resource.NewStringProperty(""))}
	if _, err := p.Configure(t.Context(), plugin.ConfigureRequest{Inputs: config}); err != nil {
		t.Fatal(err)
	}
	urn := resource.NewURN("dev", "plattr", "", "kubernetes:example.com/v1:Widget", "test")
	in := resource.NewPropertyMapFromMap(m{"metadata": m{"name": "x"}})
	checked, err := p.Check(t.Context(), plugin.CheckRequest{URN: urn, News: in})
	if err != nil || len(checked.Failures) > 0 {
		t.Fatalf("%v, %v", checked.Failures, err)
	}
	made, err := p.Create(t.Context(), plugin.CreateRequest{URN: urn, Properties: checked.Properties, Preview: true})
	if err != nil || !made.Properties["status"].IsComputed() {
		t.Errorf("%v, %v", made, err)
	}
	if _, err := p.Update(t.Context(), plugin.UpdateRequest{URN: urn, NewInputs: checked.Properties, Preview: true}); err != nil {
		t.Error(err)
	}
	if res, err := p.Read(t.Context(), plugin.ReadRequest{URN: urn, ID: "x", Inputs: in, State: in}); err != nil || len(res.Outputs) == 0 {
		t.Errorf("%v, %v", res, err)
	}
	_, err = p.Diff(t.Context(), plugin.DiffRequest{URN: urn, NewInputs: checked.Properties})
	if !errors.As(err, new(plugin.DiffUnavailableError)) {
		t.Errorf("difference: %v", err)
	}
	_, err = p.Create(t.Context(), plugin.CreateRequest{URN: urn, Properties: checked.Properties})
	wantErr(t, err, "provider kubernetes is not configured")
}

// TestRequests holds what a run that changes nothing costs: one request to read an object and one to compare it, though
// the engine asks for the difference twice.
func TestRequests(t *testing.T) {
	t.Parallel()
	ns := newNamespace(t, stackOf(t, "requests"))
	var count atomic.Int32
	p := stackOn(t, proxy(t, func(http.ResponseWriter, *http.Request) bool { count.Add(1); return false }), "requests")
	in := m{"metadata": named(ns, "web"), "data": m{"a": "b"}} // no controller writes to it
	r := p.MustCreate(t, "kubernetes:core/v1:ConfigMap", in)
	if got := count.Swap(0); got != 2 {
		t.Errorf("a create took %d requests", got)
	}
	same(t, p, r, in)
	if got := paths(t, p, r, in); len(got) > 0 {
		t.Errorf("%q differ", got)
	}
	if got := count.Load(); got > 2 {
		t.Errorf("a run that changes nothing took %d requests", got)
	}
}
