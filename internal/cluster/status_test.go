package cluster

import (
	"slices"
	"testing"
	"time"

	"plattr.dev/plattr/internal/kube"
	"plattr.dev/plattr/internal/kubeapi"
)

type (
	m = map[string]any
	l = []any
)

func TestPhase(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		workload, migrations State
		want                 Phase
	}{
		"Nothing":              {PartAbsent, PartAbsent, Absent},
		"NothingButOldJobs":    {PartAbsent, PartReady, Absent},
		"FirstMigration":       {PartAbsent, PartWaiting, Provisioning},
		"FirstMigrationFailed": {PartAbsent, PartFailed, Failed},
		"Rollout":              {PartWaiting, PartReady, Provisioning},
		"RolloutFailed":        {PartFailed, PartReady, Failed},
		"Runs":                 {PartReady, PartReady, Running},
		"RunsWithout":          {PartReady, PartAbsent, Running},
		"NextMigrates":         {PartReady, PartWaiting, Provisioning},
		"NextMigrationFailed":  {PartReady, PartFailed, Running}, // the release before goes on serving
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := phase(tc.workload, tc.migrations); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

func set(revision, image, uid string, ready int) m {
	return m{
		"metadata": m{"uid": uid, "annotations": m{revisionKey: revision}, "creationTimestamp": "2026-01-0" + revision + "T00:00:00Z"},
		"spec":     m{"template": m{"spec": m{"containers": l{m{"name": "postgrest", "image": "p"}, m{"name": "board", "image": image}}}}},
		"status":   m{"readyReplicas": int64(ready)},
	}
}

// TestCountPods holds which image is said to run: the one whose pods answer.
func TestCountPods(t *testing.T) {
	t.Parallel()
	done := l{m{"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable", "lastUpdateTime": "2026-02-01T00:00:00Z"}}
	going := l{m{"type": "Progressing", "status": "True", "reason": "ReplicaSetUpdated", "lastUpdateTime": "2026-02-01T00:00:00Z"}}
	cases := map[string]struct {
		conditions  l
		sets        []m
		image, next string
		since       string
		ready, new  int
	}{
		"Done":     {done, []m{set("1", "a@1", "u1", 0), set("2", "a@2", "u2", 3)}, "a@2", "", "2026-02-01", 3, 3},
		"First":    {going, []m{set("2", "a@2", "u2", 0)}, "", "a@2", "", 0, 0},
		"Rollout":  {going, []m{set("1", "a@1", "u1", 3), set("2", "a@2", "u2", 1)}, "a@1", "a@2", "2026-01-01", 4, 1},
		"Half":     {going, []m{set("1", "a@1", "u1", 2), set("2", "a@2", "u2", 2)}, "a@2", "", "2026-01-02", 4, 2},
		"Settings": {going, []m{set("1", "a@2", "u1", 3), set("2", "a@2", "u2", 1)}, "a@2", "", "2026-01-01", 4, 1},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			live := set("2", "a@2", "d", 0)
			live["spec"].(m)["replicas"] = int64(3)
			live["status"] = m{"conditions": tc.conditions}
			var s Status
			countPods(&s, kube.App{Name: "board"}, live, tc.sets)
			since := ""
			if s.Since != nil {
				since = s.Since.Format(time.DateOnly)
			}
			if s.Image != tc.image || s.NextImage != tc.next || since != tc.since || s.Pods.Ready != tc.ready || s.Pods.Updated != tc.new || s.Pods.Desired != 3 {
				t.Errorf("%+v since %s", s, since)
			}
		})
	}
}

// TestWhy holds the line that a person reads, and which of several reasons it is.
func TestWhy(t *testing.T) {
	t.Parallel()
	crash := kubeapi.Finding{
		Text: "pod b-1: container b crashes: exit code 1: at a\nError: no module\n  at x", Said: "at a\nError: no module\n  at x",
	}
	if got := why(crash); got != "pod b-1: container b crashes: exit code 1: at x" {
		t.Error(got)
	}
	if got := evidence(crash.Said); !slices.Equal(got, []string{"at a", "Error: no module", "  at x"}) {
		t.Errorf("%q", got)
	}
	now := time.Now()
	probe := kubeapi.Finding{Text: "probe", After: kubeapi.Never, Class: "probe", Since: now}
	pull := kubeapi.Finding{Text: "pull", After: time.Minute, Class: "image", Since: now}
	cases := map[string]struct {
		findings []kubeapi.Finding
		want     string
		final    bool
	}{
		"None":      {nil, "", false},
		"Passing":   {[]kubeapi.Finding{probe, pull}, "pull", false},
		"Lasting":   {[]kubeapi.Finding{probe, {Text: "old", After: time.Minute, Since: now.Add(-time.Hour)}}, "old", true},
		"NeverLast": {[]kubeapi.Finding{probe}, "probe", false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if f, final := worstOf(tc.findings, now); f.Text != tc.want || final != tc.final {
				t.Errorf("%+v %v", f, final)
			}
		})
	}
}

func TestSplitServiceHost(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]string{
		"db.services.svc.cluster.local": "db services true", "db.services.svc.cluster.local.": "db services true",
		"db.services.svc": "db services true", "db": "db  true", "db.services": "  false", "db.example.com": "  false",
		"localhost": "  false", "10.0.0.1": "  false", "::1": "  false", "": "  false",
		"x.rds.amazonaws.com": "  false",
	} {
		service, namespace, ok := SplitServiceHost(host)
		got := service + " " + namespace + " false"
		if ok {
			got = service + " " + namespace + " true"
		}
		if got != want {
			t.Errorf("%s: %s, want %s", host, got, want)
		}
	}
}
