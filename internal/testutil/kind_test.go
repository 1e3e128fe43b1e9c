package testutil

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// TestKind tries what a cluster with nodes has over [Kubernetes].
func TestKind(t *testing.T) {
	t.Parallel()
	began := time.Now()
	c := Kind(t)
	t.Logf("cluster %s", time.Since(began))
	began = time.Now()
	c.Images(t, "postgres", "redis")
	t.Logf("images %s", time.Since(began))
	c.Admin.Apply(t, kindWorkload)
	c.Admin.Kubectl(t, "rollout", "status", "deployment", "--timeout=2m")
	t.Logf("rollout %s", time.Since(began))
	kindVolume(t, c)

	cases := map[string]func(t *testing.T, c *KindCluster){
		"Logs": kindLogs, "NetworkPolicy": kindNetworkPolicy, "Metrics": kindMetrics,
	}
	for name, run := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, c)
		})
	}
}

// kindWorkload is a PostgreSQL on a volume behind a Service that only pods with the label db-access, and no others, may
// reach; two of Redis that try to; and an autoscaler.
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
          image: localhost:5050/postgres:17
          env: [{name: POSTGRES_PASSWORD, value: secret}, {name: PGDATA, value: /data/pg}]
          ports: [{containerPort: 5432, hostPort: 80}]
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
  ingress: [{from: [{podSelector: {matchLabels: {db-access: "yes"}}}, {ipBlock: {cidr: 0.0.0.0/0, except: [10.244.0.0/16]}}]}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: friend}
spec:
  selector: {matchLabels: {app: friend}}
  template:
    metadata: {labels: {app: friend, db-access: "yes"}}
    spec: {containers: [{name: redis, image: "localhost:5050/redis:6.2"}], terminationGracePeriodSeconds: 1}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: stranger}
spec:
  selector: {matchLabels: {app: stranger}}
  template:
    metadata: {labels: {app: stranger}}
    spec: {containers: [{name: redis, image: "localhost:5050/redis:6.2"}], terminationGracePeriodSeconds: 1}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: db}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: db}
  maxReplicas: 1
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 80}}}]
`

// kindVolume: what the database wrote survives its pod. It is reached through port 80 of the node.
func kindVolume(t *testing.T, c *KindCluster) {
	t.Helper()
	query := func(sql string) {
		Eventually(t, startTimeout, sql, func() error {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			db, err := pgx.Connect(ctx, "postgres://postgres:secret@"+c.Ingress+"/postgres?sslmode=disable")
			if err != nil {
				return err
			}
			defer db.Close(ctx)
			_, err = db.Exec(ctx, sql)
			return err
		})
	}
	query("CREATE TABLE note ()")
	c.Admin.Kubectl(t, "rollout", "restart", "deployment", "db")
	c.Admin.Kubectl(t, "rollout", "status", "deployment", "db", "--timeout=2m")
	query("SELECT FROM note")
}

func kindLogs(t *testing.T, c *KindCluster) {
	if out := c.Admin.Kubectl(t, "logs", "deploy/friend"); !strings.Contains(out, "Ready to accept connections") {
		t.Errorf("Redis said %s", out)
	}
}

// kindNetworkPolicy: a pod with the label gets through, by name and Service; one without does not.
func kindNetworkPolicy(t *testing.T, c *KindCluster) {
	reach := func(from string) error {
		_, err := c.Admin.TryKubectl(t, "exec", "deploy/"+from, "--", "timeout", "3", "bash", "-c", "exec 3<>/dev/tcp/db/5432")
		return err
	}
	Eventually(t, startTimeout, "a friend reaches the database", func() error { return reach("friend") })
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
