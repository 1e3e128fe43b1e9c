package cluster_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"plattr.dev/plattr/internal/cluster"
	"plattr.dev/plattr/internal/kube"
	"plattr.dev/plattr/internal/sqlshell/libpq"
	"plattr.dev/plattr/internal/testutil"
)

// image is one with a shell, and a server.
const image = testutil.Registry + "/redis:6.2"

// TestCluster holds what is read of real pods: how they are, what they write, and what they serve.
func TestCluster(t *testing.T) {
	t.Parallel()
	k := testutil.Kind(t)
	k.Images(t, "redis", "postgres")
	t.Run("Status", func(t *testing.T) { t.Parallel(); statusOfPods(t, k) })
	t.Run("Runs", func(t *testing.T) { t.Parallel(); statusOfRelease(t, k) })
	t.Run("Migrations", func(t *testing.T) { t.Parallel(); statusOfMigrations(t, k) })
	t.Run("Logs", func(t *testing.T) { t.Parallel(); logsOfPods(t, k) })
	t.Run("Follow", func(t *testing.T) { t.Parallel(); followLogs(t, k) })
	t.Run("Forward", func(t *testing.T) { t.Parallel(); forward(t, k) })
	t.Run("Database", func(t *testing.T) { t.Parallel(); database(t, k) })
}

func appIn(t *testing.T, k *testutil.KindCluster, namespace string) kube.App {
	t.Helper()
	k.Admin.Kubectl(t, "create", "namespace", namespace)
	return kube.App{Name: "board", Namespace: namespace, Environment: "staging"}
}

// deploy applies an application that runs a script in a shell; more is added to its container, what follows POD to its pod.
func deploy(t *testing.T, k *testutil.KindCluster, app kube.App, replicas int, script, more string) {
	t.Helper()
	if !strings.Contains(more, "image:") {
		more = "image: " + image + "\n" + more
	}
	more, pod, _ := strings.Cut(more, "POD ")
	k.Admin.Apply(t, fmt.Sprintf(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: board, namespace: %s, labels: {app.kubernetes.io/name: board, app.kubernetes.io/managed-by: plattr}}
spec:
  replicas: %d
  strategy: {rollingUpdate: {maxUnavailable: 0}}
  selector: {matchLabels: {app.kubernetes.io/name: board, plattr.dev/role: server}}
  template:
    metadata: {labels: {app.kubernetes.io/name: board, plattr.dev/role: server}}
    spec:
      terminationGracePeriodSeconds: 1
      %s
      containers:
        - name: board
          command: [sh, -c, %s]
          terminationMessagePolicy: FallbackToLogsOnError
          %s
`, app.Namespace, replicas, pod, strconv.Quote(script), strings.ReplaceAll(strings.TrimSpace(more), "\n", "\n          ")))
}

// until asks for the status until it is as wanted.
func until(t *testing.T, c *cluster.Client, app kube.App, limit time.Duration, good func(cluster.Status) bool) cluster.Status {
	t.Helper()
	var s cluster.Status
	for deadline := time.Now().Add(limit); ; time.Sleep(500 * time.Millisecond) {
		var err error
		if s, err = c.Status(t.Context(), app); err != nil {
			t.Fatal(err)
		}
		if good(s) {
			return s
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %s: %+v", limit, s)
		}
	}
}

// statusOfPods holds the reason in one line, for each way in which pods do not start.
func statusOfPods(t *testing.T, k *testutil.KindCluster) {
	c := open(t, k.Admin.Content)
	cases := map[string]struct {
		script, more string
		phase        cluster.Phase
		why          string
		evidence     string
	}{
		"Image":    {"", "image: " + testutil.Registry + "/nothing@sha256:" + strings.Repeat("0", 64), cluster.Failed, `^pod board-\S+: image \S+ of container board cannot be had \(\w+\): .+$`, ""},
		"Crash":    {"echo starting; echo 'Error: no database'; echo at main.js; exit 3", "", cluster.Failed, `^pod board-\S+: container board crashes: exit code 3: at main.js$`, "Error: no database"},
		"Config":   {"sleep 1d", "env: [{name: A, valueFrom: {secretKeyRef: {name: lost, key: a}}}]", cluster.Failed, `container board cannot be started: secret "lost" not found`, ""},
		"Probe":    {"sleep 1d", "readinessProbe: {exec: {command: [sh, -c, 'echo warming up; exit 1']}, periodSeconds: 1}", cluster.Provisioning, `container board is running and not ready: Readiness probe failed: warming up`, ""},
		"Schedule": {"sleep 1d", "resources: {requests: {cpu: 1000}}", cluster.Provisioning, `it fits on no node: .*Insufficient cpu`, ""},
		"Quota":    {"sleep 1d", "resources: {requests: {memory: 1Mi}, limits: {memory: 1Mi}}", cluster.Failed, `exceeded quota: small, requested: pods=1`, ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			app := appIn(t, k, "status-"+strings.ToLower(name))
			if name == "Quota" {
				k.Admin.Kubectl(t, "create", "quota", "small", "--hard=pods=0", "-n", app.Namespace)
			}
			deploy(t, k, app, 1, tc.script, tc.more)
			want := regexp.MustCompile(tc.why)
			s := until(t, c, app, 90*time.Second, func(s cluster.Status) bool {
				return s.Phase == tc.phase && want.MatchString(s.Part(cluster.PartWorkload).Why)
			})
			part := s.Part(cluster.PartWorkload)
			if strings.Contains(part.Why, "\n") || s.Pods.Ready != 0 || s.Image != "" || s.NextImage == "" {
				t.Errorf("%+v", s)
			}
			if tc.evidence != "" && !slices.Contains(part.Evidence, tc.evidence) {
				t.Errorf("evidence %q", part.Evidence)
			}
			t.Log(part.Why)
		})
	}
}

// statusOfRelease holds what is said of what works, and of a release beside it that does not.
func statusOfRelease(t *testing.T, k *testutil.KindCluster) {
	app, c := appIn(t, k, "status-runs"), open(t, k.Admin.Content)
	deploy(t, k, app, 2, "while true; do :; done", "resources: {requests: {cpu: 100m}, limits: {cpu: 200m}}")
	k.Admin.Apply(t, `
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: board, namespace: status-runs}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: board}
  minReplicas: 2
  maxReplicas: 3
  metrics: [{type: ContainerResource, containerResource: {name: cpu, container: board, target: {type: Utilization, averageUtilization: 90}}}]
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: board, namespace: status-runs}
spec:
  tls: [{hosts: [board.example.com], secretName: board-tls}]
  rules: [{host: board.example.com, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: board, port: {number: 80}}}}]}}]
`)
	s := until(t, c, app, time.Minute, func(s cluster.Status) bool { return s.Phase == cluster.Running && s.Pods.Ready >= 2 })
	if s.Image != image || s.NextImage != "" || s.Since == nil || time.Since(*s.Since) > time.Minute || s.Pods.Min != 2 || s.Pods.Max != 3 {
		t.Errorf("%+v", s)
	}
	if p := s.Part(cluster.PartIngress); p.State != cluster.PartFailed || p.Why != "Service board is not there: the host leads nowhere" {
		t.Errorf("ingress: %+v", p)
	}
	k.Admin.Kubectl(t, "create", "service", "clusterip", "board", "--tcp=80", "-n", app.Namespace)
	s = until(t, c, app, 3*time.Minute, func(s cluster.Status) bool { return s.Pods.CPUPercent != nil })
	if p := s.Part(cluster.PartIngress); p.State != cluster.PartWaiting || p.Why != "certificate not issued yet: Secret board-tls is not there" {
		t.Errorf("ingress: %+v", p)
	}
	if *s.Pods.CPUPercent < 1 || !strings.Contains(s.Part(cluster.PartWorkload).Detail, " % CPU") {
		t.Errorf("%+v", s)
	}
	deploy(t, k, app, 2, "exit 1", "resources: {requests: {cpu: 100m}}\nimage: "+image+"@sha256:"+strings.Repeat("0", 64))
	s = until(t, c, app, time.Minute, func(s cluster.Status) bool { return s.Phase == cluster.Failed })
	if s.Image != image || s.Pods.Ready < 2 || !strings.HasSuffix(s.NextImage, "000") || !strings.Contains(s.Part(cluster.PartWorkload).Detail, " of the release before (2-3)") {
		t.Errorf("%+v", s)
	}
	t.Logf("%+v", s)
}

func migrate(t *testing.T, k *testutil.KindCluster, app kube.App, release, script string) {
	t.Helper()
	k.Admin.Apply(t, fmt.Sprintf(`
apiVersion: batch/v1
kind: Job
metadata: {name: board-migrate-%s, namespace: %s, labels: {app.kubernetes.io/name: board, app.kubernetes.io/managed-by: plattr}}
spec:
  backoffLimit: 0
  template:
    metadata: {labels: {app.kubernetes.io/name: board, plattr.dev/role: migration}}
    spec:
      restartPolicy: Never
      containers: [{name: migrate, image: %q, command: [sh, -c, %s], terminationMessagePolicy: FallbackToLogsOnError}]
`, release, app.Namespace, image, strconv.Quote(script)))
}

func statusOfMigrations(t *testing.T, k *testutil.KindCluster) {
	app, c := appIn(t, k, "status-migrations"), open(t, k.Admin.Content)
	is := func(state cluster.State) func(cluster.Status) bool {
		return func(s cluster.Status) bool { return s.Part(cluster.PartMigrations).State == state }
	}
	migrate(t, k, app, "1", "echo 001_first; until [ -e /tmp/go ]; do sleep 0.2; done")
	s := until(t, c, app, time.Minute, is(cluster.PartWaiting))
	if s.Phase != cluster.Provisioning {
		t.Errorf("%+v", s)
	}
	k.Admin.Kubectl(t, "wait", "--for=jsonpath={.status.ready}=1", "job/board-migrate-1", "-n", app.Namespace)
	k.Admin.Kubectl(t, "exec", "job/board-migrate-1", "-n", app.Namespace, "--", "touch", "/tmp/go")
	s = until(t, c, app, time.Minute, is(cluster.PartReady))
	if d := s.Part(cluster.PartMigrations).Detail; !regexp.MustCompile(`^release 1, done in \d+s$`).MatchString(d) || s.Phase != cluster.Absent {
		t.Errorf("%+v", s)
	}
	migrate(t, k, app, "2", "echo 002_second; echo 'ERROR: relation exists'; exit 1")
	s = until(t, c, app, time.Minute, is(cluster.PartFailed))
	p := s.Part(cluster.PartMigrations)
	if s.Phase != cluster.Failed || !strings.HasSuffix(p.Why, "container migrate ended: exit code 1: ERROR: relation exists") ||
		!slices.Equal(p.Evidence, []string{"002_second", "ERROR: relation exists"}) || p.Detail != "release 2" {
		t.Errorf("%+v", s)
	}
	got := readLogs(t, c, app, cluster.LogOptions{Container: cluster.LogsMigrate})
	if !slices.Equal(texts(got), []string{"002_second", "ERROR: relation exists"}) {
		t.Errorf("logs of the last migration: %v", got)
	}
}

// forward holds that a tunnel leads to a pod, and to another when that is gone.
func forward(t *testing.T, k *testutil.KindCluster) {
	app, c := appIn(t, k, "forward"), open(t, k.Admin.Content)
	k.Admin.Apply(t, fmt.Sprintf(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: store, namespace: forward}
spec:
  selector: {matchLabels: {app: store}}
  template:
    metadata: {labels: {app: store}}
    spec:
      terminationGracePeriodSeconds: 1
      containers: [{name: redis, image: %q, ports: [{name: redis, containerPort: 6379}], readinessProbe: {tcpSocket: {port: 6379}, periodSeconds: 1}}]
---
apiVersion: v1
kind: Service
metadata: {name: store, namespace: forward}
spec: {selector: {app: store}, ports: [{name: other, port: 81, targetPort: 1234}, {name: redis, port: 80, targetPort: redis}]}
`, image))
	k.Admin.Kubectl(t, "rollout", "status", "-n", app.Namespace, "deployment/store", "--timeout=1m")
	tunnel, err := c.Forward(t.Context(), app.Namespace, "store", 80)
	if err != nil {
		t.Fatal(err)
	}
	ping := func() error {
		conn, err := net.Dial("tcp", tunnel.Addr)
		if err != nil {
			return err
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		fmt.Fprint(conn, "PING\r\n")
		answer, err := bufio.NewReader(conn).ReadString('\n')
		if err == nil && answer != "+PONG\r\n" {
			err = fmt.Errorf("answer %q", answer)
		}
		return err
	}
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if err := ping(); err != nil {
				t.Errorf("through the tunnel: %v, %v", err, tunnel.Err())
			}
		})
	}
	all.Wait()
	k.Admin.Kubectl(t, "delete", "pod", "-n", app.Namespace, "-l", "app=store", "--wait=false")
	k.Admin.Kubectl(t, "rollout", "status", "-n", app.Namespace, "deployment/store", "--timeout=1m")
	if err := ping(); err != nil {
		t.Errorf("when the pod has gone: %v, %v", err, tunnel.Err())
	}
	closed, err := c.Forward(t.Context(), app.Namespace, "store", 81)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", closed.Addr)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.ReadAll(conn)
	if err := closed.Err(); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("a port where nothing listens: %v", err)
	}
	for _, end := range []*cluster.Tunnel{closed, tunnel} {
		if err := end.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := ping(); err == nil {
		t.Error("a closed tunnel leads somewhere")
	}
}

// database holds that a database in the cluster is reached from here by the URL that its pods have, again when it has moved.
func database(t *testing.T, k *testutil.KindCluster) {
	app, c := appIn(t, k, "database"), open(t, k.Admin.Content)
	k.Admin.Apply(t, `
apiVersion: apps/v1
kind: Deployment
metadata: {name: db, namespace: database}
spec:
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - name: postgres
          image: localhost:5055/postgres:17
          env: [{name: POSTGRES_PASSWORD, value: super-secret}]
          readinessProbe: {tcpSocket: {port: 5432}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: database}
spec: {selector: {app: db}, ports: [{port: 15432, targetPort: 5432}]}
---
apiVersion: v1
kind: Secret
metadata: {name: board-db, namespace: database}
stringData: {DATABASE_URL: "postgres://postgres:super-secret@db.database.svc.cluster.local:15432/postgres?sslmode=disable"}
`)
	rollout := func() { k.Admin.Kubectl(t, "rollout", "status", "-n", "database", "deployment/db", "--timeout=2m") }
	rollout()
	inPods, err := c.DatabaseURL(t.Context(), app)
	if err != nil {
		t.Fatal(err)
	}
	here, end, err := c.ReachDatabase(t.Context(), app, inPods)
	if err != nil {
		t.Fatal(err)
	}
	config, err := libpq.Config(here, "test")
	if err != nil {
		t.Fatal(err)
	}
	ask := func() {
		t.Helper()
		conn, err := libpq.Connect(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		defer libpq.Close(conn)
		text := "" // more than fits into the buffers of the way
		if err := conn.QueryRow(t.Context(), "select repeat('x', 5000000)").Scan(&text); err != nil || len(text) != 5000000 {
			t.Errorf("%d, %v", len(text), err)
		}
	}
	ask()
	k.Admin.Kubectl(t, "delete", "pod", "-n", "database", "-l", "app=db", "--wait=false")
	rollout()
	ask()
	if err := end(); err != nil {
		t.Error(err)
	}
	if _, err := libpq.Connect(t.Context(), config); err == nil {
		t.Error("the way is still open")
	}
}
