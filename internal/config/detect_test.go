package config_test

import (
	"errors"
	"testing"

	"plattr.dev/plattr/internal/config"
	"plattr.dev/plattr/operator/api/v1alpha1"
)

func TestDetectFramework(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason   string
		files    map[string]string
		want     config.Framework
		evidence string
	}{
		"Next":      {"The most frequent.", map[string]string{"package.json": `{"dependencies":{"next":"^15.1.0"}}`, "Dockerfile": ""}, config.NextJS, "Found package.json with next 15"},
		"NextDev":   {"Some have it there; a tag is no version.", map[string]string{"package.json": `{"devDependencies":{"next":"latest"}}`}, config.NextJS, "Found package.json with next"},
		"Rails":     {"A gem.", map[string]string{"Gemfile": "source 'x'\ngem \"rails\", '~> 8'\n", "Dockerfile": ""}, config.Rails, "Found a Gemfile with rails"},
		"NotRails":  {"rails-i18n is another gem.", map[string]string{"Gemfile": "gem 'rails-i18n'\n", "Dockerfile": ""}, config.Docker, "Found Dockerfile"},
		"Go":        {"A module.", map[string]string{"go.mod": "module x\n", "Dockerfile": ""}, config.Go, "Found go.mod"},
		"Docker":    {"Anything with an image.", map[string]string{"package.json": `{}`, "Dockerfile": "", "index.html": ""}, config.Docker, "Found Dockerfile"},
		"Static":    {"Files only.", map[string]string{"index.html": ""}, config.Static, "Found index.html"},
		"Directory": {"A directory is no file.", map[string]string{"go.mod/x": ""}, "", ""},
		"Nothing":   {"No guess.", nil, "", ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for file, content := range tc.files {
				write(t, dir, file, content)
			}
			got, evidence, err := config.DetectFramework(dir)
			if got != tc.want || evidence != tc.evidence || (tc.want == "") != errors.Is(err, config.ErrNotDetected) {
				t.Errorf("%s\n%q %q %v", tc.reason, got, evidence, err)
			}
		})
	}
}

func TestDetectFrameworkBroken(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "package.json", "{")
	if _, _, err := config.DetectFramework(dir); err == nil || errors.Is(err, config.ErrNotDetected) {
		t.Errorf("a broken package.json: %v", err)
	}
}

func TestDetectMigrationEngine(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason   string
		files    map[string]string
		path     string
		want     v1alpha1.MigrationEngine
		evidence string
	}{
		"Prisma": {"Its schema.", map[string]string{"prisma/schema.prisma": "", "migrations/1.sql": ""}, "", v1alpha1.EnginePrisma, "Found prisma/schema.prisma"},
		"Knex":   {"Its file.", map[string]string{"knexfile.cjs": ""}, "", v1alpha1.EngineKnex, "Found knexfile.cjs"},
		"Rails":  {"Both files.", map[string]string{"config/database.yml": "", "Gemfile": "gem 'rails'\n"}, "", v1alpha1.EngineRails, "Found config/database.yml and a Gemfile with rails"},
		"Goose":  {"Its marker, at another path.", map[string]string{"db/[x]/1.sql": "-- +goose Up\n"}, "./db/[x]", v1alpha1.EngineGoose, "Found `-- +goose Up` in 1.sql"},
		"Raw":    {"SQL without a marker.", map[string]string{"migrations/1.sql": "select 1"}, "", v1alpha1.EngineRaw, "Found plain SQL files in migrations"},
		"None":   {"Nothing yet.", nil, "", v1alpha1.EngineRaw, "Found no migration tool: plain SQL files"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for file, content := range tc.files {
				write(t, dir, file, content)
			}
			got, evidence, err := config.DetectMigrationEngine(dir, tc.path)
			if err != nil || got != tc.want || evidence != tc.evidence {
				t.Errorf("%s\n%q %q %v", tc.reason, got, evidence, err)
			}
		})
	}
}
