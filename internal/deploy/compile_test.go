package deploy

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"plattr.dev/plattr/internal/config"
	"plattr.dev/plattr/internal/config/names"
	"plattr.dev/plattr/internal/testutil"
	"plattr.dev/plattr/stacks/application"
)

var update = flag.Bool("update", false, "rewrite the goldens")

// platforms are the places that a golden case may name.
func platforms() map[string]Platform {
	return map[string]Platform{
		"local": {
			Target: names.Target{Environment: names.Local},
			Database: DatabaseServer{
				Host: "127.0.0.1", Port: 5432, TLS: "disable", Admin: Credentials{"admin", "admin-password"},
				BootstrapURL: "postgres://super:super-password@127.0.0.1/postgres", Shadow: true, InitialPassword: "localdev",
			},
			Storage: StorageServer{
				Endpoint: "http://127.0.0.1:9000", IAMEndpoint: "http://127.0.0.1:9002", Region: "us-east-1",
				Admin: Credentials{"root", "root-secret"}, Capabilities: []Capability{CapabilityUsers, CapabilityOwnershipControls},
			},
		},
		"staging": {
			Target:   names.Target{Environment: names.Staging, Prefix: "acme"},
			Database: DatabaseServer{Host: "db.internal", Port: 5432, Database: "apps", TLS: "verify-full", Admin: Credentials{"admin", "admin-password"}},
			Storage: StorageServer{Region: "eu-west-1", Capabilities: []Capability{
				CapabilityOwnershipControls, CapabilityPublicAccessBlock, CapabilityEncryption,
			}},
		},
		"preview": {
			Target:   names.Target{Environment: names.Preview, PR: 42},
			Database: DatabaseServer{Host: "db.internal", Port: 5432, Database: "previews", Admin: Credentials{"admin", "admin-password"}},
			Storage:  StorageServer{Region: "eu-west-1"},
		},
	}
}

// TestGraphs holds what a file becomes on a platform: testdata/golden/application, one case a file.
func TestGraphs(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../testdata/golden/application/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden cases: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := graphOf(t, archive)
			want := &archive.Files[len(archive.Files)-1]
			if *update {
				want.Data = []byte(got)
				if err := os.WriteFile(file, txtar.Format(archive), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(string(want.Data), got); diff != "" {
				t.Errorf("%s(-want +got; -update rewrites):\n%s", archive.Comment, diff)
			}
		})
	}
}

// graphOf compiles plattr.yaml for the platform that the second file names.
func graphOf(t *testing.T, archive *txtar.Archive) string {
	t.Helper()
	app, err := config.Parse("plattr.yaml", archive.Files[0].Data)
	if err != nil {
		t.Fatal(err)
	}
	p, ok := platforms()[strings.TrimSpace(string(archive.Files[1].Data))]
	if !ok {
		t.Fatalf("no platform %s", archive.Files[1].Data)
	}
	graph, err := testutil.Graph(t, application.Program(compile(Application{Name: app.Name, Spec: app.ApplicationSpec}, p, "")))
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"admin-password", "super-password", "root-secret", "localdev"} {
		if strings.Contains(graph, secret) {
			t.Errorf("the graph has %q in clear", secret)
		}
	}
	return graph
}
