package kind

import (
	"errors"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	kindexec "sigs.k8s.io/kind/pkg/exec"

	"plattr.dev/plattr/localdev/ports"
	"plattr.dev/plattr/localdev/state"
	"plattr.dev/plattr/localdev/state/statetest"
)

func openDir(t *testing.T) state.Dir {
	t.Helper()
	d, err := state.Open(t.Context(), statetest.Env(filepath.Join(statetest.Room(t), "state")))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestImages(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason  string
		env     map[string]string
		want    func(Images) bool
		wantErr string
	}{
		"Defaults": {
			"Without settings, public images are used, and plattr's own is made.",
			nil, func(i Images) bool {
				return i.Node == "kindest/node:v1.34.3" && i.Plattr == "" && i.Traefik != ""
			}, "",
		},
		"Set": {
			"A setting replaces the public image.",
			map[string]string{"PLATTR_IMAGE_REDIS": "valkey:8"},
			func(i Images) bool { return i.Redis == "valkey:8" }, "",
		},
		"LeftOut":  {"What is not needed can be left out.", map[string]string{"PLATTR_IMAGE_DASHBOARDS": None}, func(i Images) bool { return i.Dashboards == "" }, ""},
		"Needed":   {"What is needed cannot.", map[string]string{"PLATTR_IMAGE_POSTGRESQL": None}, nil, "PLATTR_IMAGE_POSTGRESQL"},
		"NoName":   {"A value that is no name is refused before docker sees it.", map[string]string{"PLATTR_IMAGE_NODE": "a b"}, nil, "PLATTR_IMAGE_NODE"},
		"NoOption": {"Nor can it be an option of docker's.", map[string]string{"PLATTR_IMAGE_NODE": "--privileged"}, nil, "PLATTR_IMAGE_NODE"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := LoadImages(func(k string) string { return c.env[k] })
			switch {
			case c.wantErr != "":
				if err == nil || !strings.Contains(err.Error(), c.wantErr) {
					t.Errorf("%v, want %q: %s", err, c.wantErr, c.reason)
				}
			case err != nil || !c.want(got):
				t.Errorf("%+v, %v: %s", got, err, c.reason)
			}
		})
	}
}

func TestTags(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][2]string{
		"postgres:17.5": {"17.5", "17"}, "localhost:5050/postgres": {"latest", "latest"}, "traefik:v3.6.2@sha256:00": {"v3.6.2", "3"},
		"localhost:5050/plattr@sha256:00": {"latest", "latest"}, "x/y:17-alpine": {"17-alpine", "17-alpine"},
	} {
		if tag, major := Tag(name), Major(name); tag != want[0] || major != want[1] {
			t.Errorf("%s: tag %q, major %q, want %q", name, tag, major, want)
		}
	}
}

// TestJudge is how a run tells what it finds, also what a killed one left.
func TestJudge(t *testing.T) {
	t.Parallel()
	d := openDir(t)
	c, err := Open(d, func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	made := Record{Node: "1", Ports: map[string]int{}}
	for _, m := range mappings() {
		made.Ports[m.key()] = 1
	}
	fewer := Record{Node: "1", Ports: maps.Clone(made.Ports)}
	delete(fewer.Ports, string(ports.Dashboards))
	node := func(id, source, cluster string, running bool) *container {
		one := &container{ID: id}
		one.State.Running = running
		one.Config.Labels = map[string]string{"io.x-k8s.kind.cluster": cluster}
		one.Mounts = []struct{ Source, Destination string }{{source, DataPath}}
		return one
	}
	ours := c.Data()
	cases := map[string]struct {
		reason string
		node   *container
		record Record
		want   condition
	}{
		"None":          {"Nothing is there.", nil, Record{}, absent},
		"Removed":       {"Somebody removed it by hand.", nil, made, absent},
		"Ours":          {"It runs.", node("1", ours, "plattr", true), made, running},
		"Stopped":       {"The machine was started again.", node("1", ours, "plattr", false), made, stopped},
		"CutOff":        {"A run was killed before its record.", node("1", ours, "plattr", true), Record{}, halfMade},
		"Another":       {"A run was killed that made it anew.", node("2", ours, "plattr", true), made, halfMade},
		"FewerPorts":    {"An earlier plattr made it, with fewer ports.", node("1", ours, "plattr", true), fewer, halfMade},
		"OtherFolder":   {"Another state folder's is not ours.", node("1", "/elsewhere", "plattr", true), made, foreign},
		"Desktop":       {"Docker Desktop has its own name for folders.", node("1", "/host_mnt"+ours, "plattr", true), made, running},
		"NoKind":        {"A container that is no node is not ours.", node("1", ours, "", true), made, foreign},
		"OfAnotherName": {"A node of another cluster is not ours.", node("1", ours, "kind", true), made, foreign},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := c.judge(tc.node, tc.record); got != tc.want {
				t.Errorf("judged %d, want %d: %s", got, tc.want, tc.reason)
			}
		})
	}
}

// TestPorts: the ports of one cluster are the next one's, but for those that something else has meanwhile.
func TestPorts(t *testing.T) {
	t.Parallel()
	d := openDir(t)
	book, next := ports.Book{}, 26000
	for _, key := range PortKeys() {
		for ; !ports.Free(next); next++ {
		}
		book[key] = next
		next++
	}
	if err := book.Save(d); err != nil {
		t.Fatal(err)
	}
	first, err := choosePorts(d)
	if err != nil || !maps.Equal(first, book) {
		t.Fatalf("%v, %v: want those that were kept", first, err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:"+portText(first[string(ports.S3)]))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	second, err := choosePorts(d)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[int]string{}
	for key, p := range second {
		if key == string(ports.S3) == (p == first[key]) {
			t.Errorf("%s: port %d, then %d", key, first[key], p)
		}
		if other, twice := seen[p]; twice {
			t.Errorf("%s and %s have port %d", key, other, p)
		}
		seen[p] = key
	}
	if busy := taken(first); len(busy) != 1 || busy[0] != first[string(ports.S3)] {
		t.Errorf("taken ports %v", busy)
	}
}

func portText(p int) string {
	_, port, _ := net.SplitHostPort((&net.TCPAddr{Port: p}).String())
	return port
}

func TestDockerErrors(t *testing.T) {
	t.Parallel()
	exit := errors.New("exit status 1")
	cases := map[string]struct {
		reason     string
		err        *DockerError
		text, hint string
	}{
		"Missing": {"There is no docker.", &DockerError{Err: &exec.Error{Name: "docker", Err: exec.ErrNotFound}}, "no docker on PATH", "install Docker"},
		"Daemon": {
			"No daemon runs.", &DockerError{Said: "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?", Err: exit},
			"no Docker daemon answers", "start Docker",
		},
		"Denied": {
			"The user may not use the socket.", &DockerError{Said: "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock", Err: exit},
			"may not use it", "usermod",
		},
		"Disk": {
			"The disk is full.", &DockerError{What: "fetch image x", Said: "Error response from daemon: write /x: no space left on device\n", Err: exit},
			"fetch image x: write /x: no space", "make room",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if text := c.err.Error(); !strings.Contains(text, c.text) || strings.Contains(text, "\n") {
				t.Errorf("error %q, want one line with %q: %s", text, c.text, c.reason)
			}
			if hint := c.err.Hint(); !strings.Contains(hint, c.hint) {
				t.Errorf("hint %q, want %q: %s", hint, c.hint, c.reason)
			}
		})
	}
}

// TestNames: a cluster's name is one for containers and hosts.
func TestNames(t *testing.T) {
	t.Parallel()
	d := openDir(t)
	for _, name := range []string{"Plattr", "a b", strings.Repeat("a", 41), "-x"} {
		if _, err := Open(d, func(k string) string { return map[string]string{NameVariable: name}[k] }); err == nil {
			t.Errorf("cluster %q is taken for a name", name)
		}
	}
}

// TestProgram: only a program that needs nothing but Linux is put into an image.
func TestProgram(t *testing.T) {
	t.Parallel()
	var no *ProgramError
	script := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(script, []byte("#!/bin/sh\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := runsInLinux(script); !errors.As(err, &no) || !strings.Contains(no.Hint(), "PLATTR_IMAGE_PLATTR") {
		t.Errorf("a script: %v", err)
	}
	if sh, err := exec.LookPath("bash"); err == nil {
		if err := runsInLinux(sh); !errors.As(err, &no) {
			t.Errorf("a program with libraries: %v", err)
		}
	}
	if self, err := os.Executable(); err != nil || runsInLinux(self) != nil {
		t.Errorf("this very program: %v, %v", err, runsInLinux(self))
	}
}

// TestCreateError: what Kind ran has a hundred arguments, and what it printed is what counts.
func TestCreateError(t *testing.T) {
	t.Parallel()
	c := &Cluster{Name: "plattr"}
	inner := &kindexec.RunError{
		Command: []string{"docker", "run", "--name", "plattr-control-plane"}, Inner: errors.New("exit status 125"),
		Output: []byte("0123\ndocker: Error response from daemon: no space left on device\n"),
	}
	want := "make the cluster plattr: docker run failed\n  0123\n  docker: Error response from daemon: no space left on device"
	err := c.explain(inner)
	var failed *CreateError
	if !errors.As(err, &failed) || err.Error() != want || failed.Hint() == "" {
		t.Errorf("%v, want %s", err, want)
	}
	if err := c.explain(errors.New("no nodes")); err == nil || err.Error() != "make the cluster plattr: no nodes" {
		t.Errorf("%v", err)
	}
	if err := c.explain(nil); err != nil {
		t.Errorf("%v", err)
	}
}
