package kubernetes

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

type (
	m = map[string]any
	l = []any
)

// The kinds of differences, as the official tests abbreviate them.
const (
	add     = plugin.DiffAdd
	del     = plugin.DiffDelete
	upd     = plugin.DiffUpdate
	addRepl = plugin.DiffAddReplace
	delRepl = plugin.DiffDeleteReplace
	updRepl = plugin.DiffUpdateReplace
)

// TestConformanceDiff holds differences equal to the official plugin's. The first cases are those of its own test,
// TestPatchToDiff in provider/pkg/provider/diff_test.go; the others follow the table in provider/pkg/provider/diff.go.
func TestConformanceDiff(t *testing.T) {
	t.Parallel()
	type kinds = map[string]plugin.DiffKind
	container := func(image string, more m) m {
		c := m{"name": "nginx", "image": image}
		maps.Copy(c, more)
		return m{"spec": m{"containers": l{c}}}
	}
	cases := map[string]struct {
		source, version, kind string
		old, now              m
		inputs                m // the old inputs, where they are not all of old
		settings              settings
		want                  kinds
	}{
		"AddNested": {
			"diff_test: Adding spec and nested field", "v1", "PersistentVolumeClaim",
			m{"spec": m{}},
			m{"spec": m{"accessModes": l{"x"}}},
			nil,
			settings{},
			kinds{"spec.accessModes": addRepl},
		},
		"DeleteNested": {
			"diff_test: Deleting spec and nested field", "v1", "PersistentVolumeClaim",
			m{"spec": m{"accessModes": l{"x"}}},
			m{"spec": m{}},
			nil,
			settings{},
			kinds{"spec.accessModes": delRepl},
		},
		"PodImage": {
			"diff_test: Changing image spec", "v1", "Pod",
			container("nginx", nil), container("nginx:1.15-alpine", nil), nil,
			settings{},
			kinds{"spec.containers[0].image": updRepl},
		},
		"PodSecondImage": {
			"diff_test: Changing second image spec", "v1", "Pod",
			m{"spec": m{"containers": l{m{"image": "a"}, m{"image": "a"}}}},
			m{"spec": m{"containers": l{m{"image": "a"}, m{"image": "b"}}}},
			nil,
			settings{},
			kinds{"spec.containers[1].image": updRepl},
		},
		"PodTwoFields": {
			"diff_test: Changing DNS policy and image spec", "v1", "Pod",
			container("nginx", m{"dnsPolicy": "Default"}), container("nginx:1.15", m{"dnsPolicy": "None"}),
			nil,
			settings{},
			kinds{"spec.containers[0].dnsPolicy": upd, "spec.containers[0].image": updRepl},
		},
		"PodAdd": {
			"diff_test: Adding DNS policy", "v1", "Pod",
			container("nginx", nil), container("nginx", m{"dnsPolicy": "Default"}), nil,
			settings{},
			kinds{"spec.containers[0].dnsPolicy": add},
		},
		"PodDelete": {
			"diff_test: Deleting DNS policy", "v1", "Pod",
			container("nginx", m{"dnsPolicy": "Default"}), container("nginx", nil), nil,
			settings{},
			kinds{"spec.containers[0].dnsPolicy": del},
		},
		"State": {
			"diff_test: State diffs with no corresponding input property are ignored", "v1", "Pod",
			m{"spec": m{"hostname": "a"}, "status": m{"hostIP": "10.0.0.2"}},
			m{"spec": m{"hostname": "a"}},
			m{"spec": m{"hostname": "a"}},
			settings{},
			kinds{},
		},
		"ClaimGrows": {
			"diff_test: PVC resources don't trigger a replace", "v1", "PersistentVolumeClaim",
			m{"spec": m{"resources": m{"requests": m{"storage": "10Gi"}}}},
			m{"spec": m{"resources": m{"requests": m{"storage": "20Gi"}}}},
			nil,
			settings{},
			kinds{"spec.resources.requests.storage": upd},
		},
		"ConfigMapMutable": {
			"diff_test: ConfigMap resources don't trigger a replace when mutable", "v1", "ConfigMap",
			m{"data": m{"property1": "3"}},
			m{"data": m{"property1": "4"}},
			nil,
			settings{EnableConfigMapMutable: true},
			kinds{"data.property1": upd},
		},
		"ConfigMap": {
			"diff_test: ConfigMap resources trigger a replace when enableConfigMapMutable is not set", "v1", "ConfigMap",
			m{"data": m{"property1": "3"}},
			m{"data": m{"property1": "4"}},
			nil,
			settings{},
			kinds{"data.property1": updRepl},
		},
		"ConfigMapImmutable": {
			"diff.go: clients.IsImmutable", "v1", "ConfigMap",
			m{"immutable": true, "data": m{"a": "3"}},
			m{"immutable": true, "data": m{"a": "4"}},
			nil,
			settings{EnableConfigMapMutable: true},
			kinds{"data.a": updRepl},
		},
		"Secret": {
			"diff.go: !enableSecretMutable", "v1", "Secret",
			m{"data": m{"a": "Mw=="}},
			m{"data": m{"a": "NA=="}},
			nil,
			settings{},
			kinds{"data.a": updRepl},
		},
		"SecretMutable": {
			"diff.go: enableSecretMutable", "v1", "Secret",
			m{"data": m{"a": "Mw=="}},
			m{"stringData": m{"a": "4"}},
			nil,
			settings{EnableSecretMutable: true},
			kinds{"stringData.a": upd},
		},
		"SecretType": {
			"diff.go: core Secret .type", "v1", "Secret",
			m{"type": "Opaque"},
			m{"type": "kubernetes.io/tls"},
			nil,
			settings{EnableSecretMutable: true},
			kinds{"type": updRepl},
		},
		"Name": {
			"diff.go: metadataForceNewProperties", "v1", "ServiceAccount",
			m{"metadata": m{"name": "a", "namespace": "x"}},
			m{"metadata": m{"name": "b", "namespace": "y"}},
			nil,
			settings{},
			kinds{"metadata.name": updRepl, "metadata.namespace": updRepl},
		},
		"Annotation": {
			"provider.go: addPatchValueToDiff, keys with dots", "v1", "ServiceAccount",
			m{"metadata": m{"annotations": m{"a.b/c": "x"}}},
			m{"metadata": m{"annotations": m{"a.b/c": "y"}}},
			nil,
			settings{},
			kinds{`metadata.annotations["a.b/c"]`: upd},
		},
		"DeploymentImage": {
			"diff.go: deployment", "apps/v1", "Deployment",
			m{"spec": m{"template": container("a", nil)}},
			m{"spec": m{"template": container("b", nil)}},
			nil,
			settings{},
			kinds{"spec.template.spec.containers[0].image": upd},
		},
		"DeploymentSelector": {
			"diff.go: labelSelectorForceNewProperties", "apps/v1", "Deployment",
			m{"spec": m{"selector": m{"matchLabels": m{"app": "a"}}}},
			m{"spec": m{"selector": m{"matchLabels": m{"app": "b"}}}},
			nil,
			settings{},
			kinds{"spec.selector.matchLabels.app": updRepl},
		},
		"StatefulSetService": {
			"diff.go: statefulSet", "apps/v1", "StatefulSet",
			m{"spec": m{"serviceName": "a", "replicas": int64(1)}},
			m{"spec": m{"serviceName": "b", "replicas": int64(2)}},
			nil,
			settings{},
			kinds{"spec.serviceName": updRepl, "spec.replicas": upd},
		},
		"StatefulSetClaims": {
			"diff.go: statefulSet", "apps/v1", "StatefulSet",
			m{"spec": m{}},
			m{"spec": m{"volumeClaimTemplates": l{m{"metadata": m{"name": "d"}}}}},
			nil,
			settings{},
			kinds{"spec.volumeClaimTemplates": addRepl},
		},
		"DaemonSet": {
			"diff.go: daemonset", "apps/v1", "DaemonSet",
			m{"spec": m{"selector": m{"matchLabels": m{"app": "a"}}}},
			m{"spec": m{"selector": m{"matchLabels": m{"app": "b"}}}},
			nil,
			settings{},
			kinds{"spec.selector.matchLabels.app": updRepl},
		},
		"Job": {
			"diff.go: job", "batch/v1", "Job",
			m{"spec": m{"template": container("a", nil), "backoffLimit": int64(1)}},
			m{"spec": m{"template": container("b", nil), "backoffLimit": int64(2)}},
			nil,
			settings{},
			kinds{"spec.template.spec.containers[0].image": updRepl, "spec.backoffLimit": upd},
		},
		"CronJob": {
			"diff.go: no entry", "batch/v1", "CronJob",
			m{"spec": m{"schedule": "a"}},
			m{"spec": m{"schedule": "b"}},
			nil,
			settings{},
			kinds{"spec.schedule": upd},
		},
		"RoleBinding": {
			"diff.go: roleBinding", "rbac.authorization.k8s.io/v1", "RoleBinding",
			m{"roleRef": m{"name": "a"}},
			m{"roleRef": m{"name": "b"}},
			nil,
			settings{},
			kinds{"roleRef.name": updRepl},
		},
		"Role": {
			"diff.go: no entry", "rbac.authorization.k8s.io/v1", "Role",
			m{"rules": l{m{"verbs": l{"get"}}}},
			m{"rules": l{m{"verbs": l{"get", "list"}}}},
			nil,
			settings{},
			kinds{"rules[0].verbs[1]": add},
		},
		"StorageClass": {
			"diff.go: storage.k8s.io StorageClass", "storage.k8s.io/v1", "StorageClass",
			m{"provisioner": "a", "allowVolumeExpansion": false},
			m{"provisioner": "b", "allowVolumeExpansion": true},
			nil,
			settings{},
			kinds{"provisioner": updRepl, "allowVolumeExpansion": upd},
		},
		"Service": {
			"diff.go: core Service", "v1", "Service",
			m{"spec": m{"clusterIP": "10.0.0.1", "type": "ClusterIP"}},
			m{"spec": m{"clusterIP": "None", "type": "NodePort"}},
			nil,
			settings{},
			kinds{"spec.clusterIP": updRepl, "spec.type": upd},
		},
		"ResourceQuota": {
			"diff.go: core ResourceQuota", "v1", "ResourceQuota",
			m{"spec": m{"scopes": l{"BestEffort"}, "hard": m{"pods": "1"}}},
			m{"spec": m{"scopes": l{"NotBestEffort"}, "hard": m{"pods": "2"}}},
			nil,
			settings{},
			kinds{"spec.scopes[0]": updRepl, "spec.hard.pods": upd},
		},
		"Budget": {
			"diff.go: policy/v1 has no entry (v1beta1 has)", "policy/v1", "PodDisruptionBudget",
			m{"spec": m{"maxUnavailable": int64(1)}},
			m{"spec": m{"maxUnavailable": "50%"}},
			nil,
			settings{},
			kinds{"spec.maxUnavailable": upd},
		},
		"Numbers": {
			"provider.go: equalNumbers", "apps/v1", "Deployment",
			m{"spec": m{"replicas": int64(3)}},
			m{"spec": m{"replicas": 3.0}},
			nil,
			settings{},
			kinds{},
		},
		"Computed": {
			"provider.go: computed values are rendered as null in the patch", "v1", "Service",
			m{"spec": m{"externalName": "a"}},
			m{"spec": m{"externalName": unknown{}, "type": unknown{}}},
			nil,
			settings{},
			kinds{"spec.externalName": upd, "spec.type": add},
		},
		"Custom": {
			"diff.go: no entry for custom resources", "example.com/v1", "Widget",
			m{"spec": m{"selector": "a"}},
			m{"spec": m{"selector": "b"}},
			nil,
			settings{},
			kinds{"spec.selector": upd},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inputs := tc.inputs
			if inputs == nil {
				inputs = tc.old
			}
			gv, err := schema.ParseGroupVersion(tc.version)
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range []m{tc.old, tc.now, inputs} {
				o["apiVersion"], o["kind"] = tc.version, tc.kind
			}
			plain, _ := tc.now["stringData"].(m)
			res := result(wanted(tc.old, inputs, tc.now), tc.settings.rulesOf(gv.WithKind(tc.kind), inputs, tc.now), nil, plain)
			got := kinds{}
			for p, d := range res.DetailedDiff {
				got[p] = d.Kind
				if isDelete := d.Kind == del || d.Kind == delRepl; isDelete != d.InputDiff {
					t.Errorf("%s: input difference %t", p, d.InputDiff)
				}
			}
			if d := cmp.Diff(tc.want, got); d != "" {
				t.Errorf("%s (-want +got):\n%s", tc.source, d)
			}
			renamed := slices.ContainsFunc(slices.Collect(maps.Keys(got)), func(k string) bool { return k == "metadata.name" })
			if want := len(res.ReplaceKeys) > 0 && !renamed; res.DeleteBeforeReplace != want {
				t.Errorf("delete before replace = %t", res.DeleteBeforeReplace)
			}
		})
	}
}
