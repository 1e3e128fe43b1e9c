package localdev

import (
	"runtime/debug"
	"testing"
	"time"

	"plattr.dev/plattr/internal/deploy"
	"plattr.dev/plattr/internal/engine"
	"plattr.dev/plattr/internal/testutil"
)

// stack is the whole application on real servers, run by the linked engine or by a stock CLI.
type stack struct {
	dev      *Dev
	platform deploy.Platform
	linked   *deploy.Deployer
}

// eachSize runs a benchmark for an application with database, REST and buckets, and for one with everything.
func eachSize(b *testing.B, run func(*testing.B, stack)) {
	b.Helper()
	for name, app := range map[string]deploy.Application{"base": shop(), "whole": whole("shop")} {
		b.Run(name, func(b *testing.B) { run(b, newStack(b, app)) })
	}
}

func newStack(b *testing.B, app deploy.Application) stack {
	b.Helper()
	b.Cleanup(func(old int) func() { return func() { debug.SetGCPercent(old) } }(debug.SetGCPercent(400))) // as in a command
	d := newDev(b, app)
	res := up(b, d)
	p, err := d.platform(res.Endpoints)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(res.Changes[engine.Created]), "resources")
	return stack{dev: d, platform: p, linked: d.deployer}
}

// stock returns a deployer that runs the same programs on the same state through the stock CLI.
func (s stack) stock(b *testing.B) *deploy.Deployer {
	b.Helper()
	cli := testutil.Tool(b, "pulumi")
	e, err := engine.New(engine.Options{
		Project: Project, StateURL: engine.FileURL(s.dev.runtime.State().Join("pulumi")), Owner: "bench", Pulumi: &cli,
	})
	if err != nil {
		b.Fatal(err)
	}
	return deploy.New(e)
}

func (s stack) noChange(b *testing.B, d *deploy.Deployer, o deploy.Options) time.Duration {
	b.Helper()
	start := time.Now()
	res, err := d.Up(b.Context(), s.dev.options.Application, s.platform, o)
	if err != nil {
		b.Fatal(err)
	}
	if res.Changed() {
		b.Fatalf("changed %v, drift %v", res.Changes, res.Drift)
	}
	return time.Since(start)
}

// BenchmarkApplicationNoChange is a run of the whole application that changes nothing, without refresh.
func BenchmarkApplicationNoChange(b *testing.B) {
	eachSize(b, func(b *testing.B, s stack) {
		for b.Loop() {
			s.noChange(b, s.linked, deploy.Options{SkipRefresh: true})
		}
	})
}

// BenchmarkApplicationNoChangeRefresh is the same as `plattr dev` does it: every resource is read first.
func BenchmarkApplicationNoChangeRefresh(b *testing.B) {
	eachSize(b, func(b *testing.B, s stack) {
		for b.Loop() {
			s.noChange(b, s.linked, deploy.Options{})
		}
	})
}

// BenchmarkApplicationNoChangeStock is the first one through the Automation API and the stock CLI, with the same
// providers; x-linked says how many times longer that takes than the linked engine, in the same process.
func BenchmarkApplicationNoChangeStock(b *testing.B) {
	eachSize(b, func(b *testing.B, s stack) {
		stock := s.stock(b)
		const runs = 10
		var linked time.Duration
		for range runs {
			linked += s.noChange(b, s.linked, deploy.Options{SkipRefresh: true}) / runs
		}
		var total time.Duration
		for b.Loop() {
			total += s.noChange(b, stock, deploy.Options{SkipRefresh: true})
		}
		b.ReportMetric(float64(total)/float64(b.N)/float64(linked), "x-linked")
		b.ReportMetric(float64(linked)/float64(time.Millisecond), "ms-linked")
	})
}
