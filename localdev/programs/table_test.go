package programs

import (
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

func here() Platform { return Platform{runtime.GOOS, runtime.GOARCH} }

func cacheAt(dir string) cache { return cache{filepath.Join(dir, "programs")} }

func matches(pattern, s string) bool { return regexp.MustCompile(pattern).MatchString(s) }

// writeTool makes a program that answers --version with version, or with nothing if it is "x".
func writeTool(t *testing.T, dir, version string) string {
	t.Helper()
	if err := os.MkdirAll(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(dir, "plattr-test-tool")
	// A child of another test that is forked meanwhile would have the file open for writing, and nobody could run it ("text
	// file busy").
	syscall.ForkLock.RLock()
	err := os.WriteFile(bin, []byte(script(version)), 0o700) // a program
	syscall.ForkLock.RUnlock()
	if err != nil {
		t.Fatal(err)
	}
	return bin
}

// TestTable holds what the rest relies on for every program that is or will be in the table.
func TestTable(t *testing.T) {
	t.Parallel()
	for _, e := range Table() {
		if e.Title == "" || e.Install == "" || e.Setting == "" || len(e.Executables) == 0 || e.Major == 0 {
			t.Errorf("%s: something is empty", e.Name)
		}
		if majorOf(e.Version) < e.Major {
			t.Errorf("%s: the packages hold %s, older than the major version %d", e.Name, e.Version, e.Major)
		}
		for _, b := range e.Builds {
			for _, s := range b.Sources {
				checkSource(t, e, s)
			}
		}
		for _, part := range e.Parts {
			for _, s := range part.Sources {
				s.Bin = part.To
				checkSource(t, e, s)
			}
		}
	}
	for _, name := range []string{"postgresql", "postgrest"} {
		e, _ := lookup(Table(), name)
		for _, p := range []Platform{linux("amd64"), linux("arm64"), darwin("amd64"), darwin("arm64")} {
			if len(e.sources(p)) == 0 {
				t.Errorf("%s has no source for %s", name, p)
			}
		}
	}
}

func checkSource(t *testing.T, e Entry, s Source) {
	t.Helper()
	if s.SHA256 != "" && !matches(`^[0-9a-f]{64}$`, s.SHA256) {
		t.Errorf("%s: %q is no SHA-256", s.Coordinate, s.SHA256)
	}
	if s.Client != HTTPS && s.SHA256 == "" {
		t.Errorf("%s: a package of a registry is pinned by its digest", s.Coordinate)
	}
	if s.Client == HTTPS && !strings.HasPrefix(s.Coordinate, "https://") {
		t.Errorf("%s: not https", s.Coordinate)
	}
	if s.Bin == "" || !filepath.IsLocal(s.Bin) {
		t.Errorf("%s of %s: %q is no folder in the package", s.Coordinate, e.Name, s.Bin)
	}
}

func TestCacheDir(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		env    map[string]string
		root   bool
		want   string
	}{
		"Setting": {"the setting comes first", map[string]string{"PLATTR_CACHE_DIR": "/s", "HOME": "/h"}, true, "/s"},
		"Root":    {"the services' user may not enter root's home", map[string]string{"HOME": "/root"}, true, "/var/cache/plattr"},
		"XDG":     {"where people keep caches", map[string]string{"XDG_CACHE_HOME": "/x", "HOME": "/h"}, false, "/x/plattr"},
		"Home":    {"else below home", map[string]string{"HOME": "/h"}, false, "/h/.cache/plattr"},
		"Nothing": {"without a home there is no place", nil, false, ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := cacheDir(func(k string) string { return tc.env[k] }, tc.root)
			if got != tc.want || (err != nil) != (tc.want == "") {
				t.Errorf("cacheDir() = %q, %v, want %q: %s", got, err, tc.want, tc.reason)
			}
			if err != nil && !strings.Contains(err.Error(), "HOME") {
				t.Errorf("the error %v does not name HOME", err)
			}
		})
	}
}

func TestCause(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"\x1b[0m\x1b[0m[ERROR] no such artifact -> [Help 1]\n[ERROR] more\n": ": no such artifact -> [Help 1]",
		"npm error code E404\nnpm error 404 No match found\n":                ": npm error 404 No match found",
		"ERROR: No matching distribution\n":                                  ": ERROR: No matching distribution",
		"":                                                                   "",
	} {
		if got := cause(text); got != want {
			t.Errorf("cause(%q) = %q, want %q", text, got, want)
		}
	}
}
