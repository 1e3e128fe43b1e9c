package kubernetes

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"

	"plattr.dev/plattr/internal/testutil"
)

const definitionToken = "kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition"

func widgets(group, scope string) m {
	schema := m{"type": "object", "properties": m{"spec": m{"type": "object", "properties": m{
		"size": m{"type": "integer", "default": 3}, "free": m{"type": "object", "x_kubernetes_preserve_unknown_fields": true},
	}}, "status": m{"type": "object", "properties": m{"phase": m{"type": "string"}}}}}
	return m{"metadata": m{"name": "widgets." + group}, "spec": m{
		"group": group, "scope": scope, "names": m{"plural": "widgets", "singular": "widget", "kind": "Widget"},
		"versions": l{m{"name": "v1", "served": true, "storage": true, "schema": m{"openAPIV3Schema": schema}}},
	}}
}

// TestCustomResources makes a kind and an object of it at the same moment, as a program does that forgets the
// dependency, and takes both through their life.
func TestCustomResources(t *testing.T) {
	t.Parallel()
	for _, scope := range []string{"Namespaced", "Cluster"} {
		t.Run(scope, func(t *testing.T) {
			t.Parallel()
			p := stackOf(t, "custom")
			group := unique("g") + ".example.com"
			in := m{"metadata": m{"name": "one", "annotations": m{timeoutAnnotation: "20"}}, "spec": m{"free": m{"a": 1}}}
			token := "kubernetes:" + group + "/v1:Widget"
			early := start(t, p, token, in)
			definition := p.MustCreate(t, definitionToken, widgets(group, scope))
			same(t, p, definition, widgets(group, scope))
			o := wait(t, early)
			if o.err != nil {
				t.Fatal(o.err)
			}
			if want := map[string]string{"Namespaced": "default/one", "Cluster": "one"}[scope]; string(o.response.ID) != want {
				t.Errorf("ID = %q, want %q", o.response.ID, want)
			}
			r := p.MustCreate(t, token, in) // takes over
			same(t, p, r, in)               // the default of size is no difference
			now := with(in, m{"spec": m{"free": m{"a": 2, "b": 1}, "size": 3}})
			same(t, p, r, now, "spec.free.a", "spec.free.b")
			if err := r.Update(now); err != nil {
				t.Fatal(err)
			}
			same(t, p, r, now)
			wantErr(t, r.Update(with(in, m{"spec": m{"sise": 3}})), ".spec.sise: field not declared in schema")
			if err := definition.Delete(); err != nil {
				t.Fatal(err)
			}
			if r.Refresh() {
				t.Error("an object outlives its kind")
			}
			if err := r.Delete(); err != nil {
				t.Errorf("an object of a kind that is gone: %v", err)
			}
		})
	}
}

// TestPreview holds that a preview makes nothing, says what would be refused, and leaves what depends on the same run.
func TestPreview(t *testing.T) {
	t.Parallel()
	p := stackOf(t, "preview")
	ns := newNamespace(t, p)
	cases := map[string]struct {
		token string
		in    m
		want  string
	}{
		"Fine":        {configMapToken, m{"metadata": named(ns, "x"), "data": m{"a": "b"}}, ""},
		"NoNamespace": {configMapToken, m{"metadata": named("later", "x"), "data": m{"a": "b"}}, ""},
		"NoKind":      {"kubernetes:later.example.com/v1:Widget", m{"metadata": named(ns, "x")}, ""},
		"Refused":     {"kubernetes:core/v1:Service", m{"metadata": named(ns, "x"), "spec": m{"ports": l{m{"port": 99999}}}}, "must be between 1 and 65535"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			checked, err := p.Check(t, tc.token, tc.in)
			if err != nil {
				t.Fatal(err)
			}
			urn := resource.NewURN("preview", "plattr", "", "kubernetes:core/v1:ConfigMap", "test")
			res, err := p.Provider.Create(t.Context(), plugin.CreateRequest{URN: urn, Properties: checked, Preview: true})
			if tc.want != "" {
				wantErr(t, err, tc.want)
				return
			}
			if err != nil || res.ID != "" || !res.Properties["status"].IsComputed() {
				t.Errorf("%v, %v", res, err)
			}
		})
	}
	t.Run("Unknown", func(t *testing.T) {
		t.Parallel()
		in := resource.PropertyMap{
			"metadata": resource.NewObjectProperty(resource.PropertyMap{
				"name": resource.NewStringProperty("u"), "namespace": resource.MakeComputed(resource.NewStringProperty("")),
			}),
			"data": resource.NewObjectProperty(resource.PropertyMap{"a": resource.MakeComputed(resource.NewStringProperty(""))}),
		}
		urn := resource.NewURN("preview", "plattr", "", configMapToken, "test")
		checked, err := p.Provider.Check(t.Context(), plugin.CheckRequest{URN: urn, News: in})
		if err != nil || len(checked.Failures) > 0 {
			t.Fatalf("%v, %v", checked.Failures, err)
		}
		res, err := p.Provider.Create(t.Context(), plugin.CreateRequest{URN: urn, Properties: checked.Properties, Preview: true})
		if err != nil || !res.Properties["data"].ObjectValue()["a"].IsComputed() {
			t.Errorf("%v, %v", res, err)
		}
	})
	t.Cleanup(func() {
		if out := kubectl(t, "get", "configmap,service", "-n", ns, "-o", "name"); len(out) > len("configmap/kube-root-ca.crt\n") {
			t.Errorf("a preview made %s", out)
		}
	})
}

// TestDryRunRefused holds that where a dry run is refused, the account of the fields decides: another way to write a
// value is no change, and a change by hand is one.
func TestDryRunRefused(t *testing.T) {
	t.Parallel()
	ns := newNamespace(t, stackOf(t, "nodry"))
	cases := map[string]string{
		"SideEffects": `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"BadRequest","code":400,"message":"admission webhook \"x\" does not support dry run"}`,
		"Permission":  `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","code":403,"message":"x is forbidden: User \"bob\" cannot patch resource \"deployments\""}`,
		"WebhookDown": `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"InternalError","code":500,"message":"failed calling webhook \"x\": refused"}`,
	}
	for name, answer := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clusters := NewClusters()
			p := testutil.NewProvider(t, clusters.New(), "nodry", m{"kubeconfig": proxy(t, func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Query().Get("dryRun") == "" {
					return false
				}
				var status struct{ Code int }
				_ = json.Unmarshal([]byte(answer), &status)
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(status.Code)
				_, _ = w.Write([]byte(answer))
				return true
			})})
			for _, c := range clusters.all {
				c.Patience.Broken = 0
			}
			web := unique("web")
			in := m{"metadata": with(named(ns, web), m{"annotations": m{skipAwaitAnnotation: "true"}}), "spec": spec("a", m{"replicas": 2})}
			r := p.MustCreate(t, "kubernetes:apps/v1:Deployment", in)
			same(t, p, r, in)
			same(t, p, r, with(in, m{"spec": spec("b", m{"replicas": 2})}), "spec.template.spec.containers[0].image")
			kubectl(t, "scale", "deployment", web, "-n", ns, "--replicas=5")
			same(t, p, r, in, "spec.replicas")
		})
	}
}
