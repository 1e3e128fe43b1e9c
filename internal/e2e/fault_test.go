package e2e

import (
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"

	"plattr.dev/plattr/internal/image"
	"plattr.dev/plattr/internal/testutil"
	"plattr.dev/plattr/localdev/state/statetest"
)

const faultPlatform = `baseDomain: example.com
environments:
  staging:
    namespace: %s
    cluster: {kubeconfig: %s, context: %s}
    ingress: {class: any, rewrite: {annotations: {a/b: c}}}
    state: file://state
    images: {plattr: %[4]s, postgrest: %[4]s}
`

// faultKubeconfig leads to a server as a user, whose credentials are JSON.
const faultKubeconfig = `{"apiVersion":"v1","kind":"Config","current-context":"test",
"clusters":[{"name":"c","cluster":{"server":%q,"insecure-skip-tls-verify":true}}],
"users":[{"name":"somebody","user":%s}],"contexts":[{"name":"test","context":{"cluster":"c","user":"somebody"}}]}`

// faulty is a cluster that does not do what `plattr deploy` asks for.
type faulty struct {
	kubeconfig string // path; the administrator's if empty
	context    string
	before     string // manifests, with NAMESPACE
	role       string // rules of bob in the namespace, who then deploys
	says       []string
	silent     bool // nothing may have been made
}

func faults(t *testing.T, k *testutil.KubernetesServer) map[string]faulty {
	t.Helper()
	write := func(server, user string) string {
		t.Helper()
		path := filepath.Join(t.TempDir(), "kubeconfig")
		if err := os.WriteFile(path, fmt.Appendf(nil, faultKubeconfig, server, user), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	helper := func(program string) string {
		return `{"exec":{"apiVersion":"client.authentication.k8s.io/v1","command":"` + program + `","interactiveMode":"Never"}}`
	}
	return map[string]faulty{
		"Unreachable":   {kubeconfig: write("https://127.0.0.1:1", "{}"), says: []string{"cannot reach cluster https://127.0.0.1:1 (context test): connect: connection refused: check that it runs"}, silent: true},
		"Context":       {context: "other", says: []string{`context "other" is not in kubeconfig`, "it has "}, silent: true},
		"Token":         {kubeconfig: write(k.URL, `{"token":"expired"}`), says: []string{`does not accept user "somebody" of the kubeconfig: the token or certificate is wrong or has expired: sign in again`}, silent: true},
		"Helper":        {kubeconfig: write(k.URL, helper("no-such-helper")), says: []string{`signs in with the program "no-such-helper", which is not installed: install it`}, silent: true},
		"HelperFails":   {kubeconfig: write(k.URL, helper("false")), says: []string{`the program "false" of user "somebody" of the kubeconfig failed with exit code 1: run it by hand`}, silent: true},
		"NoPermission":  {role: `[{"apiGroups":[""],"resources":["pods"],"verbs":["get"]}]`, says: []string{"bob may not ", " in namespace NAMESPACE: ask for a role that allows it"}, silent: true},
		"OnePermission": {role: `[{"apiGroups":["","networking.k8s.io","autoscaling","policy","batch"],"resources":["*"],"verbs":["*"]},{"apiGroups":["apps"],"resources":["deployments"],"verbs":["get","list","watch"]}]`, says: []string{"Deployment NAMESPACE/shop: bob may not patch deployments in namespace NAMESPACE: ask for a role"}},
		"Quota":         {before: `{"apiVersion":"v1","kind":"ResourceQuota","metadata":{"name":"small","namespace":"NAMESPACE"},"spec":{"hard":{"count/deployments.apps":"0"}}}`, says: []string{"Deployment NAMESPACE/shop: quota small of namespace NAMESPACE is exceeded: asks for count/deployments.apps=1, in use are count/deployments.apps=0 of count/deployments.apps=0: raise the quota or ask for less"}},
		"Admission": {before: `{"apiVersion":"admissionregistration.k8s.io/v1","kind":"ValidatingAdmissionPolicy","metadata":{"name":"NAMESPACE"},
"spec":{"matchConstraints":{"namespaceSelector":{"matchLabels":{"kubernetes.io/metadata.name":"NAMESPACE"}},
"resourceRules":[{"apiGroups":["apps"],"apiVersions":["v1"],"operations":["CREATE"],"resources":["deployments"]}]},
"validations":[{"expression":"false","message":"releases are frozen"}]}}
---
{"apiVersion":"admissionregistration.k8s.io/v1","kind":"ValidatingAdmissionPolicyBinding","metadata":{"name":"NAMESPACE"},"spec":{"policyName":"NAMESPACE","validationActions":["Deny"]}}`, says: []string{"Deployment NAMESPACE/shop: ", "releases are frozen"}},
		// The rollout waits for this one: another object would fail beside it, and no kubelet ends a rollout here.
		"Person": {before: `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"shop-config","namespace":"NAMESPACE"}}`, says: []string{"ConfigMap NAMESPACE/shop-config"}},
	}
}

// TestDeployFaults holds what `plattr deploy` says when the cluster does not do what it is asked for, in one line that names
// the object and what to do; and that whatever was made by then goes with `undeploy`.
func TestDeployFaults(t *testing.T) {
	t.Parallel()
	k := testutil.Kubernetes(t)
	root := statetest.Room(t)
	program := build(t, root)
	image := anyImage(t)
	for what, f := range faults(t, k) {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			namespace := "fault-" + strings.ToLower(what)
			k.Admin.Apply(t, `{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"`+namespace+`"}}`)
			if f.before != "" {
				k.Admin.Apply(t, strings.ReplaceAll(f.before, "NAMESPACE", namespace))
			}
			for frozen := what != "Admission"; !frozen; { // a policy holds some time after it was made
				_, err := k.Admin.TryKubectl(t, "create", "deployment", "probe", "--image=a", "-n", namespace, "--dry-run=server")
				frozen = err != nil
			}
			p := &place{t: t, root: filepath.Join(root, what), program: program}
			f.deploy(t, p, k, namespace, image)
		})
	}
	t.Run("Terminating", func(t *testing.T) {
		t.Parallel()
		k.Admin.Apply(t, `{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"fault-end"}}
---
{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"held","namespace":"fault-end","finalizers":["example.com/hold"]}}`)
		k.Admin.Kubectl(t, "delete", "namespace", "fault-end", "--wait=false")
		t.Cleanup(func() {
			_, _ = k.Admin.TryKubectl(t, "patch", "configmap", "held", "-n", "fault-end", "--type=merge", "-p", `{"metadata":{"finalizers":null}}`)
		})
		f := faulty{says: []string{"namespace NAMESPACE is being deleted: wait until it is gone, then run again"}, silent: true}
		f.deploy(t, &place{t: t, root: filepath.Join(root, "end"), program: program}, k, "fault-end", image)
	})
}

// deploy meets the fault, and takes away what was made.
func (f faulty) deploy(t *testing.T, p *place, k *testutil.KubernetesServer, namespace, image string) {
	t.Helper()
	const app1 = "name: shop\nframework: docker\n"
	a := &app{place: p, name: "shop", dir: filepath.Join(p.root, "shop")}
	p.write(".git/HEAD", "")
	p.write("shop/plattr.yaml", app1)
	kubeconfig := f.kubeconfig
	if kubeconfig == "" {
		kubeconfig = k.Admin.Path
	}
	if f.role != "" {
		kubeconfig = k.User(t, "bob").Path
		k.Admin.Apply(t, strings.ReplaceAll(`{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"Role","metadata":{"name":"r","namespace":"NAMESPACE"},"rules":`+f.role+`}
---
{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"RoleBinding","metadata":{"name":"r","namespace":"NAMESPACE"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"Role","name":"r"},
"subjects":[{"apiGroup":"rbac.authorization.k8s.io","kind":"User","name":"bob"}]}`, "NAMESPACE", namespace))
	}
	platform := func(kubeconfig, context string) {
		p.write("plattr.platform.yaml", fmt.Sprintf(faultPlatform, namespace, kubeconfig, `"`+context+`"`, image))
	}
	platform(kubeconfig, f.context)
	got := a.try("deploy", "--env", "staging", "--image", image, "-q")
	for _, words := range f.says {
		if words = strings.ReplaceAll(words, "NAMESPACE", namespace); !strings.Contains(got.err, words) {
			t.Errorf("it does not say %q", words)
		}
	}
	for line := range strings.Lines(got.err) {
		known := func(start string) bool { return strings.HasPrefix(strings.TrimSpace(line), start) }
		if !slices.ContainsFunc([]string{"could not create ", "nor, for the same reason, ", "Next: plattr "}, known) {
			t.Errorf("a line that tells of no object: %s", line)
		}
	}
	if got.code != 1 || got.out != "" {
		t.Errorf("exit code %d, output %q", got.code, got.out)
	}
	if got.took > 30*time.Second {
		t.Errorf("it took %s to fail", got.took)
	}
	objects := func() string {
		return strings.TrimSpace(k.Admin.Kubectl(t, "get", "all,secrets,configmaps,ingresses,networkpolicies,hpa,pdb,serviceaccounts",
			"-n", namespace, "-l", "app.kubernetes.io/name=shop", "-o", "name"))
	}
	if left := objects(); f.silent && left != "" {
		t.Errorf("there is %s", left)
	}
	platform(k.Admin.Path, "")
	a.run("undeploy", "--env", "staging", "--data", "--yes", "-q")
	if left := objects(); left != "" {
		t.Errorf("left is %s", left)
	}
}

// anyImage is one in a registry of the test's own, by digest.
func anyImage(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	img, err := random.Image(100, 1)
	if err == nil {
		file, err2 := img.ConfigFile()
		if err2 != nil {
			t.Fatal(err2)
		}
		config := file.Config
		config.User = "10001"
		img, err = mutate.Config(img, config)
	}
	if err != nil {
		t.Fatal(err)
	}
	pinned, err := image.Push(t.Context(), strings.TrimPrefix(server.URL, "http://")+"/shop:dev", img)
	if err != nil {
		t.Fatal(err)
	}
	return pinned
}
