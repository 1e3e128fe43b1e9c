package cluster_test

import (
	"errors"
	"strings"
	"testing"

	"plattr.dev/plattr/internal/cluster"
	"plattr.dev/plattr/internal/kube"
	"plattr.dev/plattr/internal/testutil"
)

// TestOpen holds what is said of a kubeconfig that leads nowhere.
func TestOpen(t *testing.T) {
	t.Parallel()
	const config = `{"apiVersion":"v1","kind":"Config","current-context":"one","clusters":[{"name":"c","cluster":{"server":"https://127.0.0.1:1"}}],
"users":[{"name":"u","user":{"token":"t0k3n"}}, {"name":"h","user":{"exec":{"apiVersion":"client.authentication.k8s.io/v1","command":"no-such-helper","interactiveMode":"Never"}}}],
"contexts":[{"name":"one","context":{"cluster":"c","user":"u"}},{"name":"helped","context":{"cluster":"c","user":"h"}}]}`
	app := kube.App{Name: "board", Namespace: "staging", Environment: "staging"}
	cases := map[string]struct{ kubeconfig, context, want string }{
		"Context":     {config, "two", `open the cluster: context "two" is not in the given kubeconfig: it has helped, one`},
		"Missing":     {"/does/not/exist", "", "open the cluster: kubeconfig /does/not/exist: file does not exist"},
		"Unreachable": {config, "", "cannot reach cluster https://127.0.0.1:1 (context one): connect: connection refused"},
		"Helper":      {config, "helped", `signs in with the program "no-such-helper", which is not installed`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := cluster.Open(tc.kubeconfig, tc.context)
			if err == nil {
				_, err = c.Status(t.Context(), app)
			}
			wantLine(t, err, tc.want)
		})
	}
}

func wantLine(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
		t.Errorf("error = %v\nwant %q in one line", err, want)
	}
}

func open(t *testing.T, kubeconfig string) *cluster.Client {
	t.Helper()
	c, err := cluster.Open(kubeconfig, "")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestAccess holds, on a real API server, what is said to whom who may not look, and of what is not there.
func TestAccess(t *testing.T) {
	t.Parallel()
	k := testutil.Kubernetes(t)
	app := kube.App{Name: "board", Namespace: "nowhere", Environment: "staging"}
	admin := open(t, k.Admin.Content)
	s, err := admin.Status(t.Context(), app)
	if err != nil || s.Phase != cluster.Absent || s.Part(cluster.PartWorkload).State != cluster.PartAbsent {
		t.Errorf("nothing is there: %+v, %v", s, err)
	}
	err = admin.Logs(t.Context(), app, cluster.LogOptions{}, func(cluster.Line) {})
	var none *cluster.NoLogsError
	if !errors.As(err, &none) {
		t.Errorf("logs of nothing: %v", err)
	}
	wantLine(t, err, "no logs of board in namespace nowhere: it has no pods: is it deployed?")
	_, err = admin.Forward(t.Context(), "nowhere", "db", 5432)
	wantLine(t, err, "Service nowhere/db: it does not exist")
	_, err = admin.DatabaseURL(t.Context(), app)
	wantLine(t, err, "board has no database in namespace nowhere: there is no Secret board-db")

	bob := open(t, k.User(t, "bob").Content)
	_, err = bob.Status(t.Context(), app)
	wantLine(t, err, "bob may not ")
	wantLine(t, err, "in namespace nowhere: ask for a role that allows it")
	err = bob.Logs(t.Context(), app, cluster.LogOptions{}, func(cluster.Line) {})
	wantLine(t, err, "bob may not list pods in namespace nowhere")
	_, err = bob.Forward(t.Context(), "nowhere", "db", 5432)
	wantLine(t, err, "bob may not get services in namespace nowhere")
}

// TestReachDatabase holds where a database is looked for, on a real API server.
func TestReachDatabase(t *testing.T) {
	t.Parallel()
	k := testutil.Kubernetes(t)
	c := open(t, k.Admin.Content)
	k.Admin.Apply(t, `
apiVersion: v1
kind: Namespace
metadata: {name: reach}
---
apiVersion: v1
kind: Service
metadata: {name: here, namespace: reach}
spec: {type: ExternalName, externalName: localhost}
---
apiVersion: v1
kind: Service
metadata: {name: lonely, namespace: reach}
spec: {selector: {a: b}, ports: [{port: 5432}]}
---
apiVersion: v1
kind: Secret
metadata: {name: board-db, namespace: reach}
stringData: {DATABASE_URL: "postgres://a:pass-word@lonely/d"}
`)
	t.Cleanup(func() { _, _ = k.Admin.TryKubectl(t, "delete", "namespace", "reach", "--wait=false") })
	server := strings.TrimPrefix(k.URL, "https://") // something that listens
	_, port, _ := strings.Cut(server, ":")
	app := kube.App{Name: "board", Namespace: "reach", Environment: "staging"}
	cases := map[string]struct{ in, want, err string }{
		"Reachable": {"postgres://a:pass-word@" + server + "/d?x=y", "postgres://a:pass-word@" + server + "/d?x=y", ""},
		"Closed":    {"postgres://a:pass-word@127.0.0.1:1/d", "", "database server 127.0.0.1:1 does not answer from here (connect: connection refused)"},
		"External":  {"postgres://a:pass-word@here:" + port + "/d", "postgres://a:pass-word@localhost:" + port + "/d", ""},
		"Short":     {"postgres://a:pass-word@lonely.reach/d", "", "reach the database: Service reach/lonely: no pod behind it is ready"},
		"Port":      {"postgres://a:pass-word@lonely:1/d", "", "reach the database: Service reach/lonely: it has no port 1"},
		"NoURL":     {"pass-word", "", "the database's URL is not one that names a host"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, end, err := c.ReachDatabase(t.Context(), app, tc.in)
			if tc.err != "" {
				wantLine(t, err, tc.err)
				if err != nil && strings.Contains(err.Error(), "pass-word") {
					t.Error("the password is in the error")
				}
				return
			}
			if err != nil || got != tc.want {
				t.Fatalf("%s, %v", got, err)
			}
			if err := end(); err != nil {
				t.Error(err)
			}
		})
	}
	if url, err := c.DatabaseURL(t.Context(), app); err != nil || url != "postgres://a:pass-word@lonely/d" {
		t.Errorf("%s, %v", url, err)
	}
}

// TestInstance holds, on a real API server, what is said of an application's own server: of one that is not there, one whose pod
// has no node, and to whom who may not look.
func TestInstance(t *testing.T) {
	t.Parallel()
	k := testutil.Kubernetes(t)
	app := kube.App{Name: "board", Namespace: "instances", Environment: "staging"}
	k.Admin.Kubectl(t, "create", "namespace", app.Namespace)
	admin := open(t, k.Admin.Content)
	part, err := admin.Instance(t.Context(), app, "redis")
	if err != nil || part.State != cluster.PartAbsent || part.Why != "there is no Deployment board-redis in namespace instances" {
		t.Errorf("nothing is there: %+v, %v", part, err)
	}
	k.Admin.Apply(t, `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"board-redis","namespace":"instances"},
"spec":{"selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"redis","image":"redis"}]}}}}`)
	part, err = admin.Instance(t.Context(), app, "redis")
	if err != nil || part.State != cluster.PartWaiting || part.Detail != "own instance" || part.Why == "" {
		t.Errorf("it has no node: %+v, %v", part, err)
	}
	_, err = open(t, k.User(t, "nobody").Content).Instance(t.Context(), app, "redis")
	wantLine(t, err, "nobody")
}
