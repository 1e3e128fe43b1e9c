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

	"plattr.dev/plattr/internal/config"
	"plattr.dev/plattr/internal/config/names"
	"plattr.dev/plattr/internal/deploy"
	"plattr.dev/plattr/internal/engine"
	"plattr.dev/plattr/internal/testutil"
	"plattr.dev/plattr/stacks/application"
)

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
	c.Images(t, "postgrest", "guestbook")
	c.ServeIngresses(t)
	servers := c.Servers(t, false)
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
		t: t, cluster: c, deployer: deploy.New(e), platform: platformAt(t, servers, c),
		app: deploy.Application{Name: file.Name, Spec: file.ApplicationSpec, URL: "http://" + host, Host: host},
	}
}

func platformAt(t *testing.T, servers testutil.Servers, c *testutil.KindCluster) deploy.Platform {
	t.Helper()
	node := servers.Node
	return deploy.Platform{
		Target: names.Target{Environment: names.Staging},
		Database: deploy.DatabaseServer{
			Host: node, Port: 30432, Database: testutil.ServersDatabase, TLS: "disable", Admin: deploy.Credentials{User: testutil.ServersAdmin, Secret: testutil.ServersAdminPassword},
			BootstrapURL: servers.SuperuserURL("postgres"),
		},
		Storage: deploy.StorageServer{
			Endpoint: "http://" + node + ":30900", IAMEndpoint: "http://" + node + ":30902", Region: "us-east-1",
			Admin:        deploy.Credentials{User: testutil.ServersS3User, Secret: testutil.ServersS3Secret},
			Capabilities: []deploy.Capability{deploy.CapabilityUsers, deploy.CapabilityOwnershipControls},
		},
		Cluster: deploy.Cluster{
			Kubeconfig:  c.Admin.Content,
			PlattrImage: pinned(t, "plattr:dev"), RestImage: pinned(t, "postgrest:12"),
			Ingress:  application.Ingress{Class: "traefik", Rewrite: application.Rewrite{Traefik: true}},
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
