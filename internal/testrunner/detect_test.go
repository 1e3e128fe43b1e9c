package testrunner

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// write makes a project of files; a name that ends in / is a folder.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if strings.HasSuffix(name, "/") {
			path = filepath.Join(path, "x")
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, "/") {
			continue
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestDetect(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason            string
		files             map[string]string
		framework, runner string
		want              string // the command
	}{
		"Vitest": {
			reason: "A script that watches files would never end.",
			files:  map[string]string{"package.json": `{"scripts": {"test": "vitest"}, "devDependencies": {"vitest": "3"}}`},
			want:   "npx --no-install vitest run",
		},
		"VitestConfig": {
			reason: "A workspace's dependencies are elsewhere.",
			files:  map[string]string{"package.json": `{}`, "vitest.config.ts": ""}, want: "npx --no-install vitest run",
		},
		"Jest": {files: map[string]string{"package.json": `{"dependencies": {"jest": "30"}}`}, want: "npx --no-install jest"},
		"Both": {
			reason: "Whoever has both is moving to vitest.",
			files:  map[string]string{"package.json": `{"devDependencies": {"jest": "30", "vitest": "3"}}`}, want: "npx --no-install vitest run",
		},
		"Asked": {
			files:  map[string]string{"package.json": `{"devDependencies": {"jest": "30", "vitest": "3"}}`},
			runner: "jest", want: "npx --no-install jest",
		},
		"Script":  {files: map[string]string{"package.json": `{"scripts": {"test": "node --test"}}`}, want: "npm test --"},
		"Pnpm":    {files: map[string]string{"package.json": `{"devDependencies": {"vitest": "3"}}`, "pnpm-lock.yaml": ""}, want: "pnpm exec vitest run"},
		"Yarn":    {files: map[string]string{"package.json": `{"scripts": {"test": "x"}}`, "yarn.lock": ""}, want: "yarn test"},
		"Bun":     {files: map[string]string{"package.json": `{"scripts": {"test": "x"}}`, "bun.lock": ""}, want: "bun run test"},
		"RSpec":   {files: map[string]string{"Gemfile": "source 'x'", "spec/a_spec.rb": ""}, want: "bundle exec rspec"},
		"Rails":   {files: map[string]string{"Gemfile": "source 'x'", "test/a_test.rb": "", "bin/rails": ""}, want: "bin/rails test"},
		"Rake":    {files: map[string]string{"Gemfile": "source 'x'", "test/a_test.rb": ""}, want: "bundle exec rake test"},
		"Go":      {files: map[string]string{"go.mod": "module x", "main.go": "package main"}, want: "go test"},
		"GoAbove": {reason: "A folder of a module.", files: map[string]string{"main.go": "package main"}, want: ""},
		"RailsWithNode": {
			reason: "The framework says which of two comes first.", framework: "rails",
			files: map[string]string{"Gemfile": "x", "spec/": "", "package.json": `{"scripts": {"test": "x"}}`}, want: "bundle exec rspec",
		},
		"GoWithNode": {
			framework: "go", want: "go test",
			files: map[string]string{"go.mod": "module x", "a/b.go": "package a", "package.json": `{"scripts": {"test": "x"}}`},
		},
		"NoTests": {
			reason: "What npm init writes is no test.",
			files:  map[string]string{"package.json": `{"scripts": {"test": "echo \"Error: no test specified\" && exit 1"}}`},
		},
		"Dependencies": {
			reason: "Go files of a dependency are not the project's.",
			files:  map[string]string{"go.mod": "module x", "node_modules/a/b.go": "package a"},
		},
		"Nothing": {files: map[string]string{}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := Detect(write(t, tc.files), tc.framework, Name(tc.runner))
			var missing *NotFoundError
			if tc.want == "" && !errors.As(err, &missing) || tc.want != "" && err != nil {
				t.Fatalf("error %v: %s", err, tc.reason)
			}
			if got := strings.Join(r.Command, " "); got != tc.want {
				t.Errorf("%q, want %q: %s", got, tc.want, tc.reason)
			}
			if err == nil && r.Why == "" {
				t.Error("it does not say why")
			}
		})
	}
}

func TestDetectBrokenPackage(t *testing.T) {
	t.Parallel()
	if _, err := Detect(write(t, map[string]string{"package.json": "{"}), "", ""); err == nil || !strings.Contains(err.Error(), "package.json") {
		t.Errorf("error %v does not name the file", err)
	}
}

func TestArgs(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		runner     Name
		user, want []string
	}{
		"All":     {Go, nil, []string{"./..."}},
		"Flags":   {Go, []string{"-run", "TestX", "-v"}, []string{"-run", "TestX", "-v", "./..."}},
		"Package": {Go, []string{"-v", "./sub"}, []string{"-v", "./sub"}},
		"Others":  {Vitest, []string{"a"}, []string{"a"}},
	} {
		if diff := cmp.Diff(tc.want, Runner{Name: tc.runner}.Args(tc.user)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
