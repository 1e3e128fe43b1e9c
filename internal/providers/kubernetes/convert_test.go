package kubernetes

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func secret(s string) resource.PropertyValue {
	return resource.MakeSecret(resource.NewStringProperty(s))
}

func TestObjects(t *testing.T) {
	t.Parallel()
	props := resource.PropertyMap{
		"apiVersion": resource.NewStringProperty("v1"),
		"nothing":    resource.NewNullProperty(),
		"__inputs":   resource.NewStringProperty("hidden"),
		"spec": resource.NewObjectProperty(resource.PropertyMap{
			"replicas": resource.NewNumberProperty(3), "half": resource.NewNumberProperty(0.5), "list": resource.NewArrayProperty([]resource.PropertyValue{secret("x")}),
			"later": resource.MakeComputed(resource.NewStringProperty("")), "__mine": resource.NewStringProperty("kept"),
			"x_kubernetes_list_type": resource.NewStringProperty("map"), "x_kubernetes_mine": resource.NewStringProperty("kept"),
		}),
	}
	want := m{"apiVersion": "v1", "spec": m{
		"replicas": int64(3), "half": 0.5, "list": l{"x"}, "later": unknown{}, "__mine": "kept",
		"x-kubernetes-list-type": "map", "x_kubernetes_mine": "kept",
	}}
	got := toObject(props)
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("object (-want +got):\n%s", d)
	}
	back := fromObject(got)
	keepSecrets(back, props)
	spec := back["spec"].ObjectValue()
	if !spec["list"].IsSecret() || !spec["later"].IsComputed() || spec["x_kubernetes_list_type"].StringValue() != "map" || spec["replicas"].IsSecret() {
		t.Errorf("properties = %v", back)
	}
}

// TestCheckpoint holds the states equal to the official plugin's.
// Source: pulumi-kubernetes, provider/pkg/provider/provider.go, checkpointObject and annotateSecrets.
func TestCheckpoint(t *testing.T) {
	t.Parallel()
	inputs := resource.PropertyMap{
		"apiVersion": resource.NewStringProperty("v1"), "kind": resource.NewStringProperty("Secret"),
		"stringData": resource.NewObjectProperty(resource.PropertyMap{"a": resource.NewStringProperty("plain")}),
	}
	live := &unstructured.Unstructured{Object: m{
		"apiVersion": "v1", "kind": "Secret", "data": m{"a": "cGxhaW4="},
		"metadata": m{"name": "s", "annotations": m{lastApplied: `{"data":{"a":"cGxhaW4="}}`, "b": "c"}},
	}}
	out := checkpoint(inputs, live, "v1", "plattr:shop/dev")
	if !out["data"].IsSecret() || out[fieldManagerKey].StringValue() != "plattr:shop/dev" || out[initialVersionKey].StringValue() != "v1" {
		t.Errorf("state = %v", out)
	}
	if notes := out["metadata"].ObjectValue()["annotations"].ObjectValue(); len(notes) != 1 {
		t.Errorf("kubectl's copy of a Secret would be in the clear: %v", notes)
	}
	if !out[inputsKey].ObjectValue()["stringData"].ObjectValue()["a"].IsString() {
		t.Errorf("inputs = %v", out[inputsKey])
	}
	if live.GetAnnotations()[lastApplied] == "" {
		t.Error("the live object was changed")
	}
}

func TestKindOf(t *testing.T) {
	t.Parallel()
	cases := map[string]struct{ token, want string }{
		"Core":       {"kubernetes:core/v1:Namespace", "/v1, Kind=Namespace"},
		"Apps":       {"kubernetes:apps/v1:Deployment", "apps/v1, Kind=Deployment"},
		"Group":      {"kubernetes:rbac.authorization.k8s.io/v1:Role", "rbac.authorization.k8s.io/v1, Kind=Role"},
		"Custom":     {"kubernetes:example.com/v1alpha1:Widget", "example.com/v1alpha1, Kind=Widget"},
		"CustomList": {"kubernetes:example.com/v1:BlockList", "example.com/v1, Kind=BlockList"},
		"List":       {"kubernetes:core/v1:PodList", ""},
		"Patch":      {"kubernetes:apps/v1:DeploymentPatch", ""},
		"Chart":      {"kubernetes:helm.sh/v3:Release", ""},
		"File":       {"kubernetes:yaml:ConfigFile", ""},
		"FileV2":     {"kubernetes:yaml/v2:ConfigFile", ""},
		"Other":      {"aws:s3/bucket:Bucket", ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gvk, err := kindOf(tokens.Type(tc.token))
			if tc.want == "" {
				if err == nil || !strings.Contains(err.Error(), tc.token) {
					t.Errorf("kind = %s, error = %v", gvk, err)
				}
				return
			}
			if err != nil || gvk.String() != tc.want {
				t.Errorf("kind = %q, %v", gvk, err)
			}
		})
	}
}

// TestDrifted holds that, where the API server cannot be asked, what is ours and looks otherwise is no change.
func TestDrifted(t *testing.T) {
	t.Parallel()
	live := &unstructured.Unstructured{Object: m{
		"apiVersion": "apps/v1", "kind": "Deployment",
		"spec": m{"replicas": int64(5), "paused": true, "template": m{"spec": m{"containers": l{
			m{"name": "side", "image": "injected"},
			m{"name": "app", "image": "a", "cpu": "1"},
		}}}},
	}}
	fields := `{"f:spec":{"f:paused":{},"f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"app\"}":{".":{},"f:name":{},"f:image":{},"f:cpu":{}}}}}}}`
	live.SetManagedFields([]metav1.ManagedFieldsEntry{
		{Manager: "us", Operation: "Apply", FieldsV1: &metav1.FieldsV1{Raw: []byte(fields)}},
		{Manager: "hpa", Operation: "Update", FieldsV1: &metav1.FieldsV1{Raw: []byte(`{"f:spec":{"f:replicas":{}}}`)}},
	})
	ours := ownedBy(live, "us")
	for _, tc := range []struct {
		path path
		want bool
	}{
		{path{"spec", "paused"}, true},
		{path{"spec", "replicas"}, false},
		{path{"spec", "template", "spec", "containers", 1, "cpu"}, true},
		{path{"spec", "template", "spec", "containers", 0, "image"}, false},
	} {
		if got := ours.has(live.Object, tc.path); got != tc.want {
			t.Errorf("%s is ours: %t", tc.path, got)
		}
	}
	in := m{"spec": m{"replicas": int64(2), "paused": false}}
	changes := drifted(wanted(live.Object, in, in), live.Object, in, ours)
	if len(changes) != 1 || changes[0].path.String() != "spec.replicas" {
		t.Errorf("changes = %v", changes)
	}
	now, changed := driftedInputs(live, in, ours)
	if d := cmp.Diff(m{"spec": m{"replicas": int64(5), "paused": false}}, now); d != "" || !changed {
		t.Errorf("inputs (-want +got):\n%s", d)
	}
	if in["spec"].(m)["replicas"] != int64(2) {
		t.Error("the old inputs were changed")
	}
}

func TestDriftedSecret(t *testing.T) {
	t.Parallel()
	live := &unstructured.Unstructured{Object: m{"apiVersion": "v1", "kind": "Secret", "data": m{"a": "b3RoZXI=", "b": "Yg=="}}}
	in := m{"apiVersion": "v1", "kind": "Secret", "stringData": m{"a": "mine", "b": "b"}}
	now, changed := driftedInputs(live, in, nil)
	if d := cmp.Diff(m{"apiVersion": "v1", "kind": "Secret", "stringData": m{"a": "other", "b": "b"}}, now); d != "" || !changed {
		t.Errorf("inputs (-want +got):\n%s", d)
	}
}

func TestManagerOf(t *testing.T) {
	t.Parallel()
	long := "project/" + strings.Repeat("s", 200)
	if got := managerOf("shop/dev"); got != "plattr:shop/dev" {
		t.Errorf("manager = %q", got)
	}
	if got := managerOf(long); len(got) != 128 || got == managerOf(long+"x") {
		t.Errorf("manager = %q (%d)", got, len(got))
	}
}
