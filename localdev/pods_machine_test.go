package localdev

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strings"
	"testing"

	"plattr.dev/plattr/internal/deploy"
	"plattr.dev/plattr/internal/testutil"
	"plattr.dev/plattr/localdev/kind"
	"plattr.dev/plattr/localdev/ports"
)

// podsMachine is a machine with a Kind cluster of the test's own.
type podsMachine struct {
	parts   *testutil.KindParts
	dir     string // its state folder
	program string // plattr itself
	getenv  func(string) string
	values  map[string]string
}

// newPodsMachine makes the images, and builds plattr, which runs in the cluster. Docker's address is the whole process's, so
// the test is not parallel to others.
func newPodsMachine(t *testing.T) *podsMachine {
	t.Helper()
	parts := testutil.PrepareKind(t)
	parts.Images(t, "postgres", "redis", "postgrest", "keycloak", "opensearch", "traefik", "guestbook")
	t.Setenv("DOCKER_HOST", parts.DockerHost)
	m := &podsMachine{parts: parts, dir: filepath.Join(room(t), "state"), program: filepath.Join(t.TempDir(), "plattr")}
	build := osexec.CommandContext(t.Context(), "go", "build", "-o", m.program, "plattr.dev/plattr/cmd/plattr")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build plattr: %v\n%s", err, out)
	}
	image := func(name string) string { // by digest: another test may push others meanwhile
		_, sum, _ := strings.Cut(digest(t, name), "@")
		return testutil.Registry + "/" + name + "@" + sum
	}
	m.values = map[string]string{
		kind.NameVariable: parts.Name, "PLATTR_IMAGE_NODE": parts.Node, "PLATTR_IMAGE_REGISTRY": parts.Registry,
		"PLATTR_IMAGE_POSTGRESQL": image("postgres:17"), "PLATTR_IMAGE_POSTGREST": image("postgrest:12"),
		"PLATTR_IMAGE_KEYCLOAK": image("keycloak:26"), "PLATTR_IMAGE_REDIS": image("redis:6.2"),
		"PLATTR_IMAGE_OPENSEARCH": image("opensearch:3"), "PLATTR_IMAGE_TRAEFIK": image("traefik:3.6"),
		"PLATTR_IMAGE_DASHBOARDS": kind.None, "PLATTR_IMAGE_METRICS_SERVER": kind.None, // the test's node has one
	}
	machine := env(m.dir)
	m.getenv = func(name string) string {
		if v, ok := m.values[name]; ok {
			return v
		}
		return machine(name)
	}
	t.Cleanup(func() {
		if p := m.open(t); p != nil {
			if _, err := os.Stat(p.KubeconfigPath()); err == nil && t.Failed() {
				m.explain(t)
			}
			if err := p.Destroy(context.Background()); err != nil {
				t.Error(err)
			}
		}
	})
	if _, err := Choose(t.Context(), m.getenv, KindRuntime); err != nil {
		t.Fatal(err)
	}
	m.reservePorts(t)
	return m
}

// reservePorts keeps the cluster from taking the ports of other tests' machines.
func (m *podsMachine) reservePorts(t *testing.T) {
	t.Helper()
	book := ports.Book{}
	next := 27000 + os.Getpid()%50*100
	for _, key := range kind.PortKeys() {
		for ; !ports.Free(next); next++ {
		}
		book[key] = next
		next++
	}
	if err := book.Save(m.open(t).state); err != nil {
		t.Fatal(err)
	}
}

func (m *podsMachine) open(t *testing.T) *Pods {
	t.Helper()
	p, err := NewPods(context.Background(), m.getenv, "test")
	if err != nil {
		t.Error(err)
		return nil
	}
	p.program = m.program
	return p
}

// dev is an application on the machine.
func (m *podsMachine) dev(t *testing.T, app deploy.Application, dir string) *Dev {
	t.Helper()
	d, err := OpenDev(t.Context(), DevOptions{Application: app, Dir: dir, Port: 3000, Owner: "test", Getenv: m.getenv})
	if err != nil {
		t.Fatal(err)
	}
	d.runtime.(*Pods).program = m.program
	return d
}

func (m *podsMachine) kubectl(t *testing.T) testutil.Kubeconfig {
	t.Helper()
	return m.parts.Kubectl(m.open(t).KubeconfigPath())
}

func (m *podsMachine) explain(t *testing.T) {
	t.Helper()
	k := m.kubectl(t)
	for _, args := range [][]string{
		{"get", "pods", "-A", "-o", "wide"},
		{"get", "events", "-n", "plattr-services"},
		{"logs", "-n", "plattr-services", "-l", "app.kubernetes.io/managed-by=plattr", "--all-containers", "--prefix", "--tail=20"},
	} {
		out, _ := k.TryKubectl(t, args...)
		t.Logf("kubectl %s:\n%s", strings.Join(args, " "), out)
	}
}

func docker(t *testing.T, args ...string) string {
	t.Helper()
	out, err := osexec.CommandContext(context.WithoutCancel(t.Context()), "docker", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("docker %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

func (m *podsMachine) node() string { return m.parts.Name + "-control-plane" }

func (m *podsMachine) record(t *testing.T) kind.Record {
	t.Helper()
	r, err := m.open(t).cluster.Record()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// digest names an image of the registry by its digest.
func digest(t *testing.T, image string) string {
	t.Helper()
	name, tag, _ := strings.Cut(image, ":")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+testutil.Registry+"/v2/"+name+"/manifests/"+tag, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var manifest map[string]any
	_ = json.NewDecoder(resp.Body).Decode(&manifest)
	return testutil.Registry + "/" + name + "@" + resp.Header.Get("Docker-Content-Digest")
}
