package e2e

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"plattr.dev/plattr/internal/config"
	"plattr.dev/plattr/internal/deploy"
	"plattr.dev/plattr/internal/engine"
	"plattr.dev/plattr/internal/platform"
	"plattr.dev/plattr/internal/testutil"
	"plattr.dev/plattr/localdev"
)

// benchApp is the guestbook, deployed to a cluster.
func benchApp(b *testing.B) *app {
	b.Helper()
	p := newPlace(b, false, "guestbook")
	a := p.app("guestbook", "guestbook", func(text string) string { return text + "scaling: {min: 1, max: 2}\n" })
	a.deploy(testutil.Registry + "/guestbook:dev")
	return a
}

// BenchmarkDeployUnchanged is the whole process of plattr deploy where nothing changed and everything is looked at.
// ms-run is the run in it, without what opens the environment; MB is the most memory that the process held.
func BenchmarkDeployUnchanged(b *testing.B) {
	a := benchApp(b)
	var run, memory, resources float64
	for b.Loop() {
		cmd := a.command(b.Context(), "deploy", "--env", "staging", "-o", "json")
		var out, complaints bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &complaints
		if err := cmd.Run(); err != nil {
			b.Fatalf("plattr deploy: %v\n%s", err, &complaints)
		}
		var report struct {
			Seconds float64
			Changes map[string]int
		}
		if err := json.Unmarshal(out.Bytes(), &report); err != nil || (deployed{Changes: report.Changes}).changed() != 0 {
			b.Fatalf("plattr deploy -o json: %v in %s", err, &out)
		}
		run += report.Seconds * 1000
		resources = float64(report.Changes["same"])
		memory = max(memory, maxMemory(cmd.ProcessState.SysUsage()))
	}
	b.ReportMetric(run/float64(b.N), "ms-run")
	b.ReportMetric(resources, "resources")
	b.ReportMetric(memory, "MB")
}

// BenchmarkDeployFirst is the whole process of a first deploy, its migrations and the start of its pod included; MB is the
// most memory that the process held.
func BenchmarkDeployFirst(b *testing.B) {
	a := benchApp(b)
	memory := 0.0
	for b.Loop() {
		b.StopTimer()
		a.run(undeployData...)
		b.StartTimer()
		cmd := a.command(b.Context(), "deploy", "--env", "staging", "--image", testutil.Registry+"/guestbook:dev", "-q")
		if out, err := cmd.CombinedOutput(); err != nil {
			b.Fatalf("plattr deploy: %v\n%s", err, out)
		}
		memory = max(memory, maxMemory(cmd.ProcessState.SysUsage()))
	}
	b.ReportMetric(memory, "MB")
}

// maxMemory is the most memory that a process held, in MB.
func maxMemory(usage any) float64 {
	u, ok := usage.(*syscall.Rusage)
	if !ok {
		return 0
	}
	return float64(u.Maxrss) * 1024 / 1e6 // Linux counts in KiB
}

// BenchmarkDeployImage is a run of the engine with another image of the same application. ms-patched is the time until the
// Deployment has it: the rest is the pods' own. No migration runs before, as in a rollback.
func BenchmarkDeployImage(b *testing.B) {
	a := benchApp(b)
	a.deploy(a.variant("bench", map[string]string{"bench.txt": "bench"}, ""))
	deployer, application, target := a.inProcess(b)
	patched := time.Duration(0)
	for b.Loop() {
		events := make(chan engine.Event, 10_000)
		began := time.Now()
		_, err := deployer.Rollback(b.Context(), application, target, "", deploy.ReleaseOptions{Options: deploy.Options{Events: events}})
		close(events)
		if err != nil {
			b.Fatal(err)
		}
		at := time.Time{}
		for e := range events {
			// What is said of the Deployment comes from looking at it after it was patched.
			if at.IsZero() && strings.HasSuffix(e.Type, ":Deployment") && (e.Kind == engine.Message || e.Kind == engine.Done && e.Operation == engine.Update) {
				at = e.Time
			}
		}
		if at.IsZero() {
			b.Fatal("the Deployment was not patched")
		}
		patched += at.Sub(began)
	}
	b.ReportMetric(float64(patched.Milliseconds())/float64(b.N), "ms-patched")
}

// inProcess is what the program has when it deploys the application.
func (a *app) inProcess(b *testing.B) (*deploy.Deployer, deploy.Application, deploy.Platform) {
	b.Helper()
	getenv := func(name string) string {
		switch name {
		case "DB_PASSWORD":
			return testutil.ServersAdminPassword
		case "DB_SUPERUSER":
			return testutil.ServersSuperuser
		}
		return os.Getenv(name)
	}
	file, err := config.LoadPlatform(filepath.Join(a.root, config.PlatformFileName))
	a.must(err)
	own, err := config.Load(filepath.Join(a.dir, "plattr.yaml"))
	a.must(err)
	spec, err := own.For("staging")
	a.must(err)
	opened, err := platform.Open(file, "staging", platform.Secrets{Getenv: getenv}, map[string]string{})
	a.must(err)
	run, err := opened.Engine(b.Context(), localdev.Project, "bench")
	a.must(err)
	host := opened.Host(a.name, spec.Domain)
	application := deploy.Application{Name: a.name, Spec: spec.ApplicationSpec, Host: host, URL: opened.URL(a.name, host)}
	target, err := opened.Platform(b.Context(), a.name, deploy.Servers{Database: true, Storage: true, Cluster: true})
	a.must(err)
	return deploy.New(run), application, target
}
