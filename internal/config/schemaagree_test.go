package config_test

import (
	"bytes"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v5"
	"go.yaml.in/yaml/v3"

	"plattr.dev/plattr/internal/config"
)

func compileSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	raw, err := config.Schema()
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("plattr.json", bytes.NewReader(raw)); err != nil {
		t.Fatal(err)
	}
	return c.MustCompile("plattr.json")
}

// TestSchemaAgrees holds an editor's opinion of a file equal to plattr's.
func TestSchemaAgrees(t *testing.T) {
	t.Parallel()
	schema := compileSchema(t)
	for name, tc := range problemCases() {
		if !tc.inSchema {
			continue
		}
		var content any
		if err := yaml.Unmarshal([]byte(tc.in), &content); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if schema.Validate(content) == nil {
			t.Errorf("%s: the schema accepts what plattr refuses:\n%s", name, tc.in)
		}
	}
	for name, in := range validFiles() {
		var content any
		if err := yaml.Unmarshal([]byte(in), &content); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := schema.Validate(content); err != nil {
			t.Errorf("%s: the schema refuses what plattr accepts: %#v\n%s", name, err, in)
		}
		if _, err := config.Parse("plattr.yaml", []byte(in)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// validFiles are files that are right, at the edges of the rules.
func validFiles() map[string]string {
	return map[string]string{
		"Shortest": head,
		"Longest":  "name: a234567890123456789012345678901234567890\n"[:46] + "\n",
		"OneName":  "name: x\n",
		"Nulls":    head + "scaling:\nhealth:\nresources:\nenv:\nenvironments:\n  staging:\npreview:\nlocal:\n",
		"Database": head + "database:\n  enabled: true\n  schemaName: a_b\n  migrations: {engine: goose, path: db/migrations, run: startup}\n" +
			"  seed: ./db/seeds\n  extensions: [uuid-ossp, pg_trgm]\n  rest: {enabled: false, anonAccess: write}\n",
		"Storage": head + "storage:\n  enabled: true\n  buckets:\n    - {name: uploads, public: true, maxFileSize: 50MB}\n" +
			"    - {name: '1', maxFileSize: 1048576}\n",
		"Auth": head + "auth:\n  enabled: true\n  providers:\n    - google\n    - saml\n" +
			"    - {name: work, type: oidc, issuer: 'https://login.example.com/x?y=z'}\n" +
			"    - {name: old, type: saml, metadataURL: 'http://localhost:8080/meta'}\n  redirectPaths: [/a/b-c_d, /]\n",
		"Run": head + "scaling: {min: 1, max: 1, targetCPU: 100}\nhealth: {path: /, port: 65535}\n" +
			"resources: {cpu: 1, memory: 1.5Gi}\nredis: {enabled: true}\nsearch: {enabled: false}\n",
		"Environments": head + "environments:\n  production:\n    domain: shop.example.com\n    scaling: {max: 50}\n" +
			"    resources: {cpu: 250m}\n    env: {A: 1, B: true, C: ''}\n  local: {env: {D: x}}\n",
		"Local":       head + "preview: {ttl: 1d12h, seed: ./preview-seeds}\nlocal: {port: 4000, env: {DEBUG: '*'}}\n",
		"OwnDatabase": head + "env: {DATABASE_URL: 'postgres://elsewhere/x'}\n",
		"RestOff":     head + "health: {port: 3001}\ndatabase: {rest: {enabled: false}}\n",
	}
}
