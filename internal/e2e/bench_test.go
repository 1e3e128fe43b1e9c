package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"plattr.dev/plattr/localdev"
	"plattr.dev/plattr/localdev/envfile"
)

// ratio reports how many times longer ours takes than another command, measured in the same run.
func ratio(b *testing.B, name string, ours time.Duration, other func() *exec.Cmd) {
	b.Helper()
	const runs = 5
	start := time.Now()
	for range runs {
		if out, err := other().CombinedOutput(); err != nil {
			b.Fatalf("%v\n%s", err, out)
		}
	}
	b.ReportMetric(float64(ours)/float64(time.Since(start)/runs), name)
}

// BenchmarkHelp is the whole process of plattr --help; x-true is how many times longer it takes than a process that
// does nothing.
func BenchmarkHelp(b *testing.B) {
	w := newWorld(b)
	for b.Loop() {
		w.app.mustRun("--help")
	}
	nothing := b.Elapsed() / time.Duration(b.N)
	ratio(b, "x-true", nothing, func() *exec.Cmd { return exec.CommandContext(b.Context(), "true") })
}

// eachSize runs a benchmark for an application with database, REST and buckets, and for one with everything.
func eachSize(b *testing.B, run func(*testing.B, *world)) {
	b.Helper()
	for _, v := range variants() {
		if v.name != "base" && v.name != "whole" {
			continue
		}
		b.Run(v.name, func(b *testing.B) {
			w := newWorld(b)
			w.app.write(v.file)
			w.app.mustRun("dev", "-q")
			run(b, w)
		})
	}
}

// BenchmarkDevUnchanged is the whole process of plattr dev when services run and nothing changed; MB is the memory of all
// services.
func BenchmarkDevUnchanged(b *testing.B) {
	eachSize(b, func(b *testing.B, w *world) {
		for b.Loop() {
			w.app.mustRun("dev", "-q")
		}
		b.ReportMetric(w.memory(), "MB")
	})
}

// memory is what all services hold, in MB.
func (w *world) memory() float64 {
	w.t.Helper()
	n, err := localdev.NewNative(w.t.Context(), w.getenv)
	if err != nil {
		w.t.Fatal(err)
	}
	status, err := n.Status(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	bytes := int64(0)
	for _, service := range status.Services {
		bytes += service.Memory
	}
	return float64(bytes) / 1e6
}

// BenchmarkDevFromStopped is plattr dev when nothing runs and the programs are there.
func BenchmarkDevFromStopped(b *testing.B) {
	eachSize(b, func(b *testing.B, w *world) {
		for b.Loop() {
			b.StopTimer()
			w.app.mustRun("dev", "stop", "-q")
			b.StartTimer()
			w.app.mustRun("dev", "-q")
		}
	})
}

// BenchmarkDatabaseFromStopped is how long after the start of plattr dev, with nothing running, the application's own
// DATABASE_URL answers a query; the other services may still be on their way.
func BenchmarkDatabaseFromStopped(b *testing.B) {
	eachSize(b, func(b *testing.B, w *world) {
		address, _ := w.app.endpoints()
		for b.Loop() {
			b.StopTimer()
			w.app.mustRun("dev", "stop", "-q")
			b.StartTimer()
			dev := w.app.command(b.Context(), "dev", "-q")
			if err := dev.Start(); err != nil {
				b.Fatal(err)
			}
			for !answers(b, address) {
				time.Sleep(5 * time.Millisecond)
			}
			b.StopTimer()
			if err := dev.Wait(); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
		}
	})
}

// answers tells whether a query gets its answer.
func answers(b *testing.B, address string) bool {
	b.Helper()
	conn, err := pgx.Connect(b.Context(), address)
	if err != nil {
		return false
	}
	defer conn.Close(b.Context())
	_, err = conn.Exec(b.Context(), "select 1")
	return err == nil
}

// BenchmarkDevFirst is plattr dev on a machine that has only the programs: data directory, services, all resources.
func BenchmarkDevFirst(b *testing.B) {
	eachSize(b, func(b *testing.B, w *world) {
		for b.Loop() {
			b.StopTimer()
			w.app.mustRun("dev", "destroy", "--all", "--yes", "-q")
			b.StartTimer()
			w.app.mustRun("dev", "-q")
		}
	})
}

// BenchmarkTwoTests is two runs at once of plattr test, each of an empty suite; s-added is what that takes longer than
// npm test alone twice at once.
func BenchmarkTwoTests(b *testing.B) {
	w := newWorld(b)
	w.app.file("package.json", `{"scripts": {"test": "true"}}`)
	w.app.mustRun("dev", "-q")
	twice := func(command func() *exec.Cmd) time.Duration {
		start := time.Now()
		runs := []*exec.Cmd{command(), command()}
		for _, run := range runs {
			if err := run.Start(); err != nil {
				b.Fatal(err)
			}
		}
		for _, run := range runs {
			if err := run.Wait(); err != nil {
				b.Fatal(err)
			}
		}
		return time.Since(start)
	}
	ours := func() *exec.Cmd { return w.app.command(b.Context(), "test", "-q") }
	alone := func() *exec.Cmd {
		cmd := exec.CommandContext(b.Context(), "npm", "test")
		cmd.Dir = w.app.dir
		return cmd
	}
	var with, without time.Duration
	for b.Loop() {
		with += twice(ours)
		without += twice(alone)
	}
	b.ReportMetric((with-without).Seconds()/float64(b.N), "s-added")
}

// BenchmarkReset is plattr db reset with 10 migrations and 1,000 rows, nothing of them changed.
func BenchmarkReset(b *testing.B) {
	w := newWorld(b)
	w.app.write(variants()[1].file)
	for i := range 10 {
		w.app.file(fmt.Sprintf("migrations/%03d_t.sql", i), fmt.Sprintf("create table t%d (id bigserial primary key, name text);\n", i))
	}
	w.app.file("seeds/rows.sql", "insert into t0 (name) select 'row ' || i from generate_series(1, 1000) i;\n")
	w.app.mustRun("dev", "-q")
	w.app.mustRun("db", "reset", "--yes", "-q")
	for b.Loop() {
		w.app.mustRun("db", "reset", "--yes", "-q")
	}
}

// BenchmarkDDLToREST is how long PostgREST takes to know a table (its description of the API has it) after the statement
// that makes it has returned.
func BenchmarkDDLToREST(b *testing.B) {
	w := newWorld(b)
	w.app.write(variants()[1].file)
	w.app.mustRun("dev", "-q")
	database, rest := w.app.endpoints()
	conn, err := pgx.Connect(b.Context(), database)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close(b.Context())
	for i := 0; b.Loop(); i++ {
		b.StopTimer()
		table := fmt.Sprintf("ddl%d", i)
		if _, err := conn.Exec(b.Context(), "create table "+table+" (id int)"); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		for !w.serves(rest, `"/`+table+`"`) {
			time.Sleep(2 * time.Millisecond)
		}
	}
}

// serves tells whether a page that is there contains a text.
func (w *world) serves(at, text string) bool {
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, at, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return err == nil && resp.StatusCode == http.StatusOK && strings.Contains(string(body), text)
}

// endpoints are those in the project's environment file.
func (p *project) endpoints() (database, rest string) {
	p.world.t.Helper()
	vars, err := envfile.Read(envfile.Path(p.dir, "shop"))
	if err != nil {
		p.world.t.Fatal(err)
	}
	for _, v := range vars {
		switch v.Name {
		case "DATABASE_URL":
			database = v.Value
		case "POSTGREST_URL":
			rest = v.Value
		}
	}
	if _, err := url.Parse(database); err != nil || rest == "" {
		p.world.t.Fatal("the environment file has no endpoints")
	}
	return database, rest
}
