package kubernetes

import (
	"slices"
	"strings"
	"testing"

	"plattr.dev/plattr/internal/testutil"
)

// life is one kind as it is made, changed, and changed by somebody else.
type life struct {
	token  string
	inputs m // without metadata
	// change replaces keys of the inputs; paths are what then differs, with a ! for a new object.
	change m
	paths  []string
	// drift is a merge patch by hand, and where it is then seen; empty: none.
	drift      string
	driftPaths []string
	cluster    bool // it has no namespace
}

func podTemplate(image string) m {
	return m{
		"metadata": m{"labels": m{"app": "web"}},
		"spec": m{"containers": l{m{
			"name": "app", "image": image, "ports": l{m{"containerPort": 80}},
			// 1000m and 0.5 are written otherwise by the API server.
			"resources": m{"requests": m{"cpu": "1000m", "memory": "0.5Gi"}},
			"env":       l{m{"name": "A", "value": "1"}},
		}}},
	}
}

func selector() m { return m{"matchLabels": m{"app": "web"}} }

func spec(image string, more m) m {
	return with(m{"selector": selector(), "template": podTemplate(image)}, more)
}

func lives() map[string]life {
	return map[string]life{
		"Namespace": {
			token: "kubernetes:core/v1:Namespace", cluster: true,
			inputs: m{}, drift: `{"metadata":{"labels":{"else":"where"}}}`,
		},
		"ConfigMap": {
			token: "kubernetes:core/v1:ConfigMap", inputs: m{"data": m{"a": "1", "b": "2"}},
			change: m{"data": m{"a": "2", "c": "3"}}, paths: []string{"data.a", "data.b", "data.c"},
			drift: `{"data":{"a":"9","other":"kept"}}`, driftPaths: []string{"data.a"},
		},
		"Secret": {
			token: "kubernetes:core/v1:Secret", inputs: m{"stringData": m{"a": "first", "b": "second"}},
			change: m{"stringData": m{"a": "third"}}, paths: []string{"data.b", "stringData.a"},
			drift: `{"stringData":{"a":"ninth"}}`, driftPaths: []string{"stringData.a"},
		},
		"Service": {
			token:  "kubernetes:core/v1:Service",
			inputs: m{"spec": m{"selector": m{"app": "web"}, "ports": l{m{"port": 80, "targetPort": "http"}}}},
			change: m{"spec": m{"selector": m{"app": "web"}, "ports": l{m{"port": 81, "targetPort": "http"}}}},
			paths:  []string{"spec.ports[0].port"},
			drift:  `{"spec":{"selector":{"app":"other"}}}`, driftPaths: []string{"spec.selector.app"},
		},
		"ServiceAccount": {
			token: "kubernetes:core/v1:ServiceAccount", inputs: m{"automountServiceAccountToken": false},
			change: m{"automountServiceAccountToken": true}, paths: []string{"automountServiceAccountToken"},
			drift: `{"automountServiceAccountToken":true}`, driftPaths: []string{"automountServiceAccountToken"},
		},
		"PersistentVolumeClaim": {
			token:  "kubernetes:core/v1:PersistentVolumeClaim",
			inputs: m{"spec": m{"accessModes": l{"ReadWriteOnce"}, "storageClassName": "none", "resources": m{"requests": m{"storage": "1024Mi"}}}},
			change: m{"spec": m{"accessModes": l{"ReadWriteMany"}, "storageClassName": "none", "resources": m{"requests": m{"storage": "1024Mi"}}}},
			paths:  []string{"spec.accessModes[0]!"},
		},
		"ResourceQuota": {
			token: "kubernetes:core/v1:ResourceQuota", inputs: m{"spec": m{"hard": m{"pods": "5", "requests.cpu": "2000m"}}},
			change: m{"spec": m{"hard": m{"pods": "6", "requests.cpu": "2"}}}, paths: []string{"spec.hard.pods"},
			drift: `{"spec":{"hard":{"pods":"9"}}}`, driftPaths: []string{"spec.hard.pods"},
		},
		"Pod": {
			token: "kubernetes:core/v1:Pod", inputs: m{"spec": podTemplate("a")["spec"]},
			change: m{"spec": podTemplate("b")["spec"]}, paths: []string{"spec.containers[0].image!"},
		},
		"Deployment": {
			token: "kubernetes:apps/v1:Deployment", inputs: m{"spec": spec("a", m{"replicas": 2})},
			change: m{"spec": spec("b", m{"replicas": 3})}, paths: []string{"spec.replicas", "spec.template.spec.containers[0].image"},
			drift: `{"spec":{"replicas":7,"revisionHistoryLimit":3}}`, driftPaths: []string{"spec.replicas"},
		},
		"StatefulSet": {
			token: "kubernetes:apps/v1:StatefulSet", inputs: m{"spec": spec("a", m{"serviceName": "a"})},
			change: m{"spec": spec("a", m{"serviceName": "b"})}, paths: []string{"spec.serviceName!"},
			drift: `{"spec":{"template":{"metadata":{"labels":{"app":"web","x":"y"}}}}}`,
		},
		"DaemonSet": {
			token: "kubernetes:apps/v1:DaemonSet", inputs: m{"spec": spec("a", nil)},
			change: m{"spec": spec("b", nil)}, paths: []string{"spec.template.spec.containers[0].image"},
			drift: `{"spec":{"minReadySeconds":5}}`,
		},
		"Job": {
			token:  "kubernetes:batch/v1:Job",
			inputs: m{"spec": m{"backoffLimit": 1, "template": m{"spec": m{"restartPolicy": "Never", "containers": l{m{"name": "a", "image": "a"}}}}}},
			change: m{"spec": m{"backoffLimit": 1, "template": m{"spec": m{"restartPolicy": "Never", "containers": l{m{"name": "a", "image": "b"}}}}}},
			paths:  []string{"spec.template.spec.containers[0].image!"},
			drift:  `{"spec":{"backoffLimit":4}}`, driftPaths: []string{"spec.backoffLimit"},
		},
		"CronJob": {
			token:  "kubernetes:batch/v1:CronJob",
			inputs: m{"spec": m{"schedule": "0 * * * *", "jobTemplate": m{"spec": m{"template": m{"spec": m{"restartPolicy": "Never", "containers": l{m{"name": "a", "image": "a"}}}}}}}},
			change: m{"spec": m{"schedule": "1 * * * *", "jobTemplate": m{"spec": m{"template": m{"spec": m{"restartPolicy": "Never", "containers": l{m{"name": "a", "image": "a"}}}}}}}},
			paths:  []string{"spec.schedule"},
			drift:  `{"spec":{"suspend":true}}`,
		},
		"Ingress": {
			token: "kubernetes:networking.k8s.io/v1:Ingress",
			inputs: m{"spec": m{"ingressClassName": "nginx", "rules": l{m{"host": "a.example", "http": m{"paths": l{m{
				"path": "/", "pathType": "Prefix", "backend": m{"service": m{"name": "web", "port": m{"number": 80}}},
			}}}}}}},
			change: m{"spec": m{"ingressClassName": "other", "defaultBackend": m{"service": m{"name": "web", "port": m{"number": 80}}}}},
			paths:  []string{"spec.defaultBackend", "spec.ingressClassName", "spec.rules"},
			drift:  `{"spec":{"ingressClassName":"x"}}`, driftPaths: []string{"spec.ingressClassName"},
		},
		"IngressClass": {
			token: "kubernetes:networking.k8s.io/v1:IngressClass", cluster: true, inputs: m{"spec": m{"controller": "example.com/x"}},
			drift: `{"metadata":{"labels":{"else":"where"}}}`,
		},
		"NetworkPolicy": {
			token:  "kubernetes:networking.k8s.io/v1:NetworkPolicy",
			inputs: m{"spec": m{"podSelector": selector(), "ingress": l{m{"from": l{m{"podSelector": m{}}}}}}},
			change: m{"spec": m{"podSelector": selector(), "policyTypes": l{"Ingress", "Egress"}, "ingress": l{m{"from": l{m{"podSelector": m{}}}}}}},
			paths:  []string{"spec.policyTypes[1]"},
		},
		"HorizontalPodAutoscaler": {
			token: "kubernetes:autoscaling/v2:HorizontalPodAutoscaler",
			inputs: m{"spec": m{
				"minReplicas": 2, "maxReplicas": 4, "scaleTargetRef": m{"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
				"metrics": l{m{"type": "Resource", "resource": m{"name": "cpu", "target": m{"type": "Utilization", "averageUtilization": 70}}}},
			}},
			change: m{"spec": m{
				"minReplicas": 2, "maxReplicas": 5, "scaleTargetRef": m{"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
				"metrics": l{m{"type": "Resource", "resource": m{"name": "cpu", "target": m{"type": "Utilization", "averageUtilization": 70}}}},
			}},
			paths: []string{"spec.maxReplicas"},
			drift: `{"spec":{"maxReplicas":9}}`, driftPaths: []string{"spec.maxReplicas"},
		},
		"PodDisruptionBudget": {
			token: "kubernetes:policy/v1:PodDisruptionBudget", inputs: m{"spec": m{"maxUnavailable": 1, "selector": selector()}},
			change: m{"spec": m{"maxUnavailable": "50%", "selector": selector()}}, paths: []string{"spec.maxUnavailable"},
			drift: `{"spec":{"maxUnavailable":2}}`, driftPaths: []string{"spec.maxUnavailable"},
		},
		"Role": {
			token:  "kubernetes:rbac.authorization.k8s.io/v1:Role",
			inputs: m{"rules": l{m{"apiGroups": l{""}, "resources": l{"pods"}, "verbs": l{"get"}}}},
			change: m{"rules": l{m{"apiGroups": l{""}, "resources": l{"pods"}, "verbs": l{"get", "list"}}}}, paths: []string{"rules[0].verbs[1]"},
			drift: `{"rules":[]}`, driftPaths: []string{"rules"},
		},
		"ClusterRole": {
			token: "kubernetes:rbac.authorization.k8s.io/v1:ClusterRole", cluster: true,
			inputs: m{"rules": l{m{"apiGroups": l{""}, "resources": l{"nodes"}, "verbs": l{"get"}}}},
			change: m{"rules": l{m{"apiGroups": l{""}, "resources": l{"nodes"}, "verbs": l{"list"}}}}, paths: []string{"rules[0].verbs[0]"},
		},
		"RoleBinding": {
			token: "kubernetes:rbac.authorization.k8s.io/v1:RoleBinding",
			inputs: m{
				"roleRef":  m{"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "a"},
				"subjects": l{m{"kind": "ServiceAccount", "name": "default", "namespace": "default"}},
			},
			change: m{"roleRef": m{"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "b"}}, paths: []string{"roleRef.name!"},
		},
		"ClusterRoleBinding": {
			token: "kubernetes:rbac.authorization.k8s.io/v1:ClusterRoleBinding", cluster: true,
			inputs: m{
				"roleRef":  m{"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
				"subjects": l{m{"kind": "Group", "name": "people", "apiGroup": "rbac.authorization.k8s.io"}},
			},
			change: m{"subjects": l{m{"kind": "Group", "name": "others", "apiGroup": "rbac.authorization.k8s.io"}}},
			paths:  []string{"subjects[0].name"},
		},
		"StorageClass": {
			token: "kubernetes:storage.k8s.io/v1:StorageClass", cluster: true, inputs: m{"provisioner": "example.com/x"},
			change: m{"provisioner": "example.com/y"}, paths: []string{"provisioner!"},
		},
	}
}

// TestLives takes every kind through its life: made, taken over, unchanged, changed, changed by hand, another stack's,
// deleted, and deleted again.
func TestLives(t *testing.T) {
	t.Parallel()
	mutable := m{"enableConfigMapMutable": true, "enableSecretMutable": true}
	p := stackOf(t, "lives", mutable)
	ns := newNamespace(t, p)
	for name, tc := range lives() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, other := stackOf(t, "lives", mutable), stackOf(t, "others", mutable)
			meta := m{"name": unique("it"), "annotations": m{skipAwaitAnnotation: "true", propagationAnnotation: "background"}}
			if !tc.cluster {
				meta["namespace"] = ns
			}
			if name == "Namespace" {
				meta["annotations"] = m{} // else its deletion is not waited for
			}
			in := with(tc.inputs, m{"metadata": meta})
			r := p.MustCreate(t, tc.token, in)
			uid := stateUID(r.Outputs)
			if r.Outputs[fieldManagerKey].StringValue() != "plattr:plattr/lives" || r.Outputs[initialVersionKey].StringValue() == "" || uid == "" {
				t.Errorf("hidden outputs = %v", r.Outputs)
			}
			same(t, p, r, in)
			if again := p.MustCreate(t, tc.token, in); stateUID(again.Outputs) != uid {
				t.Error("a second create did not take over the first one's")
			}
			_, err := other.Create(t, tc.token, in)
			wantErr(t, err, "belongs to stack plattr/lives: choose another name")
			drifts(t, p, r, tc, in)
			changes(t, p, r, tc, in)
			if !r.Refresh() {
				t.Fatal("it is gone before it was deleted")
			}
			for range 2 {
				if err := r.Delete(); err != nil {
					t.Fatal(err)
				}
			}
			if r.Refresh() {
				t.Error("it outlives its deletion")
			}
		})
	}
}

// drifts changes the object by hand: what is not the program's stays, what is shows, and is taken back only by force.
func drifts(t *testing.T, p *testutil.Provider, r *testutil.Resource, tc life, in m) {
	t.Helper()
	if tc.drift == "" {
		return
	}
	meta := in["metadata"].(m)
	kind := tc.token[strings.LastIndex(tc.token, ":")+1:]
	args := []string{"patch", kind, meta["name"].(string), "--type=merge", "-p", tc.drift}
	if !tc.cluster {
		args = append(args, "-n", meta["namespace"].(string))
	}
	kubectl(t, args...)
	same(t, p, r, in, tc.driftPaths...)
	if len(tc.driftPaths) == 0 {
		return
	}
	wantErr(t, r.Update(in), `belongs to field manager "kubectl-patch": leave it out of the program, or take it by the annotation pulumi.com/patchForce`)
	forced := with(in, m{"metadata": with(meta, m{"annotations": with(meta["annotations"].(m), m{forceAnnotation: "true"})})})
	if err := r.Update(forced); err != nil {
		t.Fatal(err)
	}
	same(t, p, r, forced)
	if err := r.Update(in); err != nil {
		t.Fatal(err)
	}
	same(t, p, r, in)
}

func changes(t *testing.T, p *testutil.Provider, r *testutil.Resource, tc life, in m) {
	t.Helper()
	if tc.change == nil {
		return
	}
	now := with(in, tc.change)
	same(t, p, r, now, tc.paths...)
	if slices.ContainsFunc(tc.paths, func(p string) bool { return strings.HasSuffix(p, "!") }) {
		return
	}
	if err := r.Update(now); err != nil {
		t.Fatal(err)
	}
	same(t, p, r, now)
}
