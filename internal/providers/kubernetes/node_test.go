package kubernetes

import (
	"strings"
	"testing"
	"time"

	"plattr.dev/plattr/internal/kubeapi"
	"plattr.dev/plattr/internal/testutil"
)

// image is one with a shell.
const image = testutil.Registry + "/redis:6.2"

// shell is a workload that runs a script in a shell.
func shell(script string, more m) m {
	container := with(m{"name": "app", "image": image, "command": l{"sh", "-c", script}}, more)
	return m{
		"selector": selector(),
		"template": m{"metadata": m{"labels": m{"app": "web"}}, "spec": m{"terminationGracePeriodSeconds": 1, "containers": l{container}}},
	}
}

// TestNode holds with a real kubelet, scheduler and registry what the other tests play: rollouts end when pods are
// ready, and what will not start is told with its reason.
func TestNode(t *testing.T) {
	t.Parallel()
	c := testutil.Kind(t)
	c.Images(t, "redis")
	p := stackOn(t, c.Admin.Content, "node")
	p.MustCreate(t, "kubernetes:core/v1:Namespace", m{"metadata": m{"name": "shop"}})
	t.Run("Works", func(t *testing.T) {
		t.Parallel()
		nodeWorks(t, stackOn(t, c.Admin.Content, "node"), c)
	})
	t.Run("Job", func(t *testing.T) {
		t.Parallel()
		nodeJob(t, stackOn(t, c.Admin.Content, "node"))
	})
	t.Run("InPod", func(t *testing.T) {
		t.Parallel()
		nodeInPod(t, c)
	})
	cases := map[string]struct {
		kind    string
		spec    m
		timeout string
		want    []string
		within  time.Duration
	}{
		"Image": {"Deployment", shell("", m{"image": testutil.Registry + "/nothing:1"}), "", []string{"image localhost:5055/nothing:1 of container app cannot be had"}, 90 * time.Second},
		// Without minReadySeconds, a container without a probe is ready for the moment that it runs.
		"Crash": {"Deployment", with(shell("echo no database >/dev/termination-log; exit 3", nil), m{"minReadySeconds": 10}), "", []string{"container app crashes: exit code 3: no database"}, 90 * time.Second},
		"Start": {"StatefulSet", shell("", m{"command": l{"no-such-program"}}), "", []string{"no-such-program"}, 60 * time.Second},
		"Config": {
			"Deployment", shell("sleep 1d", m{"env": l{m{"name": "A", "valueFrom": m{"secretKeyRef": m{"name": "lost", "key": "a"}}}}}), "",
			[]string{`container app cannot be started: secret "lost" not found`},
			40 * time.Second,
		},
		"Probe": {
			"Deployment", shell("sleep 1d", m{"readinessProbe": m{"exec": m{"command": l{"sh", "-c", "echo warming up; exit 1"}}, "periodSeconds": 1}}), "15",
			[]string{"container app is running and not ready", "Readiness probe failed: warming up"},
			40 * time.Second,
		},
		"Startup": {
			"Deployment", shell("sleep 1d", m{"startupProbe": m{"exec": m{"command": l{"sh", "-c", "echo no route; exit 1"}}, "periodSeconds": 1, "failureThreshold": 6}}), "",
			[]string{"container app did not answer its startup probe for", "no route"},
			60 * time.Second,
		},
		"Schedule": {
			"DaemonSet", shell("sleep 1d", m{"resources": m{"requests": m{"cpu": "1000"}}}), "8",
			[]string{"does not work after 8s"},
			30 * time.Second,
		},
		"Fit": {
			"Deployment", shell("sleep 1d", m{"resources": m{"requests": m{"cpu": "1000"}}}), "8",
			[]string{"0/1 nodes are available: 1 Insufficient cpu"},
			30 * time.Second,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := stackOn(t, c.Admin.Content, "node")
			meta := m{"name": "it", "namespace": newNamespace(t, p), "annotations": m{timeoutAnnotation: tc.timeout}}
			began := time.Now()
			_, err := p.Create(t, "kubernetes:apps/v1:"+tc.kind, m{"metadata": meta, "spec": tc.spec})
			for _, want := range tc.want {
				wantErr(t, err, want)
			}
			took := time.Since(began)
			t.Logf("%s: %v", took.Round(time.Second), err)
			if took > tc.within {
				t.Errorf("it took %s", took)
			}
		})
	}
}

// nodeWorks takes a workload with a volume and a Service through two releases, the second of which does not start.
func nodeWorks(t *testing.T, p *testutil.Provider, c *testutil.KindCluster) {
	t.Helper()
	serve := "mkdir -p /tmp/w; while true; do sleep 1; done"
	release := func(script string) m {
		s := with(shell(script, m{
			"readinessProbe": m{"exec": m{"command": l{"test", "-d", "/tmp/w"}}, "periodSeconds": 1},
			"volumeMounts":   l{m{"name": "data", "mountPath": "/data"}},
		}), m{"replicas": 2})
		pod := s["template"].(m)["spec"].(m)
		pod["volumes"] = l{m{"name": "data", "persistentVolumeClaim": m{"claimName": "data"}}}
		return s
	}
	meta := named("shop", "web")
	claim := p.MustCreate(t, "kubernetes:core/v1:PersistentVolumeClaim", m{"metadata": named("shop", "data"), "spec": m{
		"accessModes": l{"ReadWriteOnce"}, "storageClassName": "standard", "resources": m{"requests": m{"storage": "10Mi"}},
	}})
	web := p.MustCreate(t, "kubernetes:apps/v1:Deployment", m{"metadata": meta, "spec": release(serve)})
	if got := kubeapi.Number(toObject(web.Outputs), "status", "availableReplicas"); got != 2 {
		t.Errorf("available = %d", got)
	}
	service := p.MustCreate(t, "kubernetes:core/v1:Service", m{"metadata": meta, "spec": m{"selector": m{"app": "web"}, "ports": l{m{"port": 80}}}})
	in := m{"metadata": meta, "spec": release(serve)}
	same(t, p, web, in)
	err := web.Update(m{"metadata": meta, "spec": release("exit 7")})
	wantErr(t, err, "container app crashes: exit code 7")
	if err := web.Update(in); err != nil {
		t.Errorf("back to the release that works: %v", err)
	}
	same(t, p, web, in)
	for _, r := range []*testutil.Resource{service, web, claim} {
		if err := r.Delete(); err != nil {
			t.Fatal(err)
		}
	}
	if out := c.Admin.Kubectl(t, "get", "pods,persistentvolumeclaims,replicasets", "-n", "shop", "-l", "app=web", "-o", "name"); strings.TrimSpace(out) != "" {
		t.Errorf("left: %s", out)
	}
}

func nodeJob(t *testing.T, p *testutil.Provider) {
	t.Helper()
	job := func(script string) m {
		pod := shell(script, nil)["template"].(m)
		pod["spec"].(m)["restartPolicy"] = "Never"
		return m{"backoffLimit": 0, "template": m{"spec": pod["spec"]}}
	}
	p.MustCreate(t, "kubernetes:batch/v1:Job", m{"metadata": named("shop", "works"), "spec": job("exit 0")})
	_, err := p.Create(t, "kubernetes:batch/v1:Job", m{"metadata": named("shop", "fails"), "spec": job("echo table is missing >/dev/termination-log; exit 4")})
	wantErr(t, err, "it failed (BackoffLimitExceeded)")
	wantErr(t, err, "container app ended: exit code 4: table is missing")
}
