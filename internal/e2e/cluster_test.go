package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"plattr.dev/plattr/internal/testutil"
	"plattr.dev/plattr/localdev/state/statetest"
)

// place is an environment, staging, on a Kind cluster, and the program that deploys to it.
type place struct {
	t             testing.TB
	cluster       *testutil.KindCluster
	servers       testutil.Servers
	program, root string
}

const platformFile = `baseDomain: example.com
environments:
  staging:
    cluster: {kubeconfig: %[2]s}
    database:
      host: %[1]s
      port: 30432
      name: apps
      admin: {user: plattr_admin, password: "env:DB_PASSWORD"}
      bootstrap: {user: postgres, password: "env:DB_SUPERUSER"}
      tls: disable
    storage:
      endpoint: http://%[1]s:30900
      iamEndpoint: http://%[1]s:30902
      capabilities: [users, ownershipControls]
      admin: {user: root, password: "file:s3.secret"}
    auth:
      url: http://%[1]s:30880
      admin: {user: plattr, password: "k8s:services/keycloak#secret"}
    redis: instance
    search: instance
    ingress:
      class: traefik
      rewrite: {traefik: true}
    services:
      - {namespace: services, ports: [5432, 9000, 8080]}
      - {cidr: %[1]s/32, ports: [30432, 30900, 30880]}
    state: file://state
    images:
      plattr: localhost:5055/plattr:dev
      postgrest: localhost:5055/postgrest:12
      redis: localhost:5055/redis:6.2
      opensearch: localhost:5055/opensearch:3
`

// newPlace makes a cluster with the servers of staging, and a folder with the platform's file.
func newPlace(t testing.TB, keycloak bool, images ...string) *place {
	t.Helper()
	p := &place{t: t, cluster: testutil.Kind(t), root: statetest.Room(t)}
	p.program = build(t, p.root)
	p.cluster.ServeIngresses(t)
	p.cluster.Images(t, append(images, "plattr", "postgrest")...)
	p.servers = p.cluster.Servers(t, keycloak)
	p.repository()
	p.write("s3.secret", testutil.ServersS3Secret+"\n")
	p.write("plattr.platform.yaml", fmt.Sprintf(platformFile, p.servers.Node, p.cluster.Admin.Path))
	return p
}

// repository makes the folder one: nothing above it is looked at, and applications have an origin.
func (p *place) repository() {
	p.t.Helper()
	for _, args := range [][]string{{"init", "-q"}, {"remote", "add", "origin", "https://git.example.com/apps.git"}} {
		cmd := exec.CommandContext(p.t.Context(), "git", args...)
		cmd.Dir = p.root
		if out, err := cmd.CombinedOutput(); err != nil {
			p.t.Fatalf("git: %v: %s", err, out)
		}
	}
}

// of is the place for a subtest.
func (p *place) of(t *testing.T) *place {
	q := *p
	q.t = t
	return &q
}

func (p *place) write(path, content string) {
	p.t.Helper()
	path = filepath.Join(p.root, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// app is an application that is deployed.
type app struct {
	*place
	name, dir string
}

// app takes the file of an example application over.
func (p *place) app(name, from string, edit func(string) string) *app {
	p.t.Helper()
	raw, err := os.ReadFile(filepath.Join("../../testdata/apps", from, "plattr.yaml"))
	if err != nil {
		p.t.Fatal(err)
	}
	text := strings.Replace(string(raw), "name: "+from, "name: "+name, 1)
	if edit != nil {
		text = edit(text)
	}
	p.write(filepath.Join(name, "plattr.yaml"), text)
	return &app{place: p, name: name, dir: filepath.Join(p.root, name)}
}

// answer is what a command said.
type answer struct {
	out, err string
	code     int
	took     time.Duration
}

func (a *app) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, a.program, args...)
	cmd.Dir = a.dir
	cmd.Env = append(os.Environ(), "DB_PASSWORD="+testutil.ServersAdminPassword, "DB_SUPERUSER="+testutil.ServersSuperuser,
		"PLATTR_STATE_DIR="+filepath.Join(a.root, "local-state"), "KUBECONFIG="+filepath.Join(a.root, "no-kubeconfig"))
	return cmd
}

// try runs a command in the application's folder.
func (a *app) try(args ...string) answer {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(a.t.Context(), 4*time.Minute)
	defer cancel()
	cmd := a.command(ctx, args...)
	var out, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaints
	began := time.Now()
	err := cmd.Run()
	got := answer{out: out.String(), err: complaints.String(), took: time.Since(began)}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got.code = exit.ExitCode()
	} else if err != nil {
		a.t.Fatal(err)
	}
	a.t.Logf("plattr %s: exit %d, %s\n%s%s", strings.Join(args, " "), got.code, got.took.Round(10*time.Millisecond), got.out, got.err)
	for _, secret := range []string{testutil.ServersAdminPassword, testutil.ServersSuperuser, testutil.ServersS3Secret} {
		if strings.Contains(got.out+got.err, secret) {
			a.t.Errorf("plattr %s tells a secret", strings.Join(args, " "))
		}
	}
	return got
}

// run is try for a command that must succeed.
func (a *app) run(args ...string) answer {
	a.t.Helper()
	got := a.try(args...)
	if got.code != 0 {
		a.explain()
		a.t.Fatalf("plattr %s: exit code %d", strings.Join(args, " "), got.code)
	}
	return got
}

// fails is try for a command that must fail, with words about why.
func (a *app) fails(words string, args ...string) answer {
	a.t.Helper()
	got := a.try(args...)
	if got.code == 0 || !strings.Contains(got.out+got.err, words) {
		a.t.Errorf("plattr %s: exit code %d, and it does not say %q", strings.Join(args, " "), got.code, words)
	}
	return got
}

func (a *app) explain() {
	for _, args := range [][]string{
		{"get", "all", "-n", "staging", "-o", "wide"},
		{"get", "events", "-n", "staging"},
		{"logs", "-n", "staging", "-l", "app.kubernetes.io/name=" + a.name, "--all-containers", "--prefix", "--tail=20"},
	} {
		out, _ := a.cluster.Admin.TryKubectl(a.t, args...)
		a.t.Logf("kubectl %s:\n%s", strings.Join(args, " "), out)
	}
}

func (a *app) kubectl(args ...string) string {
	a.t.Helper()
	return a.cluster.Admin.Kubectl(a.t, append(args, "-n", "staging")...)
}

// ask sends a request for the application's host through the ingress; a form is posted.
func (a *app) ask(path string, form url.Values) (int, string) {
	a.t.Helper()
	method, body := http.MethodGet, io.Reader(nil)
	if form != nil {
		method, body = http.MethodPost, strings.NewReader(form.Encode())
	}
	req, err := http.NewRequestWithContext(a.t.Context(), method, "http://"+a.cluster.Ingress+path, body)
	if err != nil {
		a.t.Fatal(err)
	}
	req.Host = a.name + ".staging.example.com"
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, Timeout: 10 * time.Second}
	resp, err := client.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(text)
}

// serves waits until a page says something.
func (a *app) serves(path, want string) {
	a.t.Helper()
	var status int
	var text string
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		if status, text = a.ask(path, nil); status == http.StatusOK && strings.Contains(text, want) {
			return
		}
	}
	a.explain()
	a.t.Fatalf("%s does not say %q, but: %d %.300s", path, want, status, text)
}

// deployed is what `deploy -o json` prints.
type deployed struct {
	Release, Image, URL string
	Changes             map[string]int
}

func (a *app) deploy(image string, more ...string) deployed {
	a.t.Helper()
	args := append([]string{"deploy", "--env", "staging", "-o", "json"}, more...)
	if image != "" { // otherwise the one that runs
		args = append(args, "--image", image)
	}
	got := a.run(args...)
	var d deployed
	if err := json.Unmarshal([]byte(got.out), &d); err != nil {
		a.t.Fatalf("deploy -o json: %v", err)
	}
	return d
}

// changed is how many resources a run changed.
func (d deployed) changed() int {
	n := 0
	for what, count := range d.Changes {
		if what != "same" {
			n += count
		}
	}
	return n
}

// TestCluster is the life of applications in an environment on a real cluster, by the commands that people type.
func TestCluster(t *testing.T) {
	t.Parallel()
	p := newPlace(t, true, "guestbook", "board", "redis", "opensearch")
	t.Run("Guestbook", func(t *testing.T) { //nolint:paralleltest // it looks at how pods are scaled by the load on them
		p.of(t).app("guestbook", "guestbook", func(text string) string {
			return text + "scaling: {min: 1, max: 2, targetCPU: 30}\n"
		}).life()
	})
	t.Run("Probe", func(t *testing.T) {
		t.Parallel()
		p.of(t).app("doorbell", "guestbook", nil).unhealthy()
	})
	t.Run("Board", func(t *testing.T) {
		t.Parallel()
		p.of(t).app("board", "board", func(text string) string { return text + "scaling: {min: 1, max: 2}\n" }).board()
	})
}

// life is that of an application from its first release to the end of its data.
func (a *app) life() {
	first := a.deploy(testutil.Registry + "/guestbook:dev")
	if !strings.Contains(first.Image, "guestbook@sha256:") || first.Release != "1" || first.URL != "http://guestbook.staging.example.com" {
		a.t.Errorf("the first release: %+v", first)
	}
	a.serves("/", "Please sign the book")
	if status, text := a.ask("/", url.Values{"name": {"Ada"}, "message": {"Lovely cluster."}}); status >= 400 {
		a.t.Errorf("signing: %d %s", status, text)
	}
	a.serves("/api/rest/entry?select=name", `"Ada"`)
	if again := a.deploy(first.Image); again.changed() != 0 || again.Release != "1" {
		a.t.Errorf("the same again: %+v", again)
	}
	a.looks(first)
	a.badInput()
	a.failures(first)
	a.secondRelease(first)
	a.configured()
	a.policies()
	a.scales()
	a.drift()
	a.end()
}

// badInput is refused in a line that names the fault, and changes nothing.
func (a *app) badInput() {
	image := testutil.Registry + "/guestbook"
	a.fails("--env is missing", "deploy", "--image", image+":dev")
	a.fails(`did you mean "staging"`, "deploy", "--env", "stagin", "--image", image+":dev")
	a.fails("there is staging", "deploy", "--env", "uat", "--image", image+":dev")
	a.fails("push it first", "deploy", "--env", "staging", "--image", image+":nothing")
	a.fails("is no image", "deploy", "--env", "staging", "--image", "No Image")
	a.fails("there is no earlier release 7", "rollback", "--env", "staging", "--to", "7")
	a.fails("yes", "undeploy", "--env", "staging")
	another := *a // application of the same name, in another folder of the repository
	another.dir = filepath.Join(a.root, "fork")
	text, err := os.ReadFile(filepath.Join(a.dir, "plattr.yaml"))
	a.must(err)
	a.write("fork/plattr.yaml", string(text))
	for _, args := range [][]string{{"deploy", "--image", image + ":dev"}, {"undeploy", "--yes"}, {"status"}, {"rollback"}, {"history"}} {
		another.fails("is taken in staging: the application there comes from git.example.com/apps//guestbook/", append(args, "--env", "staging")...)
	}
}

// failures are releases that do not come to serve: the one before goes on.
func (a *app) failures(first deployed) {
	missing := testutil.Registry + "/guestbook@sha256:" + strings.Repeat("0", 64)
	a.fails("push it first", "deploy", "--env", "staging", "--image", missing)
	crashing := a.variant("crashing", nil, "/nothing-here")
	a.fails("goes on serving", "deploy", "--env", "staging", "--image", crashing)
	wrong := a.variant("wrong-migration", map[string]string{
		"migrations/00005_wrong.sql": "-- +goose Up\nalter table nobody add column x int;\n",
	}, "")
	got := a.fails("goes on serving", "deploy", "--env", "staging", "--image", wrong)
	if !strings.Contains(got.err+got.out, "nobody") {
		a.t.Errorf("the error does not say why the migration failed")
	}
	a.serves("/api/rest/entry?select=name", `"Ada"`)
	history := a.run("history", "--env", "staging").out
	if strings.Count(history, "   failed   ") != 2 || !strings.Contains(history, "serves") {
		a.t.Errorf("history: %s", history)
	}
	a.looksAfterFailures(first)
	if again := a.deploy(first.Image); again.changed() != 0 {
		a.t.Errorf("after failures the first release is not as it was: %+v", again)
	}
}

// unhealthy is a release whose pods run and never answer their probe: the one before goes on.
func (a *app) unhealthy() {
	a.deploy(testutil.Registry + "/guestbook:dev")
	path := filepath.Join(a.dir, "plattr.yaml")
	before, err := os.ReadFile(path)
	a.must(err)
	a.must(os.WriteFile(path, append(before, "health: {path: /nowhere}\n"...), 0o600))
	got := a.fails("goes on serving", "deploy", "--env", "staging")
	for _, word := range []string{"/nowhere", "404"} {
		if !strings.Contains(got.out+got.err, word) {
			a.t.Errorf("the error does not say %q", word)
		}
	}
	a.serves("/", "Please sign the book")
	a.must(os.WriteFile(path, before, 0o600))
	if again := a.deploy(""); again.changed() != 0 {
		a.t.Errorf("after the failure the first release is not as it was: %+v", again)
	}
	a.run("undeploy", "--env", "staging", "--data", "--yes")
}

// secondRelease migrates, is configured, and is taken back.
func (a *app) secondRelease(first deployed) {
	second := a.variant("second", map[string]string{
		"migrations/00005_mood.sql": "-- +goose Up\nalter table entry add column mood text default 'glad';\n-- +goose Down\nalter table entry drop column mood;\n",
	}, "")
	if plan := a.run("deploy", "--env", "staging", "--image", second, "--plan").out; !strings.Contains(plan, "rollout guestbook") {
		a.t.Errorf("the plan: %s", plan)
	}
	d := a.deploy(second)
	if d.Image == first.Image {
		a.t.Errorf("the second release runs the first image")
	}
	a.serves("/api/rest/entry?select=name,mood", `"glad"`)
	got := a.run("rollback", "--env", "staging")
	if !strings.Contains(got.err, "00005_mood") {
		a.t.Errorf("rollback does not name the newer migration")
	}
	a.serves("/api/rest/entry?select=name,mood", `"glad"`)
}

// drift is what a person did to the objects: it is seen and put right.
func (a *app) drift() {
	a.kubectl("delete", "deployment/guestbook", "service/guestbook")
	got := a.run("deploy", "--env", "staging")
	if !strings.Contains(got.err, "deleted outside plattr") {
		a.t.Errorf("drift is not told")
	}
	a.serves("/", "Please sign the book")
}

// end takes the application out of service, with its data at last.
func (a *app) end() {
	a.run("undeploy", "--env", "staging", "--yes")
	a.nothingLeft()
	a.fails("the file is gone", "deploy", "--env", "staging", "--image", testutil.Registry+"/guestbook:dev")
	a.run("rollback", "--env", "staging")
	a.serves("/api/rest/entry?select=name", `"Ada"`)
	a.run("undeploy", "--env", "staging", "--data", "--yes")
	a.deploy(testutil.Registry + "/guestbook:dev")
	if _, text := a.ask("/api/rest/entry?select=name", nil); strings.Contains(text, "Ada") {
		a.t.Errorf("the data outlived undeploy --data")
	}
	a.run("undeploy", "--env", "staging", "--data", "--yes")
}
