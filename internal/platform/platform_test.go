package platform_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"plattr.dev/plattr/internal/config"
	"plattr.dev/plattr/internal/deploy"
	"plattr.dev/plattr/internal/platform"
)

const file = `baseDomain: example.com
region: eu-central-1
environments:
  staging:
    namespace: stage
    database: {host: db, name: apps, admin: {user: admin, password: "env:DB"}, bootstrap: "awssm:arn:rds"}
    storage: {endpoint: "http://s3:9000", prefix: acme, capabilities: [users], admin: {user: root, password: "file:s3.key"}}
    auth:
      url: https://login.example.com
      admin: {user: plattr, password: "k8s:services/keycloak#secret"}
      providers: {google: {clientID: "env:G_ID", clientSecret: "env:G_SECRET"}}
    ingress: {class: traefik, tls: "{app}-tls", rewrite: {traefik: true}}
    services: [{cidr: 10.0.0.0/16, ports: [5432]}]
    state: file://state
    owners: [team-x, ada@example.com]
  production:
    ingress: {class: x, tls: external}
    state: env:STATE
`

// open returns an environment of the file above, with secrets of the test's own.
func open(t *testing.T, name string, env map[string]string) *platform.Environment {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "s3.key"), []byte("s3-secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	parsed, err := config.ParsePlatform(filepath.Join(dir, config.PlatformFileName), []byte(file))
	if err != nil {
		t.Fatal(err)
	}
	e, err := platform.Open(parsed, name, platform.Secrets{
		Getenv: func(name string) string { return env[name] },
		Kubernetes: func(_ context.Context, namespace, name string) (map[string][]byte, error) {
			return map[string][]byte{"secret": []byte(namespace + "-" + name)}, nil
		},
		AWS: func(context.Context, string) (string, error) {
			if env["AWS"] == "down" {
				return "", errors.New("no identity")
			}
			return `{"username": "postgres", "password": "p/w", "port": 5432}`, nil
		},
	}, map[string]string{"plattr": "example.com/plattr:1"})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func everything() deploy.Servers { return deploy.Servers{Database: true, Storage: true, Auth: true} }

func TestPlatform(t *testing.T) {
	t.Parallel()
	e := open(t, "staging", map[string]string{"DB": "db-secret", "G_ID": "id", "G_SECRET": "g-secret"})
	p, err := e.Platform(t.Context(), "shop", everything())
	if err != nil {
		t.Fatal(err)
	}
	for what, got := range map[string][2]string{
		"database":  {p.Database.Admin.Secret, "db-secret"},
		"bootstrap": {p.Database.BootstrapURL, "postgres://postgres:p%2Fw@db:5432/apps?sslmode=verify-full"},
		"storage":   {p.Storage.Admin.Secret, "s3-secret"},
		"region":    {p.Storage.Region, "eu-central-1"},
		"auth":      {p.Auth.Admin.Secret, "services-keycloak"},
		"internal":  {p.Auth.InternalURL, "https://login.example.com"},
		"provider":  {p.Auth.Providers["google"].Secret, "g-secret"},
		"tls":       {p.Cluster.Ingress.TLSSecret, "shop-tls"},
		"namespace": {p.Cluster.Namespace, "stage"},
		"image":     {p.Cluster.PlattrImage, "example.com/plattr:1"},
		"prefix":    {p.Target.Prefix, "acme"},
		"host":      {e.Host("shop", ""), "shop.staging.example.com"},
		"domain":    {e.URL("shop", e.Host("shop", "shop.example.org")), "https://shop.example.org"},
		"external":  {open(t, "production", nil).URL("shop", "shop.example.com"), "https://shop.example.com"},
	} {
		if got[0] != got[1] {
			t.Errorf("%s: %q, want %q", what, got[0], got[1])
		}
	}
}

// TestAdministered holds that who looks needs administrators alone.
func TestAdministered(t *testing.T) {
	t.Parallel()
	e := open(t, "staging", map[string]string{"DB": "db-secret", "AWS": "down"})
	p, err := e.Administered(t.Context(), "shop", everything())
	if err != nil || p.Database.Admin.Secret != "db-secret" || p.Storage.Admin.Secret != "s3-secret" || p.Auth.Admin.Secret != "services-keycloak" {
		t.Errorf("%+v, %v", p, err)
	}
	if p.Database.BootstrapURL != "" || p.Auth.Providers != nil {
		t.Errorf("more was read than administrators: %+v", p)
	}
	if owners := e.Owners(); len(owners) != 2 || owners[0] != "team-x" {
		t.Errorf("owners: %q", owners)
	}
}

func TestPlatformProblems(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		environment string
		env         map[string]string
		wanted      deploy.Servers
		want        string
	}{
		"NoVariable": {"staging", nil, deploy.Servers{Database: true}, "environments.staging.database.admin: env:DB: the environment variable is not set"},
		"NoAWS": {
			"staging",
			map[string]string{"DB": "x", "AWS": "down"},
			deploy.Servers{Database: true},
			"environments.staging.database.bootstrap: awssm:arn:rds: no identity",
		},
		"NoServer": {
			"staging", nil,
			deploy.Servers{Redis: true, Search: true},
			"environments.staging.redis: is missing, and shop has redis: add it, or take it out of plattr.yaml\n" +
				"plattr.platform.yaml: environments.staging.search: is missing",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := open(t, tc.environment, tc.env).Platform(t.Context(), "shop", tc.wanted)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%v, want %s", err, tc.want)
			}
		})
	}
}

func TestEngine(t *testing.T) {
	t.Parallel()
	if _, err := open(t, "staging", nil).Engine(t.Context(), "plattr", "test"); err != nil {
		t.Error(err)
	}
	_, err := open(t, "production", nil).Engine(t.Context(), "plattr", "test")
	if err == nil || !strings.Contains(err.Error(), "environments.production.state: env:STATE: the environment variable is not set") {
		t.Errorf("a state that nobody names: %v", err)
	}
	_, err = open(t, "production", map[string]string{"STATE": "ftp://x:hunter2@y"}).Engine(t.Context(), "plattr", "test")
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a state of an unknown kind: %v", err)
	}
}
