package testrunner

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Detect recognises how a project runs its tests. wanted restricts it to one runner; empty means any. Where a project has
// several, what belongs to its framework (nextjs, static, rails, go, docker) comes first.
func Detect(dir, framework string, wanted Name) (Runner, error) {
	p := project{dir: dir, fs: os.DirFS(dir)}
	families := []func() ([]Runner, error){p.node, p.ruby, p.golang}
	switch framework {
	case "rails":
		families = []func() ([]Runner, error){p.ruby, p.node, p.golang}
	case "go":
		families = []func() ([]Runner, error){p.golang, p.node, p.ruby}
	}
	for _, find := range families {
		found, err := find()
		if err != nil {
			return Runner{}, err
		}
		for _, r := range found {
			if wanted == "" || wanted == r.Name {
				return r, nil
			}
		}
	}
	return Runner{}, &NotFoundError{Dir: dir, Wanted: wanted}
}

type project struct {
	dir string
	fs  fs.FS
}

func (p project) has(name string) bool {
	_, err := fs.Stat(p.fs, name)
	return err == nil
}

// text is a file's content; empty where there is none.
func (p project) text(name string) (string, error) {
	raw, err := fs.ReadFile(p.fs, name)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("look for tests: %w", err)
	}
	return string(raw), nil
}

// packageJSON is what counts of a package.json.
type packageJSON struct {
	Scripts         map[string]string `json:"scripts"`
	Dependencies    map[string]string `json:"dependencies"`
	DevDependencies map[string]string `json:"devDependencies"`
}

// noTests is the script that npm init writes.
var noTests = regexp.MustCompile(`no test specified`)

// node finds vitest and jest by name, because their scripts often watch files, else the test script.
func (p project) node() ([]Runner, error) {
	text, err := p.text("package.json")
	if err != nil || text == "" {
		return nil, err
	}
	var pkg packageJSON
	if err := json.Unmarshal([]byte(text), &pkg); err != nil {
		return nil, fmt.Errorf("look for tests: package.json: %w", err)
	}
	manager := p.packageManager()
	var found []Runner
	for _, tool := range []struct {
		name  Name
		title string
		args  []string
	}{{Vitest, "Vitest", []string{"vitest", "run"}}, {Jest, "Jest", []string{"jest"}}} {
		if why := p.usesTool(pkg, string(tool.name)); why != "" {
			found = append(found, Runner{Name: tool.name, Title: tool.title, Command: append(manager.exec, tool.args...), Why: why})
		}
	}
	if script := pkg.Scripts["test"]; script != "" && !noTests.MatchString(script) {
		found = append(found, Runner{
			Name: NPM, Title: manager.name + " test", Command: manager.script, Why: "package.json has a test script",
		})
	}
	return found, nil
}

// usesTool says by what a project shows that it uses a tool; empty if it does not.
func (p project) usesTool(pkg packageJSON, tool string) string {
	if configs, _ := fs.Glob(p.fs, tool+".config.*"); len(configs) > 0 {
		return "there is " + configs[0]
	}
	for where, list := range map[string]map[string]string{"dependencies": pkg.Dependencies, "devDependencies": pkg.DevDependencies} {
		if _, ok := list[tool]; ok {
			return fmt.Sprintf("package.json has %s in %s", tool, where)
		}
	}
	return ""
}

type packageManager struct {
	name         string
	exec, script []string // run a tool of the project, run its test script
}

// packageManager is the one whose lock file the project has.
func (p project) packageManager() packageManager {
	for _, m := range []struct {
		lock string
		packageManager
	}{
		{"pnpm-lock.yaml", packageManager{"pnpm", []string{"pnpm", "exec"}, []string{"pnpm", "test"}}},
		{"yarn.lock", packageManager{"yarn", []string{"yarn", "run"}, []string{"yarn", "test"}}},
		{"bun.lock", packageManager{"bun", []string{"bunx"}, []string{"bun", "run", "test"}}},
		{"bun.lockb", packageManager{"bun", []string{"bunx"}, []string{"bun", "run", "test"}}},
	} {
		if p.has(m.lock) {
			return m.packageManager
		}
	}
	// Never download what is not there: npx would ask, or take a version that the project does not know.
	return packageManager{"npm", []string{"npx", "--no-install"}, []string{"npm", "test", "--"}}
}

// ruby finds RSpec and Minitest beside a Gemfile.
func (p project) ruby() ([]Runner, error) {
	gems, err := p.text("Gemfile")
	if err != nil || gems == "" {
		return nil, err
	}
	bundled := []string{"bundle", "exec"}
	var found []Runner
	if p.has("spec") || p.has(".rspec") {
		found = append(found, Runner{
			Name: RSpec, Title: "RSpec", Command: append(slices.Clone(bundled), "rspec"), Why: "there is a folder spec beside a Gemfile",
		})
	}
	if p.has("test") {
		command, why := append(slices.Clone(bundled), "rake", "test"), "there is a folder test beside a Gemfile"
		if p.has("bin/rails") {
			command, why = []string{"bin/rails", "test"}, "there are bin/rails and a folder test"
		}
		found = append(found, Runner{Name: Minitest, Title: "Minitest", Command: command, Why: why})
	}
	return found, nil
}

// golang finds a Go module here or above: an application may be a folder of one.
func (p project) golang() ([]Runner, error) {
	if !p.hasGoFiles() {
		return nil, nil
	}
	for dir := p.dir; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			why := "there is go.mod"
			if dir != p.dir {
				why = "there are Go files in a module"
			}
			return []Runner{{Name: Go, Title: "go test", Command: []string{"go", "test"}, Why: why}}, nil
		}
		if dir == filepath.Dir(dir) {
			return nil, nil
		}
	}
}

// hasGoFiles looks for Go files in the project's folders, not in those of dependencies.
func (p project) hasGoFiles() bool {
	found := false
	_ = fs.WalkDir(p.fs, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil || found:
			return fs.SkipAll
		case d.IsDir() && name != "." && (strings.HasPrefix(d.Name(), ".") || slices.Contains([]string{"node_modules", "vendor", "testdata"}, d.Name())):
			return fs.SkipDir
		case !d.IsDir() && path.Ext(name) == ".go":
			found = true
		}
		return nil
	})
	return found
}

// Args are the arguments of a run: those of the user, or the runner's own where it needs some to run all tests.
func (r Runner) Args(user []string) []string {
	if r.Name == Go && !slices.ContainsFunc(user, isPackage) {
		return append(slices.Clone(user), "./...")
	}
	return user
}

// isPackage tells an argument of go test that names a package from a flag or its value.
func isPackage(arg string) bool { return strings.HasPrefix(arg, ".") || strings.HasSuffix(arg, "...") }
