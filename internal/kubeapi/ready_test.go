package kubeapi

import (
	"maps"
	"strings"
	"testing"
	"time"
)

// seen is a status of which the controller has seen a generation of the object, which is at its second.
func seen(generation int, more m) m {
	return with(m{"observedGeneration": int64(generation)}, more)
}

func workloadOf(kind string, replicas int, st m) m {
	return m{
		"apiVersion": "apps/v1", "kind": kind, "metadata": m{"name": "web", "generation": int64(2)},
		"spec": m{"replicas": int64(replicas)}, "status": st,
	}
}

// TestReady follows the rules of pulumi-kubernetes, provider/pkg/await, kind by kind.
func TestReady(t *testing.T) {
	t.Parallel()
	available := l{cond("Progressing", "True", "NewReplicaSetAvailable", ""), cond("Available", "True", "", "")}
	cases := map[string]struct {
		source string
		object m
		ready  bool
		waits  string
		after  time.Duration
	}{
		"DeploymentReady": {
			"deployment.go: checkAndLogStatus",
			workloadOf("Deployment", 2, seen(2, m{"updatedReplicas": n(2), "availableReplicas": n(2), "conditions": available})), true, "", 0,
		},
		"DeploymentUnseen": {
			"deployment.go: waitUntilDeploymentControllerReconciles",
			workloadOf("Deployment", 2, seen(1, m{"updatedReplicas": n(2), "availableReplicas": n(2), "conditions": available})), false, "controller", Never,
		},
		"DeploymentOld": {
			"deployment.go: updatedReplicaSetReady",
			workloadOf("Deployment", 2, seen(2, m{"updatedReplicas": n(1), "availableReplicas": n(2)})), false, "1 of 2 replicas are new", Never,
		},
		"DeploymentUnavailable": {
			"deployment.go: deploymentAvailable",
			workloadOf("Deployment", 2, seen(2, m{"updatedReplicas": n(2), "availableReplicas": n(1)})), false, "1 of 2 replicas are available", Never,
		},
		"DeploymentStuck": {
			"deployment.go: ProgressDeadlineExceeded",
			workloadOf("Deployment", 2, seen(2, m{"conditions": l{cond("Progressing", "False", "ProgressDeadlineExceeded", "")}})),
			false, "no progress", 0,
		},
		"DeploymentQuota": {
			"the ReplicaSet controller's FailedCreate",
			workloadOf("Deployment", 1, seen(2, m{"conditions": l{cond("ReplicaFailure", "True", "FailedCreate", "exceeded quota: small")}})),
			false, "exceeded quota: small", 5 * time.Second,
		},
		"DeploymentNone": {"no replicas are wanted", workloadOf("Deployment", 0, seen(2, nil)), true, "", 0},
		"StatefulSetReady": {
			"statefulset.go: checkAndLogStatus",
			workloadOf("StatefulSet", 1, seen(2, m{"updatedReplicas": n(1), "readyReplicas": n(1), "currentRevision": "a", "updateRevision": "a"})),
			true, "", 0,
		},
		"StatefulSetRevision": {
			"statefulset.go: revisionReady",
			workloadOf("StatefulSet", 1, seen(2, m{"updatedReplicas": n(1), "readyReplicas": n(1), "currentRevision": "a", "updateRevision": "b"})),
			false, "new revision", Never,
		},
		"DaemonSet": {
			"daemonset.go", workloadOf("DaemonSet", 0, seen(2, m{"desiredNumberScheduled": n(2), "updatedNumberScheduled": n(2), "numberAvailable": n(1)})),
			false, "1 of 2 pods are available", Never,
		},
		"JobDone":    {"checker/job: jobComplete", m{"apiVersion": "batch/v1", "kind": "Job", "status": m{"conditions": l{cond("Complete", "True", "", "")}}}, true, "", 0},
		"JobRunning": {"checker/job: jobComplete", m{"apiVersion": "batch/v1", "kind": "Job", "status": m{"active": n(1)}}, false, "1 running", Never},
		"JobFailed": {
			"checker/job: collectJobConditionErrors",
			m{"apiVersion": "batch/v1", "kind": "Job", "status": m{"conditions": l{cond("Failed", "True", "BackoffLimitExceeded", "too often")}}},
			false, "BackoffLimitExceeded): too often", 0,
		},
		"PodReady":     {"checker/pod: podReady", m{"apiVersion": "v1", "kind": "Pod", "status": m{"conditions": l{cond("Ready", "True", "", "")}}}, true, "", 0},
		"PodSucceeded": {"checker/pod: podReady", m{"apiVersion": "v1", "kind": "Pod", "status": m{"phase": "Succeeded"}}, true, "", 0},
		"PodFailed":    {"it will never be ready", m{"apiVersion": "v1", "kind": "Pod", "status": m{"phase": "Failed", "reason": "Evicted"}}, false, "Evicted", 0},
		"LoadBalancer": {"service.go: processServiceEvent", m{"apiVersion": "v1", "kind": "Service", "spec": m{"type": "LoadBalancer"}}, false, "no address", Never},
		"ClusterIP":    {"service.go: processServiceEvent", m{"apiVersion": "v1", "kind": "Service", "spec": m{"type": "ClusterIP"}}, true, "", 0},
		"Ingress": {
			"ingress.go: processIngressEvent",
			m{"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "spec": m{"ingressClassName": "nginx"}},
			false, "class nginx", Never,
		},
		"ClaimBound":   {"awaiters.go: untilCoreV1PersistentVolumeClaimReady", m{"apiVersion": "v1", "kind": "PersistentVolumeClaim", "status": m{"phase": "Bound"}}, true, "", 0},
		"ClaimPending": {"awaiters.go", m{"apiVersion": "v1", "kind": "PersistentVolumeClaim", "status": m{"phase": "Pending"}}, false, "no volume", Never},
		"Quota": {
			"awaiters.go: untilCoreV1ResourceQuotaInitialized",
			m{"apiVersion": "v1", "kind": "ResourceQuota", "spec": m{"hard": m{"pods": "1"}}, "status": m{"hard": m{"pods": "1"}}},
			true, "", 0,
		},
		"TokenSecret": {
			"awaiters.go: untilCoreV1SecretInitialized",
			m{"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token"},
			false, "token", Never,
		},
		"Definition": {"established", m{"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"}, false, "serve", Never},
		"DefinitionTaken": {
			"names are taken",
			m{"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "status": m{"conditions": l{cond("NamesAccepted", "False", "", "widgets")}}},
			false, "widgets", 2 * time.Second,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check := Awaited(KindOf(tc.object))
			if check == nil {
				t.Fatal("nothing is waited for")
			}
			v := check(tc.object)
			if v.Ready != tc.ready || !strings.Contains(v.Waits, tc.waits) || !tc.ready && v.After != tc.after {
				t.Errorf("%s: %+v", tc.source, v)
			}
		})
	}
}

func pod(containers ...any) m {
	return m{"metadata": m{"name": "web-1"}, "status": m{"phase": "Pending", "containerStatuses": containers}}
}

func waitingFor(reason, message string, restarts int, last m) m {
	c := m{"name": "app", "image": "shop:1", "ready": false, "restartCount": n(restarts), "state": m{"waiting": m{"reason": reason, "message": message}}}
	if last != nil {
		c["lastState"] = m{"terminated": last}
	}
	return c
}

// starting is a container in its second try, the first of which ran from one time to another; its probe gives it 10 s.
func starting(from, to string) m {
	const day = "2026-01-01T"
	p := pod(m{
		"name": "app", "ready": false, "started": false, "restartCount": n(1), "state": m{"running": m{}},
		"lastState": m{"terminated": m{"exitCode": n(0), "startedAt": day + from + "Z", "finishedAt": day + to + "Z"}},
	})
	p["spec"] = m{"containers": l{m{"name": "app", "startupProbe": m{
		"httpGet": m{"path": "/up", "port": n(80)}, "periodSeconds": n(2), "failureThreshold": n(5), "initialDelaySeconds": n(2),
	}}}}
	return p
}

func TestPodFinding(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		pod   m
		want  string
		after time.Duration
	}{
		"Creating":     {pod(waitingFor("ContainerCreating", "", 0, nil)), "", 0},
		"ImageName":    {pod(waitingFor("InvalidImageName", "couldn't parse", 0, nil)), "image shop:1 of container app cannot be had", 0},
		"ImageMissing": {pod(waitingFor("ErrImagePull", "shop:1: not found", 0, nil)), "shop:1: not found", 5 * time.Second},
		"ImageNetwork": {pod(waitingFor("ErrImagePull", "dial tcp: timeout", 0, nil)), "timeout", time.Minute},
		"Crash":        {pod(waitingFor("CrashLoopBackOff", "", 3, m{"exitCode": n(2), "message": "no database\n"})), "container app crashes: exit code 2: no database", 0},
		"CrashOnce":    {pod(waitingFor("CrashLoopBackOff", "", 1, m{"exitCode": n(137), "reason": "OOMKilled"})), "exit code 137 (OOMKilled)", time.Minute},
		"Config":       {pod(waitingFor("CreateContainerConfigError", `secret "x" not found`, 0, nil)), `secret "x" not found`, 10 * time.Second},
		"Probe":        {pod(m{"name": "app", "ready": false, "state": m{"running": m{}}}), "is running and not ready", Never},
		"Ready":        {pod(m{"name": "app", "ready": true, "state": m{"running": m{}}}), "", 0},
		"Startup":      {starting("12:00:00", "12:00:10"), "did not answer its startup probe (GET /up on port 80) for 10s and was ended", 0},
		"StartupCrash": {starting("12:00:00", "12:00:07"), "is running and not ready, after it ended: ", Never},
		"Scheduling": {
			m{"status": m{"conditions": l{cond("PodScheduled", "False", "Unschedulable", "0/1 nodes are available")}}},
			"it fits on no node: 0/1 nodes are available", Never,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := PodFinding(tc.pod)
			if tc.want == "" && f.Text != "" || !strings.Contains(f.Text, tc.want) || f.After != tc.after {
				t.Errorf("%+v", f)
			}
		})
	}
}

// TestJudge holds that a reason is final only when it has lasted, whatever the texts in between.
func TestJudge(t *testing.T) {
	t.Parallel()
	w := &Workload{}
	start := time.Now()
	pull := func(reason string) []Finding {
		return []Finding{PodFinding(pod(waitingFor(reason, "not found", 0, nil)))}
	}
	deployment := m{"kind": "Deployment"}
	if v := w.judge(deployment, pull("ErrImagePull"), start); v.After != Never || v.Waits == "" {
		t.Errorf("at once: %+v", v)
	}
	if v := w.judge(deployment, pull("ImagePullBackOff"), start.Add(6*time.Second)); v.After != 0 {
		t.Errorf("after 6 s: %+v", v)
	}
	if v := w.judge(deployment, nil, start.Add(7*time.Second)); v.Waits != "" {
		t.Errorf("when it is over: %+v", v)
	}
	crash := []Finding{PodFinding(pod(waitingFor("CrashLoopBackOff", "", 5, m{"exitCode": n(1)})))}
	if v := w.judge(m{"kind": "Job"}, crash, start); v.After != Never {
		t.Errorf("a Job counts itself: %+v", v)
	}
	if v := w.judge(deployment, crash, start); v.After != 0 {
		t.Errorf("a Deployment crashes: %+v", v)
	}
}

type (
	m = map[string]any
	l = []any
)

// with is an object with other values at the top.
func with(o m, change m) m {
	out := maps.Clone(o)
	maps.Copy(out, change)
	return out
}

func cond(kind, status, reason, message string) m {
	return m{"type": kind, "status": status, "reason": reason, "message": message}
}

func n(v int) any { return int64(v) }
