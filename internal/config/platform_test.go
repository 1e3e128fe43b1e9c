package config_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v5"
	"go.yaml.in/yaml/v3"

	"plattr.dev/plattr/internal/config"
)

const wholePlatform = `account: 123456789012
region: eu-central-1
baseDomain: example.com
hostedZone: Z0123
githubOrganisation: acme
environments:
  staging:
    cluster: {kubeconfig: ./kubeconfig, context: staging}
    namespace: staging
    database:
      host: db.example.com
      port: 5433
      name: apps
      admin: {user: plattr_admin, password: "env:DB_PASSWORD"}
      bootstrap: awssm:arn:aws:secretsmanager:eu-central-1:123456789012:secret:rds
      tls: require
    storage:
      endpoint: http://s3.example.com:9000
      iamEndpoint: http://s3.example.com:9002
      publicEndpoint: https://files.example.com
      region: us-east-1
      prefix: acme
      capabilities: [users, ownershipControls]
      admin: {user: root, password: file:secrets/s3}
    auth:
      url: https://login.example.com
      internalURL: http://keycloak.services:8080
      admin: {user: plattr, password: "k8s:services/keycloak#client-secret"}
      providers:
        google: {clientID: "env:GOOGLE_ID", clientSecret: "env:GOOGLE_SECRET"}
    redis: instance
    search: {mode: managed, url: "https://search.example.com", admin: {user: a, password: "env:B"}}
    ingress:
      class: traefik
      tls: '{app}-tls'
      annotations: {cert-manager.io/cluster-issuer: letsencrypt}
      namespace: ingress
      rewrite: {traefik: true}
    services:
      - {namespace: services, ports: [5432]}
      - {cidr: 10.0.0.0/16, ports: [5432, 443]}
    state: {url: "s3://acme-state/plattr", passphrase: "env:PASSPHRASE"}
    owners: [platform@example.com]
    images: {plattr: example.com/plattr:1}
  production:
    ingress: {class: nginx, rewrite: {path: "/api/rest(/|$)(.*)", annotations: {nginx.ingress.kubernetes.io/rewrite-target: /$2}}}
    state: env:STATE_URL
`

func TestParsePlatform(t *testing.T) {
	t.Parallel()
	p, err := config.ParsePlatform("p.yaml", []byte(wholePlatform))
	if err != nil {
		t.Fatal(err)
	}
	e, err := p.Environment("staging")
	if err != nil {
		t.Fatal(err)
	}
	for what, got := range map[string][2]any{
		"account":    {p.Account, "123456789012"},
		"bootstrap":  {string(e.Database.Bootstrap.Both), "awssm:arn:aws:secretsmanager:eu-central-1:123456789012:secret:rds"},
		"redis":      {e.Redis.Mode, "instance"},
		"state":      {p.Environments["production"].State.URL, "env:STATE_URL"},
		"annotation": {e.Ingress.Annotations["cert-manager.io/cluster-issuer"], "letsencrypt"},
		"provider":   {string(e.Auth.Providers["google"].ClientSecret), "env:GOOGLE_SECRET"},
	} {
		if got[0] != got[1] {
			t.Errorf("%s is %v, want %v", what, got[0], got[1])
		}
	}
	for name, want := range map[string]string{
		"stagin": `environment "stagin" is not in p.yaml, did you mean "staging"?`,
		"uat":    `environment "uat" is not in p.yaml: there is production or staging`,
	} {
		if _, err := p.Environment(name); err == nil || err.Error() != want {
			t.Errorf("Environment(%q): %v", name, err)
		}
	}
}

const platformHead = "baseDomain: example.com\nenvironments:\n  staging:\n    ingress: {class: x}\n    state: file://./state\n"

func TestPlatformProblems(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		in       string
		want     []string
		inSchema bool
	}{
		"Empty":       {"", []string{"1:1: the file is empty: see the reference of its fields"}, false},
		"Missing":     {"region: eu-west-1\n", []string{"1:1: baseDomain: is missing: add `baseDomain:`", "1:1: environments: is missing: add `environments:`"}, true},
		"UnknownKey":  {platformHead + "    databse: {}\n", []string{`6:5: environments.staging.databse: unknown field, did you mean "database"?`}, true},
		"Environment": {platformHead + "  local:\n", []string{"6:3: environments.local: unknown environment: there is preview, staging, uat or production"}, true},
		"NoState": {"baseDomain: example.com\nenvironments:\n  uat:\n", []string{
			"3:7: environments.uat.state: is missing: add `state: s3://BUCKET/PREFIX`, or postgres:// or file://",
			"3:7: environments.uat.ingress.class: is missing: add the class of the cluster's ingress controller, as `kubectl get ingressclass` lists it",
		}, false},
		"Secret": {platformHead + "    database: {host: db, name: apps, admin: {user: u, password: hunter2}}\n", []string{
			"6:65: environments.staging.database.admin.password: the value is not valid: write where the secret is, never the secret: " +
				"env:NAME, file:PATH, k8s:NAMESPACE/NAME#KEY or awssm:ARN#KEY",
		}, true},
		"SecretInState": {strings.Replace(platformHead, "file://./state", "postgres://u:hunter2@db/state", 1), []string{
			"5:12: environments.staging.state: the value holds a password: keep the URL elsewhere and write env:NAME or k8s:NAMESPACE/NAME#KEY",
		}, false},
		"NoAdmin": {platformHead + "    auth: {url: 'https://a.example.com'}\n", []string{
			"6:11: environments.staging.auth.admin: is missing: add `admin:`",
		}, false},
		"Managed": {platformHead + "    redis: managed\n    search: {mode: instance, url: 'https://x.example.com'}\n", []string{
			"6:12: environments.staging.redis: is managed, so it needs `host:`",
			"7:35: environments.staging.search.url: an instance has no url of its own: remove the line, or write `mode: managed`",
		}, false},
		"Service": {platformHead + "    services: [{ports: [80]}, {cidr: 10.0.0.0, ports: [0]}]\n", []string{
			"6:16: environments.staging.services[0]: needs `namespace:` or `cidr:`, one of them",
			`6:38: environments.staging.services[1].cidr: "10.0.0.0" is no range of addresses such as 10.0.0.0/16`,
			"6:56: environments.staging.services[1].ports[0]: 0 is out of range: write 1 to 65535",
		}, false},
		"Image": {platformHead + "    images: {postgres: x}\n", []string{
			`6:14: environments.staging.images.postgres: unknown image, did you mean "postgrest"?`,
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := config.ParsePlatform("p", []byte(tc.in))
			var e *config.Error
			if !errors.As(err, &e) {
				t.Fatalf("no problem but %v", err)
			}
			want := "p:" + strings.Join(tc.want, "\np:")
			if diff := cmp.Diff(want, err.Error()); diff != "" {
				t.Error(diff)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Error("a message shows a secret")
			}
			if tc.inSchema && validate(t, tc.in) == nil {
				t.Error("the schema accepts what plattr refuses")
			}
		})
	}
	if err := validate(t, wholePlatform); err != nil {
		t.Errorf("the schema refuses what plattr accepts: %#v", err)
	}
}

// validate is an editor's opinion of a platform's file.
func validate(t *testing.T, in string) error {
	t.Helper()
	raw, err := config.PlatformSchema()
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("platform.json", bytes.NewReader(raw)); err != nil {
		t.Fatal(err)
	}
	var content any
	if err := yaml.Unmarshal([]byte(in), &content); err != nil {
		t.Fatal(err)
	}
	return c.MustCompile("platform.json").Validate(content)
}

func TestFindPlatform(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	inner := filepath.Join(root, "repo", "apps", "shop")
	if err := os.MkdirAll(inner, 0o755); err != nil {
		t.Fatal(err)
	}
	write := func(path string) string {
		t.Helper()
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	above := write(filepath.Join(root, config.PlatformFileName))
	if got := config.FindPlatform(inner); got != above {
		t.Errorf("found %q, want the one above", got)
	}
	if err := os.Mkdir(filepath.Join(root, "repo", ".git"), 0o755); err != nil {
		t.Fatal(err)
	}
	if got := config.FindPlatform(inner); got != "" {
		t.Errorf("found %q beyond the repository", got)
	}
	own := write(filepath.Join(root, "repo", config.PlatformFileName))
	if got := config.FindPlatform(inner); got != own {
		t.Errorf("found %q, want the repository's", got)
	}
}
