package cluster_test

import (
	"context"
	"io"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"plattr.dev/plattr/internal/cluster"
	"plattr.dev/plattr/internal/kube"
	"plattr.dev/plattr/internal/testutil"
)

// image is one with a shell, and a server.
func readLogs(t *testing.T, c *cluster.Client, app kube.App, o cluster.LogOptions) []cluster.Line {
	t.Helper()
	var got []cluster.Line
	if err := c.Logs(t.Context(), app, o, func(l cluster.Line) { got = append(got, l) }); err != nil {
		t.Fatal(err)
	}
	return got
}

func texts(lines []cluster.Line) []string {
	var out []string
	for _, l := range lines {
		out = append(out, l.Text)
	}
	return out
}

// logsOfPods holds what is read of the past.
func logsOfPods(t *testing.T, k *testutil.KindCluster) {
	app, c := appIn(t, k, "logs-past"), open(t, k.Admin.Content)
	// The second run is the one that lasts. A line without an end is in a log when its container has ended.
	deploy(t, k, app, 2, `for i in 1 2 3; do echo "line $i"; sleep 0.3; done; printf "no end"; [ -e /data/again ] || { touch /data/again; exit 1; }; touch /data/up; sleep 1d`,
		"volumeMounts: [{name: data, mountPath: /data}]\nreadinessProbe: {exec: {command: [test, -e, /data/up]}, periodSeconds: 1}\n"+
			"POD volumes: [{name: data, emptyDir: {}}]")
	until(t, c, app, 2*time.Minute, func(s cluster.Status) bool { return s.Phase == cluster.Running })
	time.Sleep(2 * time.Second)
	got := readLogs(t, c, app, cluster.LogOptions{})
	if len(got) != 6 || !slices.IsSortedFunc(got, func(a, b cluster.Line) int { return a.Time.Compare(b.Time) }) || !got[0].Several {
		t.Errorf("all: %v", got)
	}
	one := 1
	if got := readLogs(t, c, app, cluster.LogOptions{Tail: &one}); !slices.Equal(texts(got), []string{"line 3", "line 3"}) {
		t.Errorf("tail: %v", got)
	}
	if got := readLogs(t, c, app, cluster.LogOptions{Since: time.Second}); len(got) != 0 {
		t.Errorf("since: %v", got)
	}
	previous := texts(readLogs(t, c, app, cluster.LogOptions{Previous: true}))
	if len(previous) != 8 || !slices.Equal(previous[6:], []string{"no end", "no end"}) {
		t.Errorf("previous: %q", previous)
	}
	err := c.Logs(t.Context(), app, cluster.LogOptions{Container: cluster.LogsRest}, func(cluster.Line) {})
	wantLine(t, err, "its pods have no container postgrest")
	err = c.Logs(t.Context(), app, cluster.LogOptions{Container: cluster.LogsMigrate}, func(cluster.Line) {})
	wantLine(t, err, "it has no migrations here")
}

// proxy passes connections on to the API server, and cuts them when it is told to.
type proxy struct {
	net.Listener

	mu    sync.Mutex
	conns []net.Conn
}

// cutting is a kubeconfig for the cluster through a proxy.
func cutting(t *testing.T, k *testutil.KindCluster) (*proxy, string) {
	t.Helper()
	server := regexp.MustCompile(`server: (\S+)`).FindStringSubmatch(k.Admin.Content)[1]
	to, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{Listener: l}
	t.Cleanup(func() { _ = l.Close(); p.cut() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to.Host)
			if err != nil {
				_ = in.Close()
				continue
			}
			p.mu.Lock()
			p.conns = append(p.conns, in, out)
			p.mu.Unlock()
			go func() { _, _ = io.Copy(in, out); _ = in.Close() }()
			go func() { _, _ = io.Copy(out, in); _ = out.Close() }()
		}
	}()
	return p, strings.Replace(k.Admin.Content, server, "https://"+l.Addr().String(), 1)
}

func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		_ = c.Close()
	}
	p.conns = nil
}

// followLogs holds that each line of each container comes once, over a rollout, restarts, and connections that are cut.
func followLogs(t *testing.T, k *testutil.KindCluster) {
	app := appIn(t, k, "logs-follow")
	p, kubeconfig := cutting(t, k)
	c := open(t, kubeconfig)
	const count = `i=0; while true; do i=$((i+1)); echo "$i"; echo "$i and again"; sleep 0.05; done`
	const restarts = `i=0; while [ $i -lt 100 ]; do i=$((i+1)); echo "$i"; sleep 0.02; done; echo "end"; exit 1`
	deploy(t, k, app, 2, count, "")
	until(t, c, app, time.Minute, func(s cluster.Status) bool { return s.Phase == cluster.Running })
	var mu sync.Mutex
	var got []cluster.Line
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- c.Logs(ctx, app, cluster.LogOptions{Follow: true}, func(l cluster.Line) {
			mu.Lock()
			defer mu.Unlock()
			got = append(got, l)
		})
	}()
	for range 4 {
		time.Sleep(1300 * time.Millisecond)
		p.cut()
	}
	deploy(t, k, app, 2, count+"; true", "")
	k.Admin.Kubectl(t, "rollout", "status", "-n", app.Namespace, "deployment/board", "--timeout=1m")
	p.cut()
	deploy(t, k, app, 1, restarts, "")
	time.Sleep(12 * time.Second)
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("the end of following: %v", err)
	}
	mu.Lock()
	defer mu.Unlock()
	byPod := map[string][]string{}
	for _, l := range got {
		byPod[l.Pod] = append(byPod[l.Pod], l.Text)
	}
	if len(byPod) < 5 {
		t.Errorf("%d pods were seen", len(byPod))
	}
	restarted := false
	for pod, lines := range byPod {
		t.Logf("%s: %d lines", pod, len(lines))
		if slices.Contains(lines, "end") {
			restarted = restarted || checkRestarts(t, pod, lines)
			continue
		}
		for n, line := range lines {
			want := strconv.Itoa(n/2 + 1)
			if n%2 == 1 {
				want += " and again"
			}
			if line != want {
				t.Errorf("%s: line %d is %q, want %q", pod, n, line, want)
				break
			}
		}
	}
	if !restarted {
		t.Error("no restart was seen")
	}
}

// checkRestarts holds that every run but the last was read to its end, and tells whether there were several.
func checkRestarts(t *testing.T, pod string, lines []string) bool {
	t.Helper()
	runs := strings.Split(strings.Join(lines, " "), "end")
	var whole []string
	for i := range 100 {
		whole = append(whole, strconv.Itoa(i+1))
	}
	for _, run := range runs[:len(runs)-1] {
		if strings.TrimSpace(run) != strings.Join(whole, " ") {
			t.Errorf("%s: a run is %q", pod, run)
		}
	}
	return len(runs) > 2
}
