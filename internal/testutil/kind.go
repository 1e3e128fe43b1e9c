package testutil

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// Registry is where Kind clusters find images, under the same name inside and outside of them.
const Registry = "localhost:5055"

// KindCluster is a real Kubernetes of one node, in a container: pods run, volumes are bound (class "standard"), network
// policies refuse, and metrics arrive, so that autoscalers scale.
type KindCluster struct {
	// Name begins with "plattr-test-".
	Name string
	// Admin may do everything.
	Admin Kubeconfig
	// Ingress is host:port on loopback that leads to port 80 of the node (a hostPort).
	Ingress string
}

// ClusterVariable is set by make e2e: tests on Kubernetes take ten minutes to build it, and those with a Kind cluster want
// Docker's daemon, which not every machine may run.
const ClusterVariable = "PLATTR_TEST_CLUSTER"

// forClusters skips a test that needs a Kubernetes, of whichever kind, where nobody asked for one.
func forClusters(t testing.TB) {
	t.Helper()
	if os.Getenv(ClusterVariable) == "" {
		t.Skip("a real Kubernetes is built first, in minutes: make e2e runs this")
	}
}

// Kind makes a cluster of the test's own, with a registry at [Registry], in some twenty seconds; the first time ever it
// builds the image of the node, in minutes. Tests that need a cluster are best the subtests of one. At the end of the test,
// or of a test binary that is killed, the cluster goes, and with the last cluster the registry and a Docker daemon that was
// started for it. Clusters that others made are left alone. See internal/tools/kind.
//
// It needs a Docker daemon, or to be root where dockerd is installed, and root to build the image.
func Kind(t testing.TB) *KindCluster {
	t.Helper()
	c := newKind(t)
	out := kindScript(t, "cluster.sh", "up", c.Name, c.Admin.Path)
	c.Ingress = strings.TrimSpace(out[strings.LastIndexByte(strings.TrimSpace(out), '\n')+1:])
	raw, err := os.ReadFile(c.Admin.Path)
	if err != nil {
		t.Fatal(err)
	}
	c.Admin.Content = string(raw)
	return c
}

// newKind names a cluster that goes at the end of the test.
func newKind(t testing.TB) *KindCluster {
	t.Helper()
	forClusters(t)
	OnWorkTree(t)
	Require(t, runtime.GOOS == "linux" && runtime.GOARCH == "amd64", "the image of a Kind node is built for linux/amd64 only")
	_, err := exec.LookPath("go")
	Require(t, err == nil, "a Kind cluster's programs are built with go, which is not on PATH")
	kubectl := filepath.Join(filepath.Dir(Tool(t, "kubernetes")), "kubectl")
	c := &KindCluster{Name: "plattr-test-" + random()[:8]}
	c.Admin = Kubeconfig{Path: filepath.Join(t.TempDir(), "kubeconfig"), kubectl: kubectl}
	c.removeAtEnd(t)
	return c
}

// KindParts is what makes a Kind cluster, for tests of a program that makes one.
type KindParts struct {
	// Name is the cluster's: one of this name, and a registry NAME-registry, go at the end of the test. Other names are the
	// test's own to remove.
	Name string
	// DockerHost is where Docker's daemon is; empty: where it usually is.
	DockerHost string
	// Node and Registry are images.
	Node, Registry string

	cluster *KindCluster
}

// PrepareKind starts a Docker daemon where none runs and the registry at [Registry], and builds the image of the node.
func PrepareKind(t testing.TB) *KindParts {
	t.Helper()
	c := newKind(t)
	lines := strings.Split(strings.TrimRight(kindScript(t, "cluster.sh", "prepare", c.Name), "\n"), "\n")
	if len(lines) < 3 {
		t.Fatalf("cluster.sh prepare printed %q", lines)
	}
	lines = lines[len(lines)-3:]
	return &KindParts{Name: c.Name, DockerHost: lines[0], Node: lines[1], Registry: lines[2], cluster: c}
}

// Images pushes images to [Registry], as [KindCluster.Images] does.
func (p *KindParts) Images(t testing.TB, names ...string) {
	t.Helper()
	p.cluster.Images(t, names...)
}

// Kubectl returns a kubectl for a kubeconfig.
func (p *KindParts) Kubectl(path string) Kubeconfig {
	return Kubeconfig{Path: path, kubectl: p.cluster.Admin.kubectl}
}

// removeAtEnd starts the process that removes the cluster when its standard input ends: that is at the end of the test, or
// when the test binary dies.
func (c *KindCluster) removeAtEnd(t testing.TB) {
	t.Helper()
	cmd := exec.Command("sh", "-c", `read -r end; exec "$0" down "$1"`, kindPath("cluster.sh"), c.Name)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C reaches the tests first
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	stdin, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatalf("prepare the end of the cluster: %v", err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("remove the cluster %s: %v: %s", c.Name, err, &complaints)
		}
	})
}

// Images pushes images to [Registry], building those that are not in the cache: postgres, redis, postgrest, keycloak,
// opensearch, traefik, plattr, board, guestbook. See internal/tools/kind/images.sh for their tags.
func (c *KindCluster) Images(t testing.TB, names ...string) {
	t.Helper()
	kindScript(t, "images.sh", names...)
}

// ServeIngresses starts Traefik at port 80 of the node, that is at [KindCluster.Ingress], for Ingresses of the class traefik,
// without TLS: as components/controller declares it.
func (c *KindCluster) ServeIngresses(t testing.TB) {
	t.Helper()
	c.Images(t, "traefik")
	c.Admin.Kubectl(t, "apply", "--server-side", "-f", kindPath("ingress.yaml"))
	c.Admin.Kubectl(t, "rollout", "status", "deployment", "traefik", "-n", "ingress", "--timeout=2m")
}

// kindScript runs a script of internal/tools/kind and returns what it printed. It skips the test if the script says that the
// machine is not made for it.
func kindScript(t testing.TB, script string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), kindPath(script), args...)
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	Require(t, cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != 3, strings.TrimSpace(complaints.String()))
	if err != nil {
		t.Fatalf("%s: %v: %s", strings.Join(cmd.Args, " "), err, &complaints)
	}
	return string(out)
}

func kindPath(script string) string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "tools", "kind", script)
}
