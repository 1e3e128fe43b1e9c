package localdev

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	osexec "os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/jackc/pgx/v5"

	"plattr.dev/plattr/internal/config"
	"plattr.dev/plattr/internal/deploy"
	"plattr.dev/plattr/internal/providers/plattr/redisclient"
	"plattr.dev/plattr/internal/testutil"
	"plattr.dev/plattr/localdev/kind"
	"plattr.dev/plattr/localdev/ports"
	"plattr.dev/plattr/localdev/state"
	"plattr.dev/plattr/localdev/supervisor"
)

// guestbook is a real application with an image.
func guestbook(t *testing.T) deploy.Application {
	t.Helper()
	file, err := config.Load("../testdata/apps/guestbook/plattr.yaml")
	if err == nil {
		file, err = file.For("local")
	}
	if err != nil {
		t.Fatal(err)
	}
	return deploy.Application{Name: file.Name, Spec: file.ApplicationSpec}
}

// TestPods is the life of a machine whose services are pods: one cluster, which is killed, stopped, broken and made anew, with
// the same data from beginning to end.
func TestPods(t *testing.T) { //nolint:paralleltest // Docker's address is the process's
	m := newPodsMachine(t)
	stranger := m.strangers(t)
	m.killWhileCreating(t)

	project := t.TempDir()
	d := m.dev(t, whole("shop"), project)
	began := time.Now()
	first := up(t, d)
	t.Logf("cluster and six services: %s", time.Since(began))
	m.checkValues(t, first)
	m.checkAgain(t, d)
	m.checkSecrecy(t)
	m.checkManage(t, d)
	m.checkCopy(t, d)

	m.restart(t, d)
	m.portTaken(t, d)
	m.broken(t, d)
	m.deployed(t)

	if _, err := d.Destroy(t.Context(), Reports{}); err != nil {
		t.Fatal(err)
	}
	p := m.open(t)
	if err := p.Destroy(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left := docker(t, "ps", "--all", "--quiet", "--filter", "name=^"+m.parts.Name); left != "" {
		t.Errorf("containers are left: %s", docker(t, "ps", "--all", "--filter", "name=^"+m.parts.Name))
	}
	if _, err := os.Stat(p.state.Path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the state folder is left: %v", err)
	}
	if now := docker(t, "inspect", "--format", "{{.Id}} {{.State.StartedAt}}", "plattr-test-stranger-"+m.parts.Name); now != stranger {
		t.Errorf("another cluster was touched: %s, then %s", stranger, now)
	}
}

// strangers: a node of another Kind cluster stays as it is, and one of our name that is not ours is refused. It returns what
// the other one is.
func (m *podsMachine) strangers(t *testing.T) string {
	t.Helper()
	other := "plattr-test-stranger-" + m.parts.Name
	docker(t, "run", "--detach", "--name", other, "--label", "io.x-k8s.kind.cluster="+other, "--label", "io.x-k8s.kind.role=control-plane", m.parts.Registry)
	t.Cleanup(func() { docker(t, "rm", "--force", other) })
	docker(t, "run", "--detach", "--name", m.node(), "--label", "io.x-k8s.kind.cluster="+m.parts.Name, m.parts.Registry)
	_, err := m.open(t).Ensure(t.Context(), Needs{S3: true}, nil)
	var foreign *kind.ForeignError
	if !errors.As(err, &foreign) || foreign.Container != m.node() {
		t.Errorf("a cluster of our name that is not ours: %v", err)
	}
	if err := m.open(t).cluster.Destroy(t.Context()); !errors.As(err, &foreign) {
		t.Errorf("destroy of a cluster that is not ours: %v", err)
	}
	docker(t, "rm", "--force", m.node()) // it was left alone
	return docker(t, "inspect", "--format", "{{.Id}} {{.State.StartedAt}}", other)
}

// killWhileCreating kills plattr while it makes the cluster: the next run begins anew.
func (m *podsMachine) killWhileCreating(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "plattr.yaml"), []byte("name: killed\nframework: docker\nstorage: {enabled: true, buckets: [{name: a}]}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := osexec.CommandContext(t.Context(), m.program, "dev")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "PLATTR_STATE_DIR="+m.dir, "PLATTR_SERVICE_USER=nobody")
	for k, v := range m.values {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	testutil.Eventually(t, time.Minute, "the node's container runs", func() error {
		return osexec.CommandContext(t.Context(), "docker", "exec", m.node(), "true").Run()
	})
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	half := docker(t, "inspect", "--format", "{{.Id}}", m.node())
	if r, err := m.open(t).cluster.Record(); err != nil || r.Node != "" {
		t.Fatalf("a cluster that was cut off counts as made: %+v, %v", r, err)
	}
	e, err := m.open(t).Ensure(t.Context(), Needs{S3: true}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if docker(t, "inspect", "--format", "{{.Id}}", m.node()) == half {
		t.Error("the half-made cluster is still there")
	}
	if _, err := s3Client(e.S3).ListBuckets(t.Context(), &s3.ListBucketsInput{}); err != nil {
		t.Error(err)
	}
	if err := m.open(t).state.Forget(t.Context(), "killed"); err != nil {
		t.Fatal(err)
	}
}

// checkValues uses everything in the environment file, from this machine.
func (m *podsMachine) checkValues(t *testing.T, r UpResult) {
	t.Helper()
	conn := connect(t, r.Connections.DatabaseURL)
	exec(t, conn, noteTable, `insert into note values ('kept', null)`)
	_ = conn.Close(t.Context())
	own := s3Client(&S3Endpoint{
		URL: r.Connections.S3Endpoint, Region: r.Connections.S3Region, AccessKey: r.Connections.AccessKey, SecretKey: r.Connections.SecretKey,
	})
	_, err := own.PutObject(t.Context(), &s3.PutObjectInput{
		Bucket: aws.String(r.Connections.Buckets["uploads"]), Key: aws.String("kept"), Body: strings.NewReader("x"),
	})
	if err != nil {
		t.Errorf("put an object: %v", err)
	}
	token := mustSignIn(t, demo(r))
	testutil.Eventually(t, 20*time.Second, "PostgREST serves the table to who has a token", func() error {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.RestURL+"/note?select=text", nil)
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("PostgREST answers %s", resp.Status)
		}
		return nil
	})
	u := r.Connections.RedisURL
	admin := r.Endpoints.Redis
	client := redisclient.New(net.JoinHostPort(admin.Host, strconv.Itoa(admin.Port)), admin.Admin, admin.Password, 5*time.Second)
	defer client.Close()
	if err := client.Set(t.Context(), "kept", "x", 0).Err(); err != nil || !strings.HasPrefix(u, "redis://shop:") {
		t.Errorf("Redis at %s: %v", u, err)
	}
	put(t, r, "kept")
	if !strings.HasPrefix(r.Connections.IssuerURL, "http://localhost:") || !strings.HasPrefix(r.Connections.AuthInternalURL, "http://127.0.0.1:") {
		t.Errorf("sign-in at %s, %s: the laptop's addresses are wanted", r.Connections.IssuerURL, r.Connections.AuthInternalURL)
	}
}

// kept are the data of checkValues.
func (m *podsMachine) kept(t *testing.T, r UpResult, when string) {
	t.Helper()
	var body string
	conn := connect(t, r.Connections.DatabaseURL)
	if err := conn.QueryRow(t.Context(), `select text from note where text = 'kept'`).Scan(&body); err != nil || body != "kept" {
		t.Errorf("%s the database has %q, %v", when, body, err)
	}
	_ = conn.Close(t.Context())
	if _, err := s3Client(r.Endpoints.S3).HeadObject(t.Context(), &s3.HeadObjectInput{
		Bucket: aws.String(r.Connections.Buckets["uploads"]), Key: aws.String("kept"),
	}); err != nil {
		t.Errorf("%s the bucket: %v", when, err)
	}
	e := r.Endpoints.Redis
	client := redisclient.New(net.JoinHostPort(e.Host, strconv.Itoa(e.Port)), e.Admin, e.Password, 5*time.Second)
	defer client.Close()
	if v, err := client.Get(t.Context(), "kept").Result(); err != nil || v != "x" {
		t.Errorf("%s Redis has %q, %v", when, v, err)
	}
	if !holds(t, r, "kept") {
		t.Errorf("%s the index is gone", when)
	}
	mustSignIn(t, demo(r))
}

// checkAgain: a second run changes nothing, and is fast.
func (m *podsMachine) checkAgain(t *testing.T, d *Dev) {
	t.Helper()
	up(t, d)
	began := time.Now()
	again := up(t, d)
	took := time.Since(began)
	t.Logf("second run: %s", took)
	if again.Changed() {
		t.Errorf("a second run changes %v, drift %v", again.Changes, again.Drift)
	}
	if took > 10*time.Second { // 1.5 s on a machine that does nothing else
		t.Errorf("a second run takes %s", took)
	}
}

// checkSecrecy: this machine's passwords are in Secrets of the cluster and in private files, nowhere else.
func (m *podsMachine) checkSecrecy(t *testing.T) {
	t.Helper()
	p, k := m.open(t), m.kubectl(t)
	secrets, err := p.state.Secrets(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	objects := k.Kubectl(t, "get", "pods,deployments,services,configmaps", "-A", "-o", "json")
	logs := k.Kubectl(t, "logs", "-n", "plattr-services", "-l", "app.kubernetes.io/managed-by=plattr", "--all-containers", "--tail=-1")
	processes := docker(t, "exec", m.node(), "sh", "-c", `cat /proc/*/cmdline 2>/dev/null | tr '\0' ' '`)
	for _, secret := range append(machineSecrets(secrets), secrets.DatabaseSuper) {
		for where, text := range map[string]string{"an object": objects, "a log": logs, "an argument": processes} {
			if strings.Contains(text, secret) {
				t.Errorf("%s has a password", where)
			}
		}
	}
	for _, file := range []string{p.KubeconfigPath(), p.state.Join(podsFile), p.state.Join("secrets.json")} {
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", file, info, err)
		}
	}
}

// checkManage: status, logs, and what else people ask.
func (m *podsMachine) checkManage(t *testing.T, d *Dev) {
	t.Helper()
	p := m.open(t)
	s, err := p.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, one := range s.Services {
		names = append(names, one.Name)
		if one.State != supervisor.Ready || one.Address == "" || one.Version == "" {
			t.Errorf("status of %s: %+v", one.Name, one)
		}
		t.Logf("%s %s: %.1f MB", one.Title, one.Version, float64(one.Memory)/(1<<20))
	}
	if want := []string{"keycloak", "opensearch", "postgresql", "postgrest-shop", "redis-shop", "s3"}; !slices.Equal(names, want) {
		t.Errorf("services %v, want %v", names, want)
	}
	var b strings.Builder
	if err := p.Logs(t.Context(), "postgresql", 5, false, &b); err != nil || strings.Count(b.String(), "\n") > 5 || b.Len() == 0 {
		t.Errorf("the log of PostgreSQL: %v\n%s", err, b.String())
	}
	b.Reset()
	if err := p.Logs(t.Context(), "", 1, false, &b); err != nil || !strings.Contains(b.String(), "s3           | ") {
		t.Errorf("all logs: %v\n%s", err, b.String())
	}
	var missing *NoLogError
	if err := p.Logs(t.Context(), "mysql", 1, false, &b); !errors.As(err, &missing) {
		t.Errorf("Logs(mysql) = %v", err)
	}
	if _, err := d.ResetRedis(t.Context(), Reports{}); err != nil {
		t.Error(err)
	}
	if _, _, err := m.nativeDev(t).Cluster(t.Context(), Reports{}); !errors.Is(err, ErrNoCluster) {
		t.Errorf("a cluster of the runtime native: %v", err)
	}
	client := redisclient.New(s.Services[4].Address, "plattr", mustSecrets(t, p.state).RedisAdmin, 5*time.Second)
	defer client.Close()
	if err := client.Set(t.Context(), "kept", "x", 0).Err(); err != nil {
		t.Error(err)
	}
}

func mustSecrets(t *testing.T, d state.Dir) state.Secrets {
	t.Helper()
	s, err := d.Secrets(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// nativeDev is an application of another machine, with the usual runtime.
func (m *podsMachine) nativeDev(t *testing.T) *Dev {
	t.Helper()
	return devAt(t, filepath.Join(room(t), "state"), t.TempDir(), shop())
}

// checkCopy: tests get a copy of their own, and leave nothing.
func (m *podsMachine) checkCopy(t *testing.T, d *Dev) {
	t.Helper()
	began := time.Now()
	c, err := d.Copy(t.Context(), Reports{}, Output{})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("copy: %s", time.Since(began))
	out := m.kubectl(t).Kubectl(t, "get", "deployments", "-n", "plattr-services", "-o", "name")
	if !strings.Contains(out, "redis-"+c.Name) || !strings.Contains(out, "postgrest-"+c.Name) {
		t.Errorf("the copy %s has no pods of its own:\n%s", c.Name, out)
	}
	if err := c.Drop(t.Context()); err != nil {
		t.Fatal(err)
	}
	out = m.kubectl(t).Kubectl(t, "get", "deployments", "-n", "plattr-services", "-o", "name")
	folders := docker(t, "exec", m.node(), "ls", "/plattr/redis")
	if strings.Contains(out, c.Name) || strings.Contains(folders, c.Name) {
		t.Errorf("of the copy %s there is left:\n%s\n%s", c.Name, out, folders)
	}
}

// restart: what a stopped machine leaves comes back, also where a login of PostgREST has gone, without which it cannot start.
func (m *podsMachine) restart(t *testing.T, d *Dev) {
	t.Helper()
	before := docker(t, "inspect", "--format", "{{.Id}}", m.node())
	m.loseLogin(t)
	if err := m.open(t).Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s, err := m.open(t).Status(t.Context()); err != nil || len(s.Services) > 0 {
		t.Errorf("a stopped cluster: %+v, %v", s, err)
	}
	if err := m.open(t).Logs(t.Context(), "", 1, false, os.Stderr); !errors.Is(err, errStopped) {
		t.Errorf("the logs of a stopped cluster: %v", err)
	}
	began := time.Now()
	again := up(t, d)
	t.Logf("started again: %s", time.Since(began))
	if docker(t, "inspect", "--format", "{{.Id}}", m.node()) != before {
		t.Error("a stopped cluster was made anew")
	}
	m.kept(t, again, "after a stop")
}

// loseLogin takes the role away by which PostgREST logs in.
func (m *podsMachine) loseLogin(t *testing.T) {
	t.Helper()
	at, err := m.open(t).look(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), at.superURL())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	if _, err := conn.Exec(t.Context(), "alter role shop_rest rename to lost"); err != nil {
		t.Fatal(err)
	}
}

// portTaken: a port that something else has taken meanwhile is replaced, and the data stay.
func (m *podsMachine) portTaken(t *testing.T, d *Dev) {
	t.Helper()
	p := m.open(t)
	if err := p.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	r, err := p.cluster.Record()
	if err != nil {
		t.Fatal(err)
	}
	port := r.Port(ports.PostgreSQL, 0)
	l, err := net.Listen("tcp", net.JoinHostPort(ports.Host, strconv.Itoa(port)))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	again := up(t, d)
	if again.Endpoints.PostgreSQL.Port == port {
		t.Error("the port of another program is the database's")
	}
	if now := again.Endpoints.S3.URL; !strings.HasSuffix(now, ":"+strconv.Itoa(r.Port(ports.S3, 0))) {
		t.Errorf("S3 moved too: %s", now)
	}
	m.kept(t, again, "after a port was taken")
}

// broken: a cluster that does not work is told of, and made anew when that is asked for.
func (m *podsMachine) broken(t *testing.T, d *Dev) {
	t.Helper()
	docker(t, "exec", m.node(), "sh", "-c", "mv /etc/kubernetes/manifests/kube-apiserver.yaml /root/; pkill kube-apiserver || true")
	p := m.open(t)
	p.cluster.Patience = 10 * time.Second
	testutil.Eventually(t, time.Minute, "the API server is gone", func() error {
		if api, err := p.cluster.API(); err != nil || api.Ready(t.Context()) != nil {
			return nil
		}
		return errors.New("it answers")
	})
	_, err := p.Ensure(t.Context(), Needs{PostgreSQL: true}, nil)
	var broken *kind.BrokenError
	if !errors.As(err, &broken) || !strings.Contains(broken.Hint(), "--new-cluster") {
		t.Errorf("a broken cluster: %v", err)
	}
	if err := m.open(t).NewCluster(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	m.kept(t, up(t, d), "after the cluster was made anew")
}

// deployed: an application runs in the cluster, on the servers there, and is reached through the ingress.
func (m *podsMachine) deployed(t *testing.T) {
	t.Helper()
	d := m.dev(t, guestbook(t), t.TempDir())
	app, platform, err := d.Cluster(t.Context(), Reports{})
	if err != nil {
		t.Fatal(err)
	}
	app.Release = deploy.Release{ID: "1", Image: digest(t, "guestbook:dev")}
	began := time.Now()
	if _, err := d.Deployer().Up(t.Context(), app, platform, deploy.Options{}); err != nil {
		k := m.kubectl(t)
		out, _ := k.TryKubectl(t, "get", "all,events", "-n", "plattr-local")
		logs, _ := k.TryKubectl(t, "logs", "-n", "plattr-local", "-l", "app.kubernetes.io/name=guestbook", "--all-containers", "--prefix")
		t.Fatalf("deploy: %v\n%s\n%s", err, out, logs)
	}
	t.Logf("deployed in %s", time.Since(began))
	if app.URL != "http://guestbook.localhost:"+strconv.Itoa(m.record(t).Port(ports.Ingress, 0)) {
		t.Errorf("it is at %s", app.URL)
	}
	for path, want := range map[string]string{"/": "Please sign the book", "/api/rest/entry?select=name": "["} {
		testutil.Eventually(t, time.Minute, path+" answers", func() error {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:"+strconv.Itoa(m.record(t).Port(ports.Ingress, 0))+path, nil)
			if err != nil {
				return err
			}
			req.Host = app.Host
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			body := make([]byte, 4096)
			n, _ := resp.Body.Read(body)
			if resp.StatusCode != http.StatusOK || !strings.Contains(string(body[:n]), want) {
				return fmt.Errorf("%s: %s", resp.Status, body[:n])
			}
			return nil
		})
	}
	if _, err := d.Destroy(t.Context(), Reports{}); err != nil {
		t.Fatal(err)
	}
}
