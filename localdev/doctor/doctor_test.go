package doctor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"plattr.dev/plattr/internal/config"
	"plattr.dev/plattr/internal/testutil"
	"plattr.dev/plattr/localdev"
	"plattr.dev/plattr/localdev/processes"
	"plattr.dev/plattr/localdev/programs"
	"plattr.dev/plattr/localdev/state/statetest"
	"plattr.dev/plattr/localdev/supervisor"
)

// TestMain lets the test binary be plattr's own processes.
func TestMain(m *testing.M) { os.Exit(processes.Main(m.Run)) }

// env is a machine with folders of the test's own.
func env(t *testing.T, own map[string]string) func(string) string {
	t.Helper()
	dir := statetest.Room(t)
	values := map[string]string{
		"PLATTR_STATE_DIR": filepath.Join(dir, "state"), "PLATTR_CACHE_DIR": filepath.Join(dir, "cache"), "PLATTR_SERVICE_USER": "nobody",
	}
	maps.Copy(values, own)
	return func(name string) string {
		if v, ok := values[name]; ok {
			return v
		}
		return os.Getenv(name)
	}
}

// find returns the findings of a check that hold a text.
func find(e Examination, check, text string) []Finding {
	var out []Finding
	for _, f := range e.Findings {
		if f.Check == check && strings.Contains(f.Detail, text) {
			out = append(out, f)
		}
	}
	return out
}

func must(t *testing.T, e Examination, check, text string, want Status) Finding {
	t.Helper()
	found := find(e, check, text)
	if len(found) == 0 || found[0].Status != want {
		t.Fatalf("%s: %v, want %q to be %s, in %+v", check, found, text, want, e.Findings)
	}
	if want != OK && found[0].Fix == "" {
		t.Errorf("%s: %q has no next step", check, found[0].Detail)
	}
	return found[0]
}

func TestNothingThere(t *testing.T) {
	t.Parallel()
	e := Examine(t.Context(), Options{Getenv: env(t, nil)})
	if !e.Healthy() {
		t.Errorf("an empty machine: %+v", e.Findings)
	}
	must(t, e, "state", "does not exist yet", OK)
	must(t, e, "cache", "does not exist yet", OK)
	must(t, e, "machine", "localhost", OK)
	must(t, e, "programs", "plattr dev downloads it", OK)
}

func TestFolders(t *testing.T) {
	t.Parallel()
	foreign := t.TempDir()
	if err := os.WriteFile(filepath.Join(foreign, "thesis.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	e := Examine(t.Context(), Options{Getenv: env(t, map[string]string{"PLATTR_STATE_DIR": foreign})})
	must(t, e, "state", "files that are not plattr's", Problem)
	if e.Healthy() {
		t.Error("a state folder that cannot be used is no problem")
	}

	getenv := env(t, nil)
	tree := filepath.Join(getenv("PLATTR_CACHE_DIR"), "programs", "redis-1-linux-amd64")
	for _, dir := range []string{tree, tree + ".new"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	e = Examine(t.Context(), Options{Getenv: getenv})
	must(t, e, "cache", "is not what was unpacked", Warning)
	must(t, e, "cache", "download left", Warning)
	if err := e.Fix(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left := find(Examine(t.Context(), Options{Getenv: getenv}), "cache", tree); len(left) > 0 {
		t.Errorf("after the fix: %+v", left)
	}
	if err := os.Chmod(getenv("PLATTR_CACHE_DIR"), 0o777); err != nil { // anybody could put a program there
		t.Fatal(err)
	}
	must(t, Examine(t.Context(), Options{Getenv: getenv}), "cache", "can be written by others", Problem)
}

func TestPrograms(t *testing.T) {
	t.Parallel()
	old := filepath.Join(t.TempDir(), "java")
	if err := os.WriteFile(old, []byte("#!/bin/sh\necho openjdk 17.0.15 2025-04-15\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	f := must(t, Examine(t.Context(), Options{Getenv: env(t, map[string]string{"PLATTR_JAVA": old})}), "programs", "version 17.0.15, plattr needs 21", Problem)
	if f.Fix != "unset PLATTR_JAVA, or set it to Java 21 or later" {
		t.Errorf("next step %q", f.Fix)
	}
}

func TestProject(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "plattr.yaml")
	if err := errors.Join(
		os.WriteFile(file, []byte("name: shop\nframework: docker\n"), 0o600),
		os.Mkdir(filepath.Join(dir, ".plattr"), 0o700),
		os.WriteFile(filepath.Join(dir, ".plattr", "shop.env"), nil, 0o644),
		os.Chmod(filepath.Join(dir, ".plattr", "shop.env"), 0o644),
		os.WriteFile(filepath.Join(dir, ".gitignore"), []byte("bin"), 0o644),
	); err != nil {
		t.Fatal(err)
	}
	app, err := config.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Getenv: env(t, nil), File: file, App: app}
	e := Examine(t.Context(), o)
	must(t, e, "project", "can be read by others", Problem)
	must(t, e, "project", "does not name .plattr/", Warning)
	if err := e.Fix(t.Context()); err != nil || !e.Healthy() {
		t.Fatalf("fix: %v", err)
	}
	if e = Examine(t.Context(), o); len(find(e, "project", "read by others"))+len(find(e, "project", "does not name")) > 0 {
		t.Errorf("after the fix: %+v", e.Findings)
	}
	raw, err := os.ReadFile(filepath.Join(dir, ".gitignore"))
	if err != nil || string(raw) != "bin\n.plattr/\n" {
		t.Errorf(".gitignore is %q, %v", raw, err)
	}
	broken := Examine(t.Context(), Options{Getenv: env(t, nil), File: file, FileError: errors.New("plattr.yaml:1:1: broken")})
	must(t, broken, "project", "broken", Problem)
}

// TestRunning looks at real services: killed ones, a Keycloak whose administrator a person changed, an application whose
// folder is gone, and a lock of a process that is gone.
func TestRunning(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"postgresql", "java", "keycloak"} {
		_, err := programs.Find(t.Context(), name)
		testutil.Require(t, err == nil, fmt.Sprint(err))
	}
	getenv := env(t, map[string]string{"PLATTR_CACHE_DIR": os.Getenv("PLATTR_CACHE_DIR")})
	n, err := localdev.NewNative(t.Context(), getenv)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Destroy(context.Background()) })
	gone := filepath.Join(t.TempDir(), "gone")
	if err := n.State().Claim(t.Context(), "lost", gone, time.Now()); err != nil {
		t.Fatal(err)
	}
	e, err := n.Ensure(t.Context(), localdev.Needs{Keycloak: true}, nil)
	if err != nil {
		t.Fatal(err)
	}
	staleLock(t, n, "local-lost")
	o := Options{Getenv: getenv}
	first := Examine(t.Context(), o)
	must(t, first, "services", "2 services ready", OK)
	must(t, first, "sign-in", "knows plattr's administrator", OK)
	must(t, first, "applications", "lost is still here", Warning)
	must(t, first, "locks", "local-lost", Warning)

	changeSecret(t, n, e.Keycloak)
	killSupervisor(t, n) // it is replaced
	second := Examine(t.Context(), o)
	must(t, second, "services", "2 services ready", OK)
	must(t, second, "sign-in", "refuses", Problem)
	if err := second.Fix(t.Context()); err != nil {
		t.Fatal(err)
	}
	third := Examine(t.Context(), o)
	must(t, third, "sign-in", "knows plattr's administrator", OK)
	must(t, third, "locks", "no lock", OK)
}

// changeSecret is what a person does in Keycloak's console.
func changeSecret(t *testing.T, n *localdev.Native, e *localdev.KeycloakEndpoint) {
	t.Helper()
	secrets, err := n.State().Secrets(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	admin := testutil.NewConsole(t, e.InternalURL, "admin", secrets.KeycloakAdmin)
	for _, client := range admin.Get("master/clients?clientId=plattr")["list"].([]any) {
		id := fmt.Sprint(client.(map[string]any)["id"])
		admin.Edit("master/clients/"+id, func(o map[string]any) { o["secret"] = "another-secret" })
	}
}

func killSupervisor(t *testing.T, n *localdev.Native) {
	t.Helper()
	s, err := n.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(s.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	testutil.Eventually(t, 5*time.Second, "the supervisor is gone", func() error {
		_, err := supervisor.NewClient(n.State()).Status(t.Context(), false)
		if errors.Is(err, supervisor.ErrNotRunning) {
			return nil
		}
		return fmt.Errorf("it answers: %w", err)
	})
}

// staleLock is what a run leaves that was killed.
func staleLock(t *testing.T, n *localdev.Native, stack string) {
	t.Helper()
	pulumi := n.State().Join("pulumi", ".pulumi")
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	lock := fmt.Sprintf(`{"pid": 999999999, "username": "x", "hostname": %q, "timestamp": "2026-01-01T00:00:00Z"}`, host)
	for file, text := range map[string]string{
		filepath.Join(pulumi, "locks", "organization", localdev.Project, stack, "a.json"): lock,
		filepath.Join(pulumi, "stacks", localdev.Project, stack+".json"):                  `{"version": 3, "checkpoint": {"latest": null}}`,
	} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestPortsOfOthers: a port that another program has is said, with what plattr does about it.
func TestPortsOfOthers(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:9300") // one that few have
	if err != nil {
		t.Logf("9300 is taken on this machine: %v", err) // then it is seen all the same
	} else {
		defer l.Close()
	}
	must(t, Examine(t.Context(), Options{Getenv: env(t, nil)}), "ports", "9300 (opensearch-nodes)", Warning)
}
