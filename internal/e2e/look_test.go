package e2e

import (
	"encoding/json"
	"strings"
	"time"

	"plattr.dev/plattr/internal/cluster"
)

// looks holds what people see of a release that runs: how it is, what it writes, what is in its database.
func (a *app) looks(first deployed) {
	a.t.Helper()
	var s cluster.Status
	got := a.run("status", "--env", "staging", "-o", "json")
	if err := json.Unmarshal([]byte(got.out), &s); err != nil {
		a.t.Fatal(err)
	}
	if s.Phase != cluster.Running || s.Image != first.Image || s.Since == nil || time.Since(*s.Since) > 10*time.Minute || s.Pods.Ready < 1 || s.Pods.Max != 2 {
		a.t.Errorf("status: %+v", s)
	}
	for _, part := range []string{cluster.PartWorkload, cluster.PartMigrations, cluster.PartIngress} {
		if p := s.Part(part); p.State != cluster.PartReady {
			a.t.Errorf("status: %+v", p)
		}
	}
	text := a.run("status", "--env", "staging", "--wait").out
	if !strings.HasPrefix(text, a.name+"  staging   Running   http://guestbook.staging.example.com   ") {
		a.t.Errorf("status: %s", text)
	}
	a.askedServers(s, text, map[string]string{
		cluster.PartDatabase: "staging_guestbook, head 00004_latest_index.sql", cluster.PartStorage: "photos (0 objects, 0 B)",
	})
	if db := s.Part(cluster.PartDatabase).Database; db == nil || db.Migrations != 4 {
		a.t.Errorf("status: %+v", db)
	}
	if lines := a.run("logs", "--env", "staging", "--container", "migrate").out; !strings.Contains(lines, "0000") {
		a.t.Errorf("logs of the migration: %s", lines)
	}
	a.run("logs", "--env", "staging", "--tail", "3")
	var line cluster.Line
	last := strings.Split(strings.TrimSpace(a.run("logs", "--env", "staging", "--container", "all", "--tail", "3", "-o", "json").out), "\n")[0]
	if err := json.Unmarshal([]byte(last), &line); err != nil || line.Pod == "" || line.Time.IsZero() {
		a.t.Errorf("logs -o json: %s: %v", last, err)
	}
	if rows := a.run("db", "shell", "--env", "staging", "-c", "select name from entry").out; !strings.Contains(rows, "Ada") {
		a.t.Errorf("db shell: %s", rows)
	}
	a.fails("no container has restarted", "logs", "--env", "staging", "--previous")
}

// askedServers holds what status says of parts on servers: all of them ready, with their details, and in the text, too.
func (a *app) askedServers(s cluster.Status, text string, want map[string]string) {
	a.t.Helper()
	for name, detail := range want {
		if p := s.Part(name); p.State != cluster.PartReady || !strings.HasPrefix(p.Detail, detail) || !strings.Contains(text, detail) {
			a.t.Errorf("status: %+v, want %s", p, detail)
		}
	}
}

// looksAtServers holds what people see of an application that has a part on every server.
func (a *app) looksAtServers() {
	a.t.Helper()
	var s cluster.Status
	if err := json.Unmarshal([]byte(a.run("status", "--env", "staging", "-o", "json").out), &s); err != nil {
		a.t.Fatal(err)
	}
	a.askedServers(s, a.run("status", "--env", "staging").out, map[string]string{
		cluster.PartDatabase: "staging_board, head 0", cluster.PartStorage: "attachments (", cluster.PartAuth: "realm board-staging, 0 providers",
		cluster.PartRedis: "own instance", cluster.PartSearch: "own instance, ",
	})
}

// looksAfterFailures holds that what was set back is not taken for what does not work.
func (a *app) looksAfterFailures(first deployed) {
	a.t.Helper()
	var s cluster.Status
	if err := json.Unmarshal([]byte(a.run("status", "--env", "staging", "-o", "json").out), &s); err != nil {
		a.t.Fatal(err)
	}
	if s.Phase != cluster.Running || s.Image != first.Image || s.NextImage != "" {
		a.t.Errorf("status after failures: %+v", s)
	}
	a.run("status", "--env", "staging")
}
