package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"plattr.dev/plattr/operator/api/v1alpha1"
)

// ErrNotDetected is returned where a project shows no framework that plattr
// knows.
var ErrNotDetected = errors.New("no framework found")

var (
	railsGem    = regexp.MustCompile(`(?m)^\s*gem\s*\(?\s*["']rails["']`)
	gooseMarker = regexp.MustCompile(`(?m)^\s*--\s*\+goose\s+Up`)
)

// DetectFramework looks in a project's directory for what it is built with and
// returns that and the evidence as a sentence: Found package.json with next 15.
func DetectFramework(dir string) (Framework, string, error) {
	next, err := dependency(dir, "next")
	if err != nil {
		return "", "", err
	}
	if next != "" {
		return NextJS, strings.TrimSpace("Found package.json with next " + majorVersion(next)), nil
	}
	if rails, err := usesRails(dir); err != nil || rails {
		return Rails, "Found a Gemfile with rails", err
	}
	// What says the language goes before a Dockerfile, which any of them may
	// have.
	for _, m := range []struct {
		file      string
		framework Framework
	}{
		{"go.mod", Go},
		{"Dockerfile", Docker},
		{"index.html", Static},
		{"public/index.html", Static},
	} {
		if exists(dir, m.file) {
			return m.framework, "Found " + m.file, nil
		}
	}
	return "", "", ErrNotDetected
}

// DetectMigrationEngine looks in a project's directory for the tool that
// applies its migrations, and returns it with the evidence as a sentence.
// migrations is the directory of the migrations, relative to dir; empty means
// ./migrations. Without any sign it is raw: plain SQL files.
func DetectMigrationEngine(dir, migrations string) (v1alpha1.MigrationEngine, string, error) {
	if migrations == "" {
		migrations = "migrations"
	}
	if exists(dir, "prisma/schema.prisma") {
		return v1alpha1.EnginePrisma, "Found prisma/schema.prisma", nil
	}
	for _, ext := range []string{"js", "cjs", "mjs", "ts"} {
		if exists(dir, "knexfile."+ext) {
			return v1alpha1.EngineKnex, "Found knexfile." + ext, nil
		}
	}
	if exists(dir, "config/database.yml") {
		if rails, err := usesRails(dir); err != nil || rails {
			return v1alpha1.EngineRails, "Found config/database.yml and a Gemfile with rails", err
		}
	}
	files, err := filepath.Glob(filepath.Join(escapeGlob(filepath.Join(dir, migrations)), "*.sql"))
	if err != nil {
		return "", "", fmt.Errorf("list migrations: %w", err)
	}
	for _, file := range files {
		head, err := readHead(file)
		if err != nil {
			return "", "", err
		}
		if gooseMarker.MatchString(head) {
			return v1alpha1.EngineGoose, "Found `-- +goose Up` in " + filepath.Base(file), nil
		}
	}
	if len(files) > 0 {
		return v1alpha1.EngineRaw, "Found plain SQL files in " + filepath.ToSlash(filepath.Clean(migrations)), nil
	}
	return v1alpha1.EngineRaw, "Found no migration tool: plain SQL files", nil
}

func exists(dir, name string) bool {
	info, err := os.Stat(filepath.Join(dir, filepath.FromSlash(name)))
	return err == nil && info.Mode().IsRegular()
}

// dependency returns the version of an npm package that the project asks for,
// or "".
func dependency(dir, name string) (string, error) {
	raw, err := readHead(filepath.Join(dir, "package.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	var manifest struct {
		Dependencies    map[string]string `json:"dependencies"`
		DevDependencies map[string]string `json:"devDependencies"`
	}
	if err := json.Unmarshal([]byte(raw), &manifest); err != nil {
		return "", fmt.Errorf("read package.json: %w", err)
	}
	if v, ok := manifest.Dependencies[name]; ok {
		return orAny(v), nil
	}
	if v, ok := manifest.DevDependencies[name]; ok {
		return orAny(v), nil
	}
	return "", nil
}

func orAny(version string) string {
	if version == "" {
		return "*"
	}
	return version
}

// majorVersion returns 15 for ^15.1.0 and "" for what is not a version.
func majorVersion(version string) string {
	digits := strings.TrimLeft(version, "^~>=v ")
	end := strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' })
	if end < 0 {
		return digits
	}
	return digits[:end]
}

func usesRails(dir string) (bool, error) {
	gemfile, err := readHead(filepath.Join(dir, "Gemfile"))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return railsGem.MatchString(gemfile), err
}

// readHead reads a file of the project up to the limit beyond which it is none
// that people write.
func readHead(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("look into the project: %w", err)
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, MaxFileBytes))
	if err != nil {
		return "", fmt.Errorf("look into the project: %w", err)
	}
	return string(raw), nil
}

// escapeGlob makes a directory's name stand for itself in a pattern.
func escapeGlob(s string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(s)
}
