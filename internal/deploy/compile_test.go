package deploy

import (
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"plattr.dev/plattr/internal/config"
	"plattr.dev/plattr/internal/config/names"
	"plattr.dev/plattr/internal/testutil"
	"plattr.dev/plattr/stacks/application"
)

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
	testutil.Golden(t, "../../testdata/golden/application", func(t *testing.T, input *txtar.Archive) (string, error) {
		t.Helper()
		return graphOf(t, input), nil
	})
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
