package testutil

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestKind tries what a cluster with nodes has over [Kubernetes].
func TestKind(t *testing.T) {
	t.Parallel()
	began := time.Now()
	c := Kind(t)
	t.Logf("cluster %s", time.Since(began))
	began = time.Now()
	c.Images(t, "postgres", "postgrest", "redis")
	t.Logf("images %s", time.Since(began))
	c.ServeIngresses(t)
	c.Admin.Apply(t, kindWorkload)
	c.Admin.Kubectl(t, "rollout", "status", "deployment", "--timeout=2m")
	t.Logf("rollout %s", time.Since(began))
	kindVolume(t, c)

	cases := map[string]func(t *testing.T, c *KindCluster){
		"Logs": kindLogs, "NetworkPolicy": kindNetworkPolicy, "Metrics": kindMetrics, "Ingress": kindIngress,
	}
	for name, run := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, c)
		})
	}
}

// kindWorkload is a PostgreSQL on a volume, behind a Service that only pods with the label db-access, and no others, may
// reach; a PostgREST that has it, behind an Ingress; a Redis that has not; and an autoscaler.
const kindWorkload = `
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 100Mi}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: db}
spec:
  strategy: {type: Recreate}
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      securityContext: {fsGroup: 999, runAsNonRoot: true, runAsUser: 999}
      containers:
        - name: postgres
          image: localhost:5055/postgres:17
          env: [{name: POSTGRES_PASSWORD, value: secret}, {name: PGDATA, value: /data/pg}]
          ports: [{containerPort: 5432}]
          readinessProbe: {tcpSocket: {port: 5432}, periodSeconds: 1}
          resources: {requests: {cpu: 50m}}
          volumeMounts: [{name: data, mountPath: /data}]
      volumes: [{name: data, persistentVolumeClaim: {claimName: data}}]
---
apiVersion: v1
kind: Service
metadata: {name: db}
spec: {selector: {app: db}, ports: [{port: 5432}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db}
spec:
  podSelector: {matchLabels: {app: db}}
  ingress: [{from: [{podSelector: {matchLabels: {db-access: "yes"}}}]}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: rest}
spec:
  selector: {matchLabels: {app: rest}}
  template:
    metadata: {labels: {app: rest, db-access: "yes"}}
    spec:
      containers:
        - name: postgrest
          image: localhost:5055/postgrest:12
          env:
            - {name: PGRST_DB_URI, value: "postgres://postgres:secret@db/postgres"}
            - {name: PGRST_DB_SCHEMAS, value: public}
            - {name: PGRST_DB_ANON_ROLE, value: postgres}
          ports: [{containerPort: 3000}]
---
apiVersion: v1
kind: Service
metadata: {name: rest}
spec: {selector: {app: rest}, ports: [{port: 80, targetPort: 3000}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: rest}
spec:
  ingressClassName: traefik
  rules:
    - host: rest.test
      http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: rest, port: {number: 80}}}}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: stranger}
spec:
  selector: {matchLabels: {app: stranger}}
  template:
    metadata: {labels: {app: stranger}}
    spec: {containers: [{name: redis, image: "localhost:5055/redis:6.2"}], terminationGracePeriodSeconds: 1}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: db}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: db}
  maxReplicas: 1
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 80}}}]
`

// kindVolume: what is on the volume survives its pod.
func kindVolume(t *testing.T, c *KindCluster) {
	t.Helper()
	c.Admin.Kubectl(t, "exec", "deploy/db", "--", "sh", "-c", "echo kept >/data/note")
	c.Admin.Kubectl(t, "rollout", "restart", "deployment", "db")
	c.Admin.Kubectl(t, "rollout", "status", "deployment", "db", "--timeout=2m")
	Eventually(t, startTimeout, "the volume is there again", func() error {
		_, err := c.Admin.TryKubectl(t, "exec", "deploy/db", "--", "grep", "kept", "/data/note")
		return err
	})
}

func kindLogs(t *testing.T, c *KindCluster) {
	if out := c.Admin.Kubectl(t, "logs", "deploy/rest"); !strings.Contains(out, "Starting PostgREST") {
		t.Errorf("PostgREST said %s", out)
	}
}

// kindNetworkPolicy: a pod with the label gets through, by name and Service; one without does not.
func kindNetworkPolicy(t *testing.T, c *KindCluster) {
	reach := func(from string) error {
		_, err := c.Admin.TryKubectl(t, "exec", "deploy/"+from, "--", "timeout", "3", "bash", "-c", "exec 3<>/dev/tcp/db/5432")
		return err
	}
	Eventually(t, startTimeout, "a friend reaches the database", func() error { return reach("rest") })
	// 143: killed while it waited for an answer, so it is not the name that was missing.
	if err := reach("stranger"); err == nil || !strings.Contains(err.Error(), "exit code 143") {
		t.Errorf("a stranger reaches the database: %v", err)
	}
}

func kindMetrics(t *testing.T, c *KindCluster) {
	Eventually(t, 2*time.Minute, "the autoscaler knows the load", func() error {
		out, err := c.Admin.TryKubectl(t, "get", "hpa", "db", "-o", "jsonpath={.status.currentMetrics[0].resource.current.averageUtilization}")
		if err == nil && out == "" {
			err = errors.New("no metric yet")
		}
		time.Sleep(time.Second)
		return err
	})
	c.Admin.Kubectl(t, "top", "pods")
}

// kindIngress: a request from this machine gets to the pod by the name of its host.
func kindIngress(t *testing.T, c *KindCluster) {
	Eventually(t, startTimeout, "PostgREST answers through the ingress", func() error {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+c.Ingress, http.NoBody)
		if err != nil {
			return err
		}
		req.Host = "rest.test"
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err == nil && !strings.Contains(string(body), "PostgREST") {
			err = fmt.Errorf("%s: %s", res.Status, body)
		}
		return err
	})
}
