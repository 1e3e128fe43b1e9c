package deploy

import (
	"errors"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"plattr.dev/plattr/internal/config"
	"plattr.dev/plattr/internal/config/names"
	"plattr.dev/plattr/internal/testutil"
	"plattr.dev/plattr/stacks/application"
)

// digest is one that images of golden cases have.
const digest = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

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
			Auth: AuthServer{
				URL: "http://localhost:8080", InternalURL: "http://127.0.0.1:8080", Admin: Credentials{"plattr", "keycloak-secret"},
				Lenient: true, DemoUser: "demo",
			},
			Redis:  RedisServer{Host: "127.0.0.1", Port: 6379, Admin: Credentials{"plattr", "redis-secret"}},
			Search: SearchServer{URL: "http://127.0.0.1:9200"},
		},
		"staging": {
			Target:   names.Target{Environment: names.Staging, Prefix: "acme"},
			Database: DatabaseServer{Host: "db.internal", Port: 5432, Database: "apps", TLS: "verify-full", Admin: Credentials{"admin", "admin-password"}},
			Storage: StorageServer{Region: "eu-west-1", Capabilities: []Capability{
				CapabilityOwnershipControls, CapabilityPublicAccessBlock, CapabilityEncryption,
			}},
			Auth: AuthServer{
				URL: "https://auth.example.com", Admin: Credentials{"plattr", "keycloak-secret"},
				Providers: map[string]Credentials{"google": {"google-client", "google-secret"}},
			},
			Redis:  RedisServer{Host: "redis.internal", Port: 6379, TLS: true, Admin: Credentials{"plattr", "redis-secret"}},
			Search: SearchServer{URL: "https://search.internal", Admin: Credentials{"admin", "search-secret"}},
			Cluster: Cluster{
				Kubeconfig: "kubeconfig-secret", Context: "staging", PlattrImage: "registry.example/plattr@" + digest,
				RestImage: "registry.example/postgrest@" + digest,
				Ingress:   application.Ingress{Class: "traefik", Controller: "traefik", Rewrite: application.Rewrite{Traefik: true}},
				Services:  []application.Peer{{CIDR: "10.1.0.0/16", Ports: []int{5432}}},
			},
		},
		"preview": {
			Target:   names.Target{Environment: names.Preview, PR: 42},
			Database: DatabaseServer{Host: "db.internal", Port: 5432, Database: "previews", Admin: Credentials{"admin", "admin-password"}},
			Storage:  StorageServer{Region: "eu-west-1"},
			Auth:     AuthServer{URL: "https://auth.example.com", Admin: Credentials{"plattr", "keycloak-secret"}},
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
	deployed := Application{
		Name: app.Name, Spec: app.ApplicationSpec, URL: "https://shop.example", InBrowser: app.Framework == config.Static,
	}
	if p.Cluster.RestImage != "" {
		deployed.Release = Release{
			ID: "2", Image: "registry.example/shop@" + digest, User: 10001,
			Earlier: []application.Release{{ID: "1", Image: "registry.example/shop@" + digest}},
		}
		deployed.Host, deployed.UserEnv = "shop.example", map[string]string{"TOKEN": "user-secret"}
	}
	config, warnings, err := compile(deployed, p, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range warnings {
		if !p.Auth.Lenient || !strings.Contains(w, "PLATTR_IDP_GOOGLE_CLIENT_ID") {
			t.Errorf("warning %q", w)
		}
	}
	graph, err := testutil.Graph(t, application.Program(config))
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{
		"admin-password", "super-password", "root-secret", "localdev",
		"keycloak-secret", "redis-secret", "search-secret", "google-secret", "kubeconfig-secret", "user-secret",
	} {
		if strings.Contains(graph, secret) {
			t.Errorf("the graph has %q in clear", secret)
		}
	}
	return graph
}

// TestMissingCredentials: elsewhere than on the laptop an identity provider without credentials is an error that says
// which settings are missing, all of them at once.
func TestMissingCredentials(t *testing.T) {
	t.Parallel()
	app, err := config.Parse("plattr.yaml", []byte("name: shop\nframework: go\nauth: {enabled: true, providers: [google, github, "+
		"{name: my-corp, type: oidc, issuer: 'https://corp.example'}]}\n"))
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = compile(Application{Name: app.Name, Spec: app.ApplicationSpec, URL: "https://shop.example"}, platforms()["staging"], "")
	var missing *NoCredentialsError
	if !errors.As(err, &missing) || missing.Hint() != "set PLATTR_IDP_GITHUB_CLIENT_ID and PLATTR_IDP_GITHUB_CLIENT_SECRET" {
		t.Errorf("error %v", err)
	}
	if want := "identity provider github has no credentials\nidentity provider my-corp has no credentials"; err.Error() != want {
		t.Errorf("error %q, want %q", err, want)
	}
	if client, _ := CredentialVariables("my-corp"); client != "PLATTR_IDP_MY_CORP_CLIENT_ID" {
		t.Errorf("the variable of my-corp is %s", client)
	}
}
