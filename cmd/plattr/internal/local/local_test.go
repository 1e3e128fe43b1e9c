package local

import (
	"strings"
	"testing"

	"plattr.dev/plattr/internal/cli"
	"plattr.dev/plattr/internal/engine"
	"plattr.dev/plattr/localdev"
)

func TestWords(t *testing.T) {
	t.Parallel()
	nouns := map[string]string{
		"postgresql:index/role:Role":                           "role board",
		"postgresql:index/defaultPrivileges:DefaultPrivileges": "rights on later objects board",
		"aws:s3/bucketV2:BucketV2":                             "bucket board",
		"plattr:index:Secret":                                  "password board",
		"plattr:components:Database":                           "database board",
	}
	for typ, want := range nouns {
		if got := Noun(typ, "board"); got != want {
			t.Errorf("Noun(%q) = %q, want %q", typ, got, want)
		}
	}
	if got := Changes(map[string]int{"same": 3, "created": 1200, "deleted": 1}); got != "1,200 created, 1 deleted" {
		t.Errorf("Changes: %q", got)
	}
	if got := Changes(map[string]int{"same": 3}); got != "" {
		t.Errorf("Changes without any: %q", got)
	}
}

// TestWatch plays a first run: services, drift, resources, PostgREST, and the
// lines below the application.
func TestWatch(t *testing.T) {
	t.Parallel()
	streams, _, out := cli.Test("")
	s := cli.NewSession(streams)
	view := s.NewView()
	w := NewWatch(view, "board, local")
	r := w.Reports()
	r.Services(localdev.Progress{Service: "postgresql", Title: "PostgreSQL", Phase: localdev.Finding})
	r.Services(localdev.Progress{Service: "postgresql", Title: "PostgreSQL", Phase: localdev.Downloading, Done: 1, Total: 2})
	r.Services(localdev.Progress{Service: "postgresql", Title: "PostgreSQL", Version: "17.5", Phase: localdev.Ready, Detail: "127.0.0.1:5432"})
	r.Resources(engine.Event{Kind: engine.Drifted, Type: "postgresql:index/schema:Schema", Name: "board", Gone: true})
	r.Resources(engine.Event{Kind: engine.Started, Operation: engine.Create, Type: "postgresql:index/schema:Schema", Name: "board"})
	r.Resources(engine.Event{Kind: engine.Message, Severity: "warning", Message: "view v shows every row"})
	r.Services(localdev.Progress{Service: "postgrest-board", Title: "PostgREST", Version: "12.0.2", Phase: localdev.Ready, Detail: "127.0.0.1:3001"})
	w.Close("", map[string]string{"database": "schema board"}, "1 created", nil)
	view.Close()
	want := []string{
		"✓ Services", "  ✓ PostgreSQL 17.5   127.0.0.1:5432",
		"! schema board was deleted outside plattr: it is made again", "! view v shows every row",
		"✓ board, local", "1 created", "  ✓ PostgREST 12.0.2   127.0.0.1:3001", "  ✓ database           schema board",
	}
	at := 0
	for _, line := range want {
		i := strings.Index(out.String()[at:], line)
		if i < 0 {
			t.Fatalf("no %q after what came before it in:\n%s", line, out)
		}
		at += i
	}
}

// TestWatchFailure ends what runs as failed, and what is done stays done.
func TestWatchFailure(t *testing.T) {
	t.Parallel()
	streams, _, out := cli.Test("")
	view := cli.NewSession(streams).NewView()
	w := NewWatch(view, "board, local")
	r := w.Reports()
	r.Services(localdev.Progress{Service: "s3", Title: "S3", Version: "1.8.0", Phase: localdev.Ready, Detail: "127.0.0.1:9000"})
	r.Services(localdev.Progress{Service: "postgresql", Title: "PostgreSQL", Version: "17.5", Phase: localdev.Starting})
	w.Close("", nil, "", localdev.ErrNotUp)
	view.Close()
	for _, line := range []string{"✗ Services", "  ✓ S3 1.8.0", "  ✗ PostgreSQL 17.5"} {
		if !strings.Contains(out.String(), line) {
			t.Errorf("no %q in:\n%s", line, out)
		}
	}
}
