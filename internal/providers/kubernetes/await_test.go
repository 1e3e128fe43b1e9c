package kubernetes

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"

	"plattr.dev/plattr/internal/testutil"
)

// outcome is the end of an operation that ran beside the test.
type outcome struct {
	response plugin.CreateResponse
	err      error
}

// start creates beside the test, which meanwhile plays the kubelet.
func start(t *testing.T, p *testutil.Provider, token string, in m) <-chan outcome {
	t.Helper()
	checked, err := p.Check(t, token, in)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan outcome, 1)
	go func() {
		res, err := p.Provider.Create(t.Context(), plugin.CreateRequest{
			URN: resource.NewURN(tokens.QName(p.Stack), "plattr", "", tokens.Type(token), "test"), Properties: checked,
		})
		done <- outcome{response: res, err: err}
	}()
	return done
}

func wait(t *testing.T, done <-chan outcome) outcome {
	t.Helper()
	select {
	case o := <-done:
		return o
	case <-time.After(20 * time.Second):
		t.Fatal("it still waits")
		return outcome{}
	}
}

// eventually asks until there is an answer.
func eventually(t *testing.T, ask func() string) string {
	t.Helper()
	for range 200 {
		if answer := strings.TrimSpace(ask()); answer != "" {
			return answer
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("it did not happen")
	return ""
}

// podsOf waits for the pods that a controller made.
func podsOf(t *testing.T, ns string, many int) []string {
	t.Helper()
	out := eventually(t, func() string {
		names := kubectl(t, "get", "pods", "-n", ns, "-o", "name")
		if len(strings.Fields(names)) < many {
			return ""
		}
		return names
	})
	return strings.Fields(strings.ReplaceAll(out, "pod/", ""))
}

// kubelet writes the status of a pod, as a kubelet would.
func kubelet(t *testing.T, ns, pod string, status m) {
	t.Helper()
	raw, err := json.Marshal(m{"status": status})
	if err != nil {
		t.Fatal(err)
	}
	kubectl(t, "patch", "pod", pod, "-n", ns, "--subresource=status", "--type=merge", "-p", string(raw))
}

func running() m {
	return m{
		"phase": "Running", "podIP": "10.1.2.3", "podIPs": l{m{"ip": "10.1.2.3"}},
		"conditions": l{m{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}},
		"containerStatuses": l{m{
			"name": "app", "image": "a", "imageID": "a", "ready": true, "restartCount": 0, "state": m{"running": m{}},
		}},
	}
}

func broken(reason, message string, restarts int) m {
	return m{"phase": "Pending", "containerStatuses": l{m{
		"name": "app", "image": "shop:1", "imageID": "", "ready": false, "restartCount": restarts,
		"state":     m{"waiting": m{"reason": reason, "message": message}},
		"lastState": m{"terminated": m{"exitCode": 2, "message": "no database", "containerID": "containerd://x"}},
	}}}
}

// TestRollout plays the kubelet: the rollout is over when the pods run, and not before.
func TestRollout(t *testing.T) {
	t.Parallel()
	p := stackOf(t, "rollout")
	ns := newNamespace(t, p)
	done := start(t, p, "kubernetes:apps/v1:Deployment", m{"metadata": named(ns, "web"), "spec": spec("a", m{"replicas": 2})})
	service := start(t, p, "kubernetes:core/v1:Service", m{
		"metadata": named(ns, "web"), "spec": m{"selector": m{"app": "web"}, "ports": l{m{"port": 80}}},
	})
	pods := podsOf(t, ns, 2)
	kubelet(t, ns, pods[0], running())
	// The controller puts only pods of nodes into slices, and there is no node.
	testutil.Kubernetes(t).Admin.Apply(t, `{"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSlice","addressType":"IPv4",
		"metadata":{"name":"web","namespace":"`+ns+`","labels":{"kubernetes.io/service-name":"web"}},"endpoints":[{"addresses":["10.1.2.3"]}]}`)
	if o := wait(t, service); o.err != nil {
		t.Errorf("service: %v", o.err)
	}
	select {
	case o := <-done:
		t.Fatalf("the rollout ended with one pod of two: %v", o.err)
	case <-time.After(300 * time.Millisecond):
	}
	kubelet(t, ns, pods[1], running())
	o := wait(t, done)
	if o.err != nil || o.response.Properties["status"].ObjectValue()["availableReplicas"].NumberValue() != 2 {
		t.Errorf("%v, %v", o.err, o.response.Properties["status"])
	}
}

// TestRolloutFails plays a kubelet that cannot start the pods: the reason is in the error, soon after it is final, and
// the object is in the state.
func TestRolloutFails(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		kind   string
		status m
		want   string
		within time.Duration
	}{
		"Image":       {"Deployment", broken("ErrImagePull", "shop:1: not found", 0), "image shop:1 of container app cannot be had (ErrImagePull): shop:1: not found", 9 * time.Second},
		"ImageName":   {"StatefulSet", broken("InvalidImageName", "couldn't parse image", 0), "couldn't parse image", 4 * time.Second},
		"Crash":       {"Deployment", broken("CrashLoopBackOff", "back-off", 4), "container app crashes: exit code 2: no database", 4 * time.Second},
		"CrashDaemon": {"Pod", broken("CrashLoopBackOff", "back-off", 4), "container app crashes: exit code 2: no database", 4 * time.Second},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := stackOf(t, "fails")
			ns := newNamespace(t, p)
			token, in := "kubernetes:apps/v1:"+tc.kind, m{"metadata": named(ns, "web"), "spec": spec("shop:1", nil)}
			if tc.kind == "Pod" {
				token, in = "kubernetes:core/v1:Pod", m{"metadata": named(ns, "web"), "spec": podTemplate("shop:1")["spec"]}
			}
			done := start(t, p, token, in)
			kubelet(t, ns, podsOf(t, ns, 1)[0], tc.status)
			began := time.Now()
			o := wait(t, done)
			wantErr(t, o.err, tc.want)
			if !errors.As(o.err, new(*plugin.InitError)) || o.response.Status != resource.StatusPartialFailure || o.response.ID == "" || len(o.response.Properties) == 0 {
				t.Errorf("the object is lost for the state: %T, %v", o.err, o.response.Status)
			}
			if took := time.Since(began); took > tc.within {
				t.Errorf("it took %s", took)
			}
		})
	}
}

// TestTimeout holds that what is waited for in vain is said when the time is over, with what the cluster's events say.
func TestTimeout(t *testing.T) {
	t.Parallel()
	p := stackOf(t, "timeout")
	ns := newNamespace(t, p)
	meta := with(named(ns, "web"), m{"annotations": m{timeoutAnnotation: "3"}})
	cases := map[string]struct {
		token string
		in    m
		want  string
	}{
		"Deployment": {"kubernetes:apps/v1:Deployment", m{"metadata": meta, "spec": spec("a", nil)}, "Deployment " + ns + "/web does not work after 3s: 0 of 1 replicas are available"},
		"Claim": {"kubernetes:core/v1:PersistentVolumeClaim", m{
			"metadata": meta,
			"spec":     m{"accessModes": l{"ReadWriteOnce"}, "storageClassName": "lost", "resources": m{"requests": m{"storage": "1Gi"}}},
		}, `no volume is bound to it (class "lost") (storageclass.storage.k8s.io "lost" not found)`},
		"Ingress":     {"kubernetes:networking.k8s.io/v1:Ingress", m{"metadata": meta, "spec": m{"defaultBackend": m{"service": m{"name": "web", "port": m{"number": 80}}}}}, "no ingress controller has given it an address"},
		"Service":     {"kubernetes:core/v1:Service", m{"metadata": meta, "spec": m{"selector": m{"app": "nobody"}, "ports": l{m{"port": 80}}}}, "no pod is behind it"},
		"Job":         {"kubernetes:batch/v1:Job", m{"metadata": meta, "spec": m{"template": m{"spec": m{"restartPolicy": "Never", "containers": l{m{"name": "a", "image": "a"}}}}}}, "it has not finished: 1 running"},
		"StatefulSet": {"kubernetes:apps/v1:StatefulSet", m{"metadata": with(meta, m{"name": "set"}), "spec": spec("a", nil)}, "0 of 1 replicas are ready"},
		"WaitFor":     {"kubernetes:core/v1:ConfigMap", m{"metadata": with(meta, m{"annotations": m{timeoutAnnotation: "1", waitForAnnotation: "jsonpath={.data.done}=yes"}})}, "jsonpath={.data.done}=yes is not there"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := p.Create(t, tc.token, tc.in)
			wantErr(t, err, tc.want)
			if init := new(plugin.InitError); !errors.As(err, &init) {
				t.Errorf("error = %T", err)
			}
		})
	}
}

// TestQuotaOfPods holds that pods which a quota forbids end the wait.
func TestQuotaOfPods(t *testing.T) {
	t.Parallel()
	p := stackOf(t, "quota")
	ns := newNamespace(t, p)
	p.MustCreate(t, "kubernetes:core/v1:ResourceQuota", m{"metadata": named(ns, "small"), "spec": m{"hard": m{"pods": "0"}}})
	for _, kind := range []string{"Deployment", "StatefulSet"} {
		began := time.Now()
		_, err := p.Create(t, "kubernetes:apps/v1:"+kind, m{"metadata": named(ns, strings.ToLower(kind)), "spec": spec("a", nil)})
		wantErr(t, err, "exceeded quota: small, requested: pods=1, used: pods=0, limited: pods=0")
		if took := time.Since(began); took > 15*time.Second {
			t.Errorf("it took %s", took)
		}
	}
	_, err := p.Create(t, "kubernetes:core/v1:Pod", m{"metadata": named(ns, "web"), "spec": podTemplate("a")["spec"]})
	wantErr(t, err, "Pod "+ns+"/web: quota small of namespace "+ns+" is exceeded: asks for pods=1, in use are pods=0 of pods=0")
}

// TestJobEnds plays the kubelet for a Job.
func TestJobEnds(t *testing.T) {
	t.Parallel()
	p := stackOf(t, "jobs")
	for phase, want := range map[string]string{"Succeeded": "", "Failed": "it failed (BackoffLimitExceeded)"} {
		ns := newNamespace(t, p)
		done := start(t, p, "kubernetes:batch/v1:Job", m{"metadata": named(ns, "once"), "spec": m{
			"backoffLimit": 0, "template": m{"spec": m{"restartPolicy": "Never", "containers": l{m{"name": "app", "image": "a"}}}},
		}})
		code := map[string]int{"Succeeded": 0, "Failed": 3}[phase]
		kubelet(t, ns, podsOf(t, ns, 1)[0], m{"phase": phase, "containerStatuses": l{m{
			"name": "app", "image": "a", "imageID": "a", "ready": false, "restartCount": 0,
			"state": m{"terminated": m{"exitCode": code, "containerID": "containerd://x"}},
		}}})
		o := wait(t, done)
		if want == "" && o.err != nil {
			t.Error(o.err)
		}
		if want != "" {
			wantErr(t, o.err, want)
		}
	}
}

// TestCancel holds that a run that is cancelled does not wait.
func TestCancel(t *testing.T) {
	t.Parallel()
	p := stackOf(t, "cancel")
	ns := newNamespace(t, p)
	own := stackOf(t, "cancel")
	done := start(t, own, "kubernetes:apps/v1:Deployment", m{"metadata": named(ns, "web"), "spec": spec("a", nil)})
	podsOf(t, ns, 1)
	began := time.Now()
	if err := own.SignalCancellation(t.Context()); err != nil {
		t.Fatal(err)
	}
	o := wait(t, done)
	if took := time.Since(began); took > time.Second || o.err == nil || o.err.Error() != "context canceled" {
		t.Errorf("error = %v after %s", o.err, took)
	}
}
