package deploy_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"plattr.dev/plattr/internal/config"
	"plattr.dev/plattr/internal/config/names"
	"plattr.dev/plattr/internal/deploy"
	"plattr.dev/plattr/internal/engine"
	"plattr.dev/plattr/internal/testutil"
	"plattr.dev/plattr/stacks/application"
)

// The servers of the environment run in the cluster and are reached at the node, by plattr and by pods alike.
const services = `
apiVersion: v1
kind: Namespace
metadata: {name: services}
---
apiVersion: v1
kind: Namespace
metadata: {name: staging, labels: {pod-security.kubernetes.io/enforce: restricted}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: db, namespace: services}
spec:
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      containers:
        - name: postgres
          image: localhost:5050/postgres:17
          env: [{name: POSTGRES_PASSWORD, value: super-secret}]
          readinessProbe: {tcpSocket: {port: 5432}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: services}
spec: {type: NodePort, selector: {app: db}, ports: [{port: 5432, nodePort: 30432}]}
---
apiVersion: v1
kind: Secret
metadata: {name: s3, namespace: services}
stringData:
  s3.json: '{"dir": "/data", "address": "0.0.0.0:9000", "iamAddress": "0.0.0.0:9002", "accessKey": "root", "secretKey": "root-secret-of-s3"}'
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: s3, namespace: services}
spec:
  selector: {matchLabels: {app: s3}}
  template:
    metadata: {labels: {app: s3}}
    spec:
      securityContext: {fsGroup: 1000}
      containers:
        - name: s3
          image: localhost:5050/plattr:dev
          args: [serve-s3, /config/s3.json]
          readinessProbe: {tcpSocket: {port: 9000}, periodSeconds: 1}
          volumeMounts: [{name: data, mountPath: /data}, {name: config, mountPath: /config}]
      volumes: [{name: data, emptyDir: {}}, {name: config, secret: {secretName: s3}}]
---
apiVersion: v1
kind: Service
metadata: {name: s3, namespace: services}
spec:
  type: NodePort
  selector: {app: s3}
  ports: [{name: s3, port: 9000, nodePort: 30900}, {name: iam, port: 9002, nodePort: 30902}]
`

// environment is staging on a cluster of the test's own.
type environment struct {
	t        *testing.T
	cluster  *testutil.KindCluster
	platform deploy.Platform
	deployer *deploy.Deployer
	app      deploy.Application
}

func newEnvironment(t *testing.T) *environment {
	t.Helper()
	c := testutil.Kind(t)
	c.Images(t, "postgres", "postgrest", "plattr", "guestbook")
	c.ServeIngresses(t)
	c.Admin.Apply(t, services)
	for _, d := range []string{"db", "s3"} {
		c.Admin.Kubectl(t, "rollout", "status", "-n", "services", "deployment/"+d, "--timeout=2m")
	}
	node := c.Admin.Kubectl(t, "get", "nodes", "-o", `jsonpath={.items[0].status.addresses[?(@.type=="InternalIP")].address}`)
	prepareDatabase(t, node)
	dir := t.TempDir()
	e, err := engine.New(engine.Options{Project: "plattr", StateURL: engine.FileURL(dir), Owner: "test"})
	if err != nil {
		t.Fatal(err)
	}
	file, err := config.Load("../../testdata/apps/guestbook/plattr.yaml")
	if err != nil {
		t.Fatal(err)
	}
	const host = "guestbook.staging.example.com"
	return &environment{
		t: t, cluster: c, deployer: deploy.New(e), platform: platformAt(t, node, c),
		app: deploy.Application{Name: file.Name, Spec: file.ApplicationSpec, URL: "http://" + host, Host: host},
	}
}

// prepareDatabase makes what the environment's owner makes once: an administrator who is no superuser, and the database that
// the applications share.
func prepareDatabase(t *testing.T, node string) {
	t.Helper()
	var conn *pgx.Conn
	var err error
	for range 50 { // a NodePort answers a moment after the pod is ready
		if conn, err = pgx.Connect(t.Context(), "postgres://postgres:super-secret@"+node+":30432/postgres"); err == nil {
			break
		}
		time.Sleep(200 * time.Millisecond)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	for _, statement := range []string{
		"create role plattr_admin login createrole createdb password 'admin-secret'", "create database apps owner plattr_admin",
	} {
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
}

func platformAt(t *testing.T, node string, c *testutil.KindCluster) deploy.Platform {
	t.Helper()
	return deploy.Platform{
		Target: names.Target{Environment: names.Staging},
		Database: deploy.DatabaseServer{
			Host: node, Port: 30432, Database: "apps", TLS: "disable", Admin: deploy.Credentials{User: "plattr_admin", Secret: "admin-secret"},
			BootstrapURL: "postgres://postgres:super-secret@" + node + ":30432/postgres",
		},
		Storage: deploy.StorageServer{
			Endpoint: "http://" + node + ":30900", IAMEndpoint: "http://" + node + ":30902", Region: "us-east-1",
			Admin:        deploy.Credentials{User: "root", Secret: "root-secret-of-s3"},
			Capabilities: []deploy.Capability{deploy.CapabilityUsers, deploy.CapabilityOwnershipControls},
		},
		Cluster: deploy.Cluster{
			Kubeconfig:  c.Admin.Content,
			PlattrImage: pinned(t, "plattr:dev"), RestImage: pinned(t, "postgrest:12"),
			Ingress: application.Ingress{Class: "skipper", Rewrite: application.Rewrite{
				Path: "/api/rest", Annotations: map[string]string{"zalando.org/skipper-filter": `modPath("^/api/rest/?", "/")`},
			}},
			Services: []application.Peer{{Namespace: "services", Ports: []int{5432, 9000}}, {CIDR: node + "/32", Ports: []int{30432, 30900}}},
		},
	}
}

// pinned names an image of the registry by its digest.
func pinned(t *testing.T, image string) string {
	t.Helper()
	name, tag, _ := strings.Cut(image, ":")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodHead, "http://"+testutil.Registry+"/v2/"+name+"/manifests/"+tag, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, "+
		"application/vnd.docker.distribution.manifest.v2+json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	digest := resp.Header.Get("Docker-Content-Digest")
	if digest == "" {
		t.Fatalf("image %s has no digest: %s", image, resp.Status)
	}
	return testutil.Registry + "/" + name + "@" + digest
}

// up deploys a release.
func (e *environment) up(release deploy.Release) (deploy.Result, error) {
	e.t.Helper()
	e.app.Release = release
	began := time.Now()
	ctx, cancel := context.WithTimeout(e.t.Context(), 2*time.Minute)
	defer cancel()
	res, err := e.deployer.Up(ctx, e.app, e.platform, deploy.Options{})
	e.t.Logf("release %s: %s, %v", release.ID, time.Since(began).Round(time.Millisecond), res.Changes)
	return res, err
}

// ask sends a request for the application's host through the ingress; a form is posted.
func (e *environment) ask(path string, form url.Values) (int, string) {
	e.t.Helper()
	method, body := http.MethodGet, io.Reader(nil)
	if form != nil {
		method, body = http.MethodPost, strings.NewReader(form.Encode())
	}
	req, err := http.NewRequestWithContext(e.t.Context(), method, "http://"+e.cluster.Ingress+path, body)
	if err != nil {
		e.t.Fatal(err)
	}
	req.Host = e.app.Host
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, Timeout: 10 * time.Second}
	resp, err := client.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	var text bytes.Buffer
	_, _ = io.Copy(&text, resp.Body)
	return resp.StatusCode, text.String()
}

// explain logs what the cluster says of the application.
func (e *environment) explain() {
	e.t.Helper()
	for _, args := range [][]string{
		{"get", "all", "-n", "staging", "-o", "wide"},
		{"get", "events", "-n", "staging"},
		{"logs", "-n", "staging", "-l", "app.kubernetes.io/name=guestbook", "--all-containers", "--prefix", "--tail=20"},
	} {
		out, _ := e.cluster.Admin.TryKubectl(e.t, args...)
		e.t.Logf("kubectl %s:\n%s", strings.Join(args, " "), out)
	}
}

// serves waits until a page says something.
func (e *environment) serves(path, want string) {
	e.t.Helper()
	var status int
	var text string
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		if status, text = e.ask(path, nil); status == http.StatusOK && strings.Contains(text, want) {
			return
		}
	}
	e.t.Fatalf("%s does not say %q, but: %d %s", path, want, status, text)
}

// TestStaging is the life of an application in a cluster: its first release with its migrations, nothing to do, a setting
// that changes, a release that fails and leaves the one before serving, drift, and its end.
func TestStaging(t *testing.T) {
	t.Parallel()
	e := newEnvironment(t)
	first := deploy.Release{ID: "1", Image: pinned(t, "guestbook:dev")}
	if _, err := e.up(first); err != nil {
		e.explain()
		t.Fatal(err)
	}
	e.serves("/", "Please sign the book")
	if status, text := e.ask("/", url.Values{"name": {"Ada"}, "message": {"Lovely cluster."}}); status >= 400 {
		t.Errorf("signing: %d %s", status, text)
	}
	e.serves("/api/rest/entry?select=name", `"Ada"`)
	if res, err := e.up(first); err != nil || res.Changed() {
		t.Errorf("the same again: %v, changes %v, drift %v", err, res.Changes, res.Drift)
	}

	e.app.Spec.Env = map[string]string{"GREETING": "Sign here."}
	e.app.UserEnv = map[string]string{"TOKEN": "a-token-of-somebody"}
	if _, err := e.up(first); err != nil {
		t.Fatal(err)
	}
	e.serves("/", "Sign here.")

	broken := deploy.Release{
		ID: "2", Image: testutil.Registry + "/guestbook@sha256:" + strings.Repeat("0", 64),
		Earlier: []application.Release{{ID: first.ID, Image: first.Image}},
	}
	if _, err := e.up(broken); err == nil || !strings.Contains(err.Error(), "image") {
		t.Errorf("a release whose image is not there: %v", err)
	}
	e.serves("/", "Sign here.")

	kubectl := e.cluster.Admin.Kubectl
	kubectl(t, "delete", "-n", "staging", "service/guestbook", "ingress/guestbook-api")
	third := deploy.Release{ID: "3", Image: first.Image, Earlier: broken.Earlier}
	res, err := e.up(third)
	if err != nil {
		t.Fatal(err)
	}
	if len(res.Drift) < 2 {
		t.Errorf("what a person deleted is not seen: %v", res.Drift)
	}
	e.serves("/api/rest/entry?select=name", `"Ada"`)

	e.app.Release = third
	if _, err := e.deployer.Destroy(t.Context(), e.app, e.platform, deploy.Options{}); err != nil {
		t.Fatal(err)
	}
	left := kubectl(t, "get", "-n", "staging", "all,secrets,configmaps,ingresses,networkpolicies,hpa,pdb,serviceaccounts",
		"-l", "app.kubernetes.io/name=guestbook", "-o", "name")
	if strings.TrimSpace(left) != "" {
		t.Errorf("left in the namespace: %s", left)
	}
}
