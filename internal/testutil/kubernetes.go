package testutil

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// KubernetesServer is a Kubernetes without nodes, of this test binary: etcd, the API server with the admission plugins of
// a real cluster (quotas, limit ranges, pod security, service accounts), RBAC, and every controller that
// kube-controller-manager starts by default. No kubelet and no scheduler: a Deployment makes its ReplicaSet and that its
// Pods, which stay Pending; no container runs, no volume is bound, no address behind a Service answers. See [Kind] for
// a cluster with nodes.
//
// Kill, Stop, Start and Restart are the API server's; etcd and the controllers run on.
type KubernetesServer struct {
	process

	// URL is where the API server listens, on loopback.
	URL string
	// Admin may do everything (group system:masters).
	Admin Kubeconfig

	programs    string // the folder of kubectl and the others
	ca          authority
	admin       *http.Client
	etcd        process
	controllers process
}

// Kubernetes returns the server that the tests of this binary share: use namespaces, and names of things without one, of
// your own. The first call starts it, in some ten seconds.
func Kubernetes(t testing.TB) *KubernetesServer {
	t.Helper()
	requireKubernetes(t)
	return must(t, "Kubernetes", sharedKubernetes)
}

// NewKubernetes starts a server of the test's own, which may be killed and started again.
func NewKubernetes(t testing.TB) *KubernetesServer {
	t.Helper()
	requireKubernetes(t)
	k := must(t, "Kubernetes", func() (*KubernetesServer, error) { return newKubernetes(t.Context()) })
	t.Cleanup(k.remove)
	return k
}

func requireKubernetes(t testing.TB) {
	t.Helper()
	forClusters(t)
	_, err := exec.LookPath("go")
	Require(t, err == nil, "Kubernetes is built with go, which is not on PATH")
	Tool(t, "kubernetes")
}

//nolint:gochecknoglobals // one server per test binary: it takes seconds to start
var sharedKubernetes = sync.OnceValues(func() (*KubernetesServer, error) { return newKubernetes(context.Background()) })

func newKubernetes(ctx context.Context) (*KubernetesServer, error) {
	program, err := buildTool(ctx, "kubernetes")
	if err != nil {
		return nil, err
	}
	k := &KubernetesServer{programs: filepath.Dir(program)}
	parts := map[string]*process{"etcd": &k.etcd, "kube-apiserver": &k.process, "kube-controller-manager": &k.controllers}
	for name, part := range parts {
		part.title = name
		part.how.Path = filepath.Join(k.programs, name)
		part.asTester = true
		if part.dir, err = newDir(name); err != nil {
			return nil, err
		}
	}
	if err := k.configure(); err != nil {
		return nil, err
	}
	for _, part := range []*process{&k.etcd, &k.process, &k.controllers} {
		if err := part.Start(ctx); err != nil {
			k.remove()
			return nil, err
		}
	}
	return k, nil
}

// configure chooses ports, makes certificates and command lines.
func (k *KubernetesServer) configure() error {
	addresses, err := freeAddresses(4)
	if err != nil {
		return err
	}
	etcd, peer, api, controllers := addresses[0], addresses[1], addresses[2], addresses[3]
	k.URL = "https://" + api
	if err := k.certify(); err != nil {
		return err
	}
	k.etcd.how.Args = k.etcdArguments("https://"+etcd, "https://"+peer)
	k.etcd.ready = dial(etcd)
	if k.how.Args, err = k.apiArguments("https://"+etcd, api); err != nil {
		return err
	}
	k.ready = func(ctx context.Context) error { return k.get(ctx, "/readyz") }
	if k.controllers.how.Args, err = k.controllerArguments(controllers); err != nil {
		return err
	}
	// The first things that the controllers make in a new cluster: every Pod needs them.
	k.controllers.ready = func(ctx context.Context) error {
		return errors.Join(k.get(ctx, "/api/v1/namespaces/default/serviceaccounts/default"),
			k.get(ctx, "/api/v1/namespaces/default/configmaps/kube-root-ca.crt"))
	}
	return nil
}

func (k *KubernetesServer) etcdArguments(clients, peers string) []string {
	tls := func(prefix string) []string {
		return []string{
			prefix + "client-cert-auth", prefix + "trusted-ca-file=" + k.file("ca.crt"),
			prefix + "cert-file=" + k.file("server.crt"), prefix + "key-file=" + k.file("server.key"),
		}
	}
	return append(append([]string{
		"--name=test", "--data-dir=" + filepath.Join(k.etcd.dir, "data"), "--log-level=warn", "--unsafe-no-fsync",
		"--listen-client-urls=" + clients, "--advertise-client-urls=" + clients, "--listen-peer-urls=" + peers,
		"--initial-advertise-peer-urls=" + peers, "--initial-cluster=test=" + peers,
	}, tls("--")...), tls("--peer-")...)
}

func (k *KubernetesServer) apiArguments(etcd, address string) ([]string, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	return []string{
		"--etcd-servers=" + etcd, "--etcd-cafile=" + k.file("ca.crt"),
		"--etcd-certfile=" + k.file("server.crt"), "--etcd-keyfile=" + k.file("server.key"),
		"--bind-address=" + host, "--secure-port=" + port, "--service-cluster-ip-range=10.96.0.0/16",
		// An endpoint of the Service "kubernetes" may not be on loopback.
		"--advertise-address=" + host, "--endpoint-reconciler-type=none",
		"--tls-cert-file=" + k.file("server.crt"), "--tls-private-key-file=" + k.file("server.key"),
		"--client-ca-file=" + k.file("ca.crt"), "--allow-privileged=true",
		"--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction",
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file=" + k.file("accounts.pub"),
		"--service-account-signing-key-file=" + k.file("accounts.key"),
		"--requestheader-client-ca-file=" + k.file("front.crt"), "--requestheader-allowed-names=front-proxy-client",
		"--requestheader-username-headers=X-Remote-User", "--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--proxy-client-cert-file=" + k.file("proxy.crt"), "--proxy-client-key-file=" + k.file("proxy.key"),
	}, nil
}

func (k *KubernetesServer) controllerArguments(address string) ([]string, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	config, err := k.kubeconfig("system:kube-controller-manager")
	if err != nil {
		return nil, err
	}
	path := filepath.Join(k.controllers.dir, "kubeconfig")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		return nil, err
	}
	return []string{
		"--kubeconfig=" + path, "--authentication-kubeconfig=" + path, "--authorization-kubeconfig=" + path,
		"--bind-address=" + host, "--secure-port=" + port, "--leader-elect=false", "--controllers=*",
		"--use-service-account-credentials", "--service-account-private-key-file=" + k.file("accounts.key"),
		"--root-ca-file=" + k.file("ca.crt"), "--cluster-name=test",
		"--cluster-signing-cert-file=" + k.file("ca.crt"), "--cluster-signing-key-file=" + k.file("ca.key"),
	}, nil
}

// file is the path of a certificate or key.
func (k *KubernetesServer) file(name string) string { return filepath.Join(k.dir, name) }

func (k *KubernetesServer) get(ctx context.Context, path string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, k.URL+path, http.NoBody)
	if err != nil {
		return err
	}
	res, err := k.admin.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(res.Body)
		return fmt.Errorf("%s: %s: %s", path, res.Status, strings.TrimSpace(string(body)))
	}
	return nil
}

// Restart kills the API server, as a crash would, and starts it again at the same address. Only for a server of the test's
// own, see [NewKubernetes].
func (k *KubernetesServer) Restart(t testing.TB) {
	t.Helper()
	k.Kill()
	if err := k.Start(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
}

// remove ends everything at the end of a test of its own.
func (k *KubernetesServer) remove() {
	for _, part := range []*process{&k.controllers, &k.process, &k.etcd} {
		part.remove()
	}
}

// User is a kubeconfig for a user in groups, who may do what RBAC lets them: in a new cluster that is nothing but asking
// about oneself. The file ends with the test.
func (k *KubernetesServer) User(t testing.TB, name string, groups ...string) Kubeconfig {
	t.Helper()
	content, err := k.kubeconfig(name, groups...)
	if err != nil {
		t.Fatalf("make a kubeconfig: %v", err)
	}
	path := filepath.Join(t.TempDir(), url.PathEscape(name)+".kubeconfig")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return k.as(path, content)
}

// as is a kubeconfig with what its methods need.
func (k *KubernetesServer) as(path, content string) Kubeconfig {
	return Kubeconfig{Path: path, Content: content, kubectl: filepath.Join(k.programs, "kubectl")}
}

// kubeconfig is JSON, which is YAML too.
func (k *KubernetesServer) kubeconfig(user string, groups ...string) (string, error) {
	cert, key, err := k.ca.client(user, groups...)
	if err != nil {
		return "", err
	}
	named := func(kind string, value any) []any { return []any{map[string]any{"name": "test", kind: value}} }
	raw, err := json.MarshalIndent(map[string]any{
		"apiVersion": "v1", "kind": "Config", "current-context": "test",
		"clusters": named("cluster", map[string]any{"server": k.URL, "certificate-authority-data": k.ca.pem}),
		"users":    named("user", map[string]any{"client-certificate-data": cert, "client-key-data": key}),
		"contexts": named("context", map[string]any{"cluster": "test", "user": "test"}),
	}, "", "  ")
	return string(raw), err
}
