package kubernetes

import (
	"os"
	"strings"
	"testing"

	"plattr.dev/plattr/internal/testutil"
)

// inPodVariable makes this test's program, in a pod, what is tested.
const inPodVariable = "PLATTR_TEST_IN_POD"

// podManifest is a pod that may keep ConfigMaps of its namespace, and do nothing else.
const podManifest = `
apiVersion: v1
kind: Namespace
metadata: {name: inside}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: plattr, namespace: inside}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: plattr, namespace: inside}
rules: [{apiGroups: [""], resources: [configmaps], verbs: ["*"]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: plattr, namespace: inside}
subjects: [{kind: ServiceAccount, name: plattr}]
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: plattr}
---
apiVersion: v1
kind: Pod
metadata: {name: plattr, namespace: inside}
spec:
  serviceAccountName: plattr
  terminationGracePeriodSeconds: 1
  containers:
    - {name: shell, image: ` + image + `, command: [sleep, 1d], env: [{name: ` + inPodVariable + `, value: "1"}]}
`

// nodeInPod runs TestInPod in a pod.
func nodeInPod(t *testing.T, c *testutil.KindCluster) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c.Admin.Apply(t, podManifest)
	c.Admin.Kubectl(t, "wait", "--for=condition=Ready", "--timeout=1m", "pod/plattr", "-n", "inside")
	c.Admin.Kubectl(t, "cp", "--retries=3", program, "inside/plattr:/tmp/program")
	out := c.Admin.Kubectl(t, "exec", "-n", "inside", "plattr", "--", "/tmp/program", "-test.run", "^TestInPod$", "-test.v")
	if !strings.Contains(out, "--- PASS: TestInPod") {
		t.Errorf("in a pod: %s", out)
	}
}

// TestInPod uses the identity of the pod that it runs in: without a kubeconfig, the provider reaches its cluster as the pod's
// service account, in the pod's namespace, and what that account may not do is told.
func TestInPod(t *testing.T) {
	t.Parallel()
	if os.Getenv(inPodVariable) == "" {
		t.Skip("TestNode runs this in a pod")
	}
	p := testutil.NewProvider(t, NewClusters().New(), "inside", m{})
	r := p.MustCreate(t, "kubernetes:core/v1:ConfigMap", m{"metadata": m{"name": "it"}, "data": m{"a": "1"}})
	if got := toObject(r.Outputs)["metadata"].(m)["namespace"]; got != "inside" {
		t.Errorf("namespace = %v", got)
	}
	same(t, p, r, m{"metadata": m{"name": "it"}, "data": m{"a": "1"}})
	_, err := p.Create(t, "kubernetes:core/v1:Service", m{"metadata": m{"name": "it"}, "spec": m{"ports": l{m{"port": 80}}}})
	wantErr(t, err, "system:serviceaccount:inside:plattr")
	wantErr(t, err, "services")
	if err := r.Delete(); err != nil {
		t.Error(err)
	}
}
