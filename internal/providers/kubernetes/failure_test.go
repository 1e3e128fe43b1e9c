package kubernetes

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"plattr.dev/plattr/internal/testutil"
)

// kubeconfigOf is a kubeconfig with a server and a user.
func kubeconfigOf(t *testing.T, server string, user m) string {
	t.Helper()
	raw, err := json.Marshal(m{
		"apiVersion": "v1", "kind": "Config", "current-context": "test",
		"clusters": l{m{"name": "c", "cluster": m{"server": server, "insecure-skip-tls-verify": strings.HasPrefix(server, "https")}}},
		"users":    l{m{"name": "somebody", "user": user}},
		"contexts": l{m{"name": "test", "context": m{"cluster": "c", "user": "somebody"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// TestAccess holds what is said when a cluster cannot be reached, or does not let one in.
func TestAccess(t *testing.T) {
	t.Parallel()
	server := testutil.Kubernetes(t).URL
	free := httptest.NewServer(http.NotFoundHandler())
	free.Close()
	cases := map[string]struct{ kubeconfig, want string }{
		"Unreachable": {kubeconfigOf(t, free.URL, m{}), "cannot reach cluster " + free.URL + " (context test): connect: connection refused: check that it runs"},
		"Token":       {kubeconfigOf(t, server, m{"token": "expired"}), `does not accept user "somebody" of the kubeconfig: the token or certificate is wrong or has expired: sign in again`},
		"Helper": {
			kubeconfigOf(t, server, m{"exec": m{"apiVersion": "client.authentication.k8s.io/v1", "command": "plattr-no-such-helper", "interactiveMode": "Never"}}),
			`signs in with the program "plattr-no-such-helper", which is not installed: install it`,
		},
		"HelperFails": {
			kubeconfigOf(t, server, m{"exec": m{"apiVersion": "client.authentication.k8s.io/v1", "command": "false", "interactiveMode": "Never"}}),
			`the program "false" of user "somebody" of the kubeconfig failed with exit code 1`,
		},
		"Permission": {
			testutil.Kubernetes(t).User(t, "bob").Content,
			"bob may not get configmaps in namespace default: ask for a role that allows it",
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := stackOn(t, tc.kubeconfig, "access")
			began := time.Now()
			_, err := p.Create(t, configMapToken, m{"metadata": m{"name": "x"}, "data": m{"a": "b"}})
			wantErr(t, err, tc.want)
			if strings.Contains(err.Error(), "\n") || time.Since(began) > 5*time.Second {
				t.Errorf("after %s: %q", time.Since(began), err)
			}
		})
	}
}

// TestDeleteUnreachable holds that objects of a cluster which is gone can be dropped, if the program says so.
func TestDeleteUnreachable(t *testing.T) {
	t.Parallel()
	free := httptest.NewServer(http.NotFoundHandler())
	free.Close()
	p := stackOn(t, kubeconfigOf(t, free.URL, m{}), "gone", m{"deleteUnreachable": "true"})
	urn := resource.NewURN("gone", "plattr", "", configMapToken, "test")
	res, err := p.Read(t.Context(), plugin.ReadRequest{URN: urn, ID: "default/x", Inputs: resource.PropertyMap{"a": resource.NewStringProperty("b")}})
	if err != nil || res.Outputs != nil {
		t.Errorf("%v, %v", res, err)
	}
	if _, err := p.Delete(t.Context(), plugin.DeleteRequest{URN: urn, ID: "default/x"}); err != nil {
		t.Error(err)
	}
}

// TestRefused holds what is said when the API server does not take an object.
func TestRefused(t *testing.T) {
	t.Parallel()
	p := stackOf(t, "refused")
	ns := newNamespace(t, p)
	kubectl(t, "label", "namespace", ns, "pod-security.kubernetes.io/enforce=restricted")
	policy := unique("no-x")
	testutil.Kubernetes(t).Admin.Apply(t, `{"apiVersion":"admissionregistration.k8s.io/v1","kind":"ValidatingAdmissionPolicy","metadata":{"name":"`+policy+`"},
		"spec":{"matchConstraints":{"namespaceSelector":{"matchLabels":{"kubernetes.io/metadata.name":"`+ns+`"}},
		"resourceRules":[{"apiGroups":[""],"apiVersions":["v1"],"operations":["CREATE"],"resources":["serviceaccounts"]}]},
		"validations":[{"expression":"false","message":"accounts are made by the platform team"}]}}
---
{"apiVersion":"admissionregistration.k8s.io/v1","kind":"ValidatingAdmissionPolicyBinding","metadata":{"name":"`+policy+`"},"spec":{"policyName":"`+policy+`","validationActions":["Deny"]}}`)
	t.Cleanup(func() {
		kubectl(t, "delete", "validatingadmissionpolicybinding,validatingadmissionpolicy", policy)
	})
	cases := map[string]struct {
		token string
		in    m
		want  string
	}{
		"PodSecurity": {"kubernetes:core/v1:Pod", m{"metadata": named(ns, "web"), "spec": podTemplate("a")["spec"]}, `refused by the cluster's admission: violates PodSecurity "restricted:latest"`},
		"Field":       {"kubernetes:core/v1:Service", m{"metadata": named(ns, "web"), "spec": m{"prots": l{}}}, "Service " + ns + "/web: .spec.prots: field not declared in schema"},
		"Value":       {"kubernetes:core/v1:Service", m{"metadata": named(ns, "web"), "spec": m{"ports": l{m{"port": 99999}}}}, "spec.ports[0].port: Invalid value: 99999: must be between 1 and 65535"},
		"Name":        {configMapToken, m{"metadata": named(ns, "No Name")}, "metadata.name: Invalid value: \"No Name\""},
		"Secret":      {"kubernetes:core/v1:Secret", m{"metadata": named(ns, "s"), "type": "kubernetes.io/dockerconfigjson", "stringData": m{".dockerconfigjson": "hunter2hunter2"}}, "data[.dockerconfigjson]: is refused"},
		"NoNamespace": {configMapToken, m{"metadata": named("nowhere-"+ns, "x")}, "namespace nowhere-" + ns + " does not exist: create it first, or depend on it"},
		"NoKind":      {"kubernetes:nowhere.example.com/v1:Widget", m{"metadata": named(ns, "x")}, "has no kind Widget in nowhere.example.com/v1: install its CustomResourceDefinition first"},
		"Missing":     {configMapToken, m{"data": m{"a": "b"}}, "metadata.name is missing"},
		"Generate":    {configMapToken, m{"metadata": m{"generateName": "x-"}}, "metadata.generateName cannot be used"},
		"WaitFor":     {configMapToken, m{"metadata": m{"name": "x", "annotations": m{waitForAnnotation: "Ready"}}}, `annotation pulumi.com/waitFor: expected a "jsonpath=" or "condition=" prefix, got "Ready"`},
		"Mark":        {configMapToken, m{"metadata": m{"name": "x", "annotations": m{markKey: "a/b"}}}, `annotation plattr.dev/owner is "a/b" in the program, but this stack is "plattr/refused"`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := stackOf(t, "refused")
			_, err := p.Create(t, tc.token, tc.in)
			wantErr(t, err, tc.want)
			if err != nil && (strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "\n")) {
				t.Errorf("error = %q", err)
			}
		})
	}
	t.Run("Policy", func(t *testing.T) {
		t.Parallel()
		err := error(nil)
		for range 100 { // the policy is compiled some time after it was made
			if _, err = p.Create(t, "kubernetes:core/v1:ServiceAccount", m{"metadata": named(ns, unique("robot"))}); err != nil {
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
		wantErr(t, err, "denied request: accounts are made by the platform team")
	})
}

// TestTerminating holds that what is being deleted is waited for, that nothing is put into a namespace that goes, and
// that an error says what holds it.
func TestTerminating(t *testing.T) {
	t.Parallel()
	p := stackOf(t, "terminating")
	name := unique("test")
	in := m{"metadata": m{"name": name, "annotations": m{timeoutAnnotation: "2"}}}
	ns := p.MustCreate(t, "kubernetes:core/v1:Namespace", in)
	held := p.MustCreate(t, configMapToken, m{"metadata": with(named(name, "held"), m{
		"finalizers": l{"example.com/hold"}, "annotations": m{timeoutAnnotation: "1"},
	})})
	wantErr(t, held.Delete(), "ConfigMap "+name+"/held is still there 1s after its deletion: it waits for the finalizers example.com/hold")
	res, err := p.Read(t.Context(), plugin.ReadRequest{URN: held.URN, ID: held.ID, Inputs: held.Inputs, State: held.Outputs})
	wantErr(t, err, "ConfigMap "+name+"/held is being deleted: it waits for the finalizers example.com/hold")
	if res.Status != resource.StatusPartialFailure || res.Outputs == nil {
		t.Errorf("what is being deleted is not gone yet: %v", res)
	}
	wantErr(t, ns.Delete(), "Namespace "+name+" is still there 2s after its deletion: ")
	_, err = p.Create(t, configMapToken, m{"metadata": named(name, "late")})
	wantErr(t, err, "ConfigMap "+name+"/late: namespace "+name+" is being deleted: wait until it is gone, then run again")
	done := start(t, p, "kubernetes:core/v1:Namespace", in) // the next run makes it again
	time.Sleep(300 * time.Millisecond)
	kubectl(t, "patch", "configmap", "held", "-n", name, "--type=merge", "-p", `{"metadata":{"finalizers":null}}`)
	if o := wait(t, done); o.err != nil || stateUID(o.response.Properties) == stateUID(ns.Outputs) {
		t.Errorf("error = %v", o.err)
	}
	kubectl(t, "delete", "namespace", name)
}

// proxy stands before the shared server and disturbs what goes through.
func proxy(t *testing.T, disturb func(w http.ResponseWriter, r *http.Request) bool) string {
	t.Helper()
	config, err := clientcmd.RESTConfigFromKubeConfig([]byte(testutil.Kubernetes(t).Admin.Content))
	if err != nil {
		t.Fatal(err)
	}
	transport, err := rest.TransportFor(config)
	if err != nil {
		t.Fatal(err)
	}
	to, err := url.Parse(config.Host)
	if err != nil {
		t.Fatal(err)
	}
	pass := httputil.NewSingleHostReverseProxy(to)
	pass.Transport, pass.FlushInterval = transport, -1
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !disturb(w, r) {
			pass.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(s.Close)
	return kubeconfigOf(t, s.URL, m{})
}

// TestDisturbed holds that what passes is waited for: too many requests, a server that restarts, a connection that
// breaks after the request was served.
func TestDisturbed(t *testing.T) {
	t.Parallel()
	p := stackOf(t, "disturbed")
	ns := newNamespace(t, p)
	cases := map[string]func(w http.ResponseWriter, r *http.Request){
		"429":   func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) },
		"500":   func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		"502":   func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) },
		"503":   func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) },
		"504":   func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusGatewayTimeout) },
		"Break": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	}
	for name, answer := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var count atomic.Int32
			p := stackOn(t, proxy(t, func(w http.ResponseWriter, r *http.Request) bool {
				if count.Add(1)%3 == 0 {
					return false
				}
				answer(w, r)
				return true
			}), "disturbed")
			in := m{"metadata": named(ns, "x"+strings.ToLower(name)), "data": m{"a": "b"}}
			r := p.MustCreate(t, configMapToken, in)
			same(t, p, r, in)
			if err := r.Delete(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestBounded holds that patience ends.
func TestBounded(t *testing.T) {
	t.Parallel()
	clusters := NewClusters()
	p := testutil.NewProvider(t, clusters.New(), "bounded", m{"kubeconfig": proxy(t, func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusServiceUnavailable)
		return true
	})})
	for _, c := range clusters.all {
		c.Patience.Later = 300 * time.Millisecond
	}
	_, err := p.Create(t, configMapToken, m{"metadata": m{"name": "x"}})
	wantErr(t, err, "could not answer (503)")
	wantErr(t, err, "try again later")
}

// TestWatchDropped holds that a watch which breaks is begun anew, and that one which may not be made is not needed.
func TestWatchDropped(t *testing.T) {
	t.Parallel()
	p := stackOf(t, "watch")
	for name, disturb := range map[string]func(w http.ResponseWriter, r *http.Request) bool{
		"Dropped": func(_ http.ResponseWriter, r *http.Request) bool {
			if r.URL.Query().Get("watch") != "" {
				time.Sleep(100 * time.Millisecond)
				panic(http.ErrAbortHandler)
			}
			return false
		},
		"Forbidden": func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Query().Get("watch") == "" {
				return false
			}
			w.WriteHeader(http.StatusForbidden)
			return true
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ns := newNamespace(t, p)
			done := start(t, stackOn(t, proxy(t, disturb), "watch"), "kubernetes:apps/v1:Deployment", m{"metadata": named(ns, "web"), "spec": spec("a", nil)})
			pod := podsOf(t, ns, 1)[0]
			time.Sleep(500 * time.Millisecond)
			kubelet(t, ns, pod, running())
			if o := wait(t, done); o.err != nil {
				t.Error(o.err)
			}
		})
	}
}

// TestRestart holds that an API server which is killed and comes back is waited for in the midst of a rollout.
func TestRestart(t *testing.T) {
	t.Parallel()
	k := testutil.NewKubernetes(t)
	p := stackOn(t, k.Admin.Content, "restart")
	p.MustCreate(t, "kubernetes:core/v1:Namespace", m{"metadata": m{"name": "shop"}})
	in := m{"metadata": with(named("shop", "x"), m{"annotations": m{waitForAnnotation: "jsonpath={.data.done}=yes"}})}
	done := start(t, p, configMapToken, in)
	eventually(t, func() string {
		out, _ := k.Admin.TryKubectl(t, "get", "configmap", "x", "-n", "shop", "--ignore-not-found", "-o", "name")
		return out
	})
	k.Kill()
	time.Sleep(500 * time.Millisecond)
	if err := k.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	k.Admin.Kubectl(t, "patch", "configmap", "x", "-n", "shop", "--type=merge", "-p", `{"data":{"done":"yes"}}`)
	if o := wait(t, done); o.err != nil {
		t.Error(o.err)
	}
}
