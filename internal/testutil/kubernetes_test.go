package testutil

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestKubernetes(t *testing.T) {
	t.Parallel()
	k := Kubernetes(t)
	cases := map[string]func(t *testing.T, k *KubernetesServer){
		"Version": kubernetesVersion, "Names": kubernetesNames, "Deployment": kubernetesDeployment,
		"Quota": kubernetesQuota, "PodSecurity": kubernetesPodSecurity, "RBAC": kubernetesRBAC,
	}
	for name, run := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, k)
		})
	}
}

// kubernetesVersion: the version that the linker writes into the program is that of the module.
func kubernetesVersion(t *testing.T, k *KubernetesServer) {
	gomod, err := os.ReadFile("../tools/kubernetes/go.mod")
	if err != nil {
		t.Fatal(err)
	}
	want := regexp.MustCompile(`k8s\.io/kubernetes (v\S+)`).FindSubmatch(gomod)[1]
	if out := k.Admin.Kubectl(t, "version"); strings.Count(out, string(want)) != 2 {
		t.Errorf("client and server are not %s:\n%s", want, out)
	}
}

// kubernetesNames: the program knows every name that it is linked to, and says so when it does not.
func kubernetesNames(t *testing.T, k *KubernetesServer) {
	const unknown = "no such program here"
	names, err := os.ReadFile("../tools/kubernetes/names")
	if err != nil {
		t.Fatal(err)
	}
	for name := range strings.FieldsSeq(string(names)) {
		out, _ := exec.CommandContext(t.Context(), filepath.Join(k.programs, name), "--help").CombinedOutput()
		if strings.Contains(string(out), unknown) {
			t.Errorf("%s: %s", name, out)
		}
	}
	out, err := exec.CommandContext(t.Context(), filepath.Join(k.programs, "kubernetes")).CombinedOutput()
	if err == nil || !strings.Contains(string(out), unknown) {
		t.Errorf("an unknown name: %v: %s", err, out)
	}
}

func kubernetesDeployment(t *testing.T, k *KubernetesServer) {
	namespace := testNamespace(t, k, "")
	k.Admin.Kubectl(t, "create", "deployment", "web", "--image=web", "--replicas=2", "-n", namespace)
	Eventually(t, startTimeout, "the Deployment's ReplicaSet makes its Pods", func() error {
		out, err := k.Admin.TryKubectl(t, "get", "pods", "-n", namespace, "-l", "app=web",
			"-o", `jsonpath={range .items[*]}{.metadata.ownerReferences[0].kind} {.status.phase}{"\n"}{end}`)
		if err == nil && out != "ReplicaSet Pending\nReplicaSet Pending\n" {
			err = fmt.Errorf("there is %q", out)
		}
		return err
	})
	k.Admin.Kubectl(t, "delete", "namespace", namespace, "--timeout=1m") // which the controllers empty
}

func kubernetesQuota(t *testing.T, k *KubernetesServer) {
	namespace := testNamespace(t, k, "")
	k.Admin.Kubectl(t, "create", "quota", "one", "--hard=pods=1", "-n", namespace)
	Eventually(t, startTimeout, "the first Pod fits", func() error {
		_, err := k.Admin.TryKubectl(t, "run", "first", "--image=web", "-n", namespace)
		return err
	})
	mustRefuse(t, "exceeded quota: one")(k.Admin.TryKubectl(t, "run", "second", "--image=web", "-n", namespace))
}

func kubernetesPodSecurity(t *testing.T, k *KubernetesServer) {
	namespace := testNamespace(t, k, "pod-security.kubernetes.io/enforce: baseline")
	mustRefuse(t, "violates PodSecurity")(k.Admin.TryKubectl(t, "run", "root", "--image=web", "--privileged", "-n", namespace))
}

func kubernetesRBAC(t *testing.T, k *KubernetesServer) {
	namespace := testNamespace(t, k, "")
	jane := k.User(t, "jane", "team")
	list := func() (string, error) { return jane.TryKubectl(t, "get", "pods", "-n", namespace) }
	mustRefuse(t, `User "jane" cannot list resource "pods"`)(list())
	k.Admin.Kubectl(t, "create", "rolebinding", "team", "--clusterrole=view", "--group=team", "-n", namespace)
	Eventually(t, startTimeout, "the team may look", func() error {
		_, err := list()
		return err
	})
	mustRefuse(t, `User "jane" cannot create resource "pods"`)(jane.TryKubectl(t, "run", "hers", "--image=web", "-n", namespace))
}

func TestKubernetesRestart(t *testing.T) {
	t.Parallel()
	began := time.Now()
	k := NewKubernetes(t)
	t.Logf("first start %s", time.Since(began))
	namespace := testNamespace(t, k, "")
	k.Kill()
	if out, err := k.Admin.TryKubectl(t, "get", "namespace", namespace); err == nil {
		t.Fatalf("it answers after it was killed: %s", out)
	}
	began = time.Now()
	k.Restart(t)
	t.Logf("restart %s", time.Since(began))
	k.Admin.Kubectl(t, "get", "namespace", namespace)
}

// testNamespace makes a namespace with a label.
func testNamespace(t *testing.T, k *KubernetesServer, label string) string {
	t.Helper()
	name := strings.ReplaceAll(Unique("test"), "_", "-")
	k.Admin.Apply(t, fmt.Sprintf("{apiVersion: v1, kind: Namespace, metadata: {name: %s, labels: {%s}}}", name, label))
	Eventually(t, startTimeout, "the namespace has its service account", func() error {
		_, err := k.Admin.TryKubectl(t, "get", "serviceaccount", "default", "-n", name)
		return err
	})
	return name
}

// mustRefuse ends the test unless there is an error that says why.
func mustRefuse(t *testing.T, why string) func(out string, err error) {
	t.Helper()
	return func(out string, err error) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("want %q, got %v: %s", why, err, out)
		}
	}
}
