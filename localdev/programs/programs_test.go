package programs

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// archive makes a .tar.gz of the entries; a name that ends in / is a folder, a value that begins with -> a link.
func archive(t *testing.T, entries ...[2]string) []byte {
	t.Helper()
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	w := tar.NewWriter(z)
	for _, e := range entries {
		h := &tar.Header{Name: e[0], Mode: 0o755, Size: int64(len(e[1])), Typeflag: tar.TypeReg}
		if target, ok := strings.CutPrefix(e[1], "->"); ok {
			h.Typeflag, h.Linkname, h.Size = tar.TypeSymlink, target, 0
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			if _, err := w.Write([]byte(e[1])); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func script(version string) string { return "#!/bin/sh\necho tool " + version + "\n" }

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

// site serves one file over TLS and counts what was asked.
type site struct {
	*httptest.Server
	body     atomic.Pointer[[]byte]
	requests atomic.Int32
	ranges   atomic.Int32
	cutAfter atomic.Int32 // ends the next answer after so many bytes
}

func newSite(t *testing.T, body []byte) *site {
	t.Helper()
	s := &site{}
	s.body.Store(&body)
	s.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.requests.Add(1)
		if r.Header.Get("Range") != "" {
			s.ranges.Add(1)
		}
		b := *s.body.Load()
		w.Header().Set("ETag", `"`+sum(b)[:16]+`"`)
		if n := s.cutAfter.Swap(0); n > 0 {
			w.Header().Set("Content-Length", fmt.Sprint(len(b)))
			_, _ = w.Write(b[:n])
			_ = http.NewResponseController(w).Flush()
			time.Sleep(20 * time.Millisecond) // the client has the bytes before the connection breaks
			panic(http.ErrAbortHandler)
		}
		http.ServeContent(w, r, "tool.tar.gz", time.Time{}, bytes.NewReader(b))
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *site) table(pin string) []Entry {
	return []Entry{{
		Name: "tool", Title: "Tool", Version: "12.1", Major: 12, Setting: "PLATTR_TOOL",
		Executables: []string{"plattr-test-tool"}, Install: "install tool 12",
		Builds: []Build{{
			Platforms: []Platform{linux("amd64"), linux("arm64"), darwin("amd64"), darwin("arm64")},
			Sources:   []Source{{Client: HTTPS, Coordinate: s.URL + "/tool.tar.gz", SHA256: pin, Bin: "tool/bin"}},
		}},
	}}
}

func find(t *testing.T, s *site, table []Entry, cache string, opts ...Option) (Program, error) {
	t.Helper()
	none := func(string) string { return "" }
	base := []Option{WithTable(table), WithCache(cache), WithHTTPClient(s.Client()), WithEnv(none)}
	return Find(t.Context(), "tool", append(base, opts...)...)
}

func good(t *testing.T) []byte {
	return archive(t, [2]string{"tool/bin/plattr-test-tool", script("12.1")}, [2]string{"tool/lib/x", "data"}, [2]string{"tool/lib/y", "->x"})
}

func TestFindDownloadsOnceAndChecksTheCache(t *testing.T) {
	t.Parallel()
	body := good(t)
	s := newSite(t, body)
	cache := t.TempDir()
	var seen []Progress
	p, err := find(t, s, s.table(sum(body)), cache, WithProgress(func(p Progress) { seen = append(seen, p) }))
	if err != nil {
		t.Fatal(err)
	}
	if p.Version != "12.1" || p.Path("plattr-test-tool") != p.Bin || !isExecutable(p.Bin) {
		t.Errorf("Find() = %+v", p)
	}
	if last := seen[len(seen)-1]; last.Phase != Unpacking {
		t.Errorf("the last progress is %+v", last)
	}
	if end := seen[len(seen)-2]; end.Done != int64(len(body)) || end.Total != int64(len(body)) {
		t.Errorf("the download's last progress is %+v, want %d bytes", end, len(body))
	}
	if _, err := find(t, s, s.table(sum(body)), cache); err != nil || s.requests.Load() != 1 {
		t.Errorf("second Find: %v after %d requests, want the cache to answer", err, s.requests.Load())
	}

	broken := filepath.Join(p.Dir, "../lib/x")
	if err := os.WriteFile(broken, []byte("dat"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := find(t, s, s.table(sum(body)), cache); err != nil || s.requests.Load() != 2 {
		t.Errorf("Find with a broken cache: %v after %d requests, want a new download", err, s.requests.Load())
	}
	if raw, err := os.ReadFile(broken); err != nil || string(raw) != "data" {
		t.Errorf("the broken file holds %q, %v", raw, err)
	}
	left, err := filepath.Glob(filepath.Join(cache, "programs", "*.new"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestFindContinuesADownload(t *testing.T) {
	t.Parallel()
	body := good(t)
	s := newSite(t, body)
	cache := t.TempDir()
	s.cutAfter.Store(100)
	if _, err := find(t, s, s.table(sum(body)), cache); err == nil {
		t.Fatal("a download that broke off is taken for a whole one")
	}
	if _, err := find(t, s, s.table(sum(body)), cache); err != nil {
		t.Fatal(err)
	}
	if s.ranges.Load() != 1 {
		t.Errorf("%d requests asked for the rest, want 1", s.ranges.Load())
	}
}

func TestFindBeginsAnewWhenTheFileChanged(t *testing.T) {
	t.Parallel()
	s := newSite(t, good(t))
	cache := t.TempDir()
	s.cutAfter.Store(100)
	if _, err := find(t, s, s.table(""), cache); err == nil {
		t.Fatal("a download that broke off is taken for a whole one")
	}
	other := archive(t, [2]string{"tool/bin/plattr-test-tool", script("12.9")})
	s.body.Store(&other)
	p, err := find(t, s, s.table(""), cache)
	if err != nil {
		t.Fatal(err)
	}
	if raw, err := os.ReadFile(p.Bin); err != nil || !strings.Contains(string(raw), "12.9") {
		t.Errorf("the tree holds %q, %v", raw, err)
	}
}

func TestFindRefusesAChange(t *testing.T) {
	t.Parallel()
	body := good(t)
	cases := map[string]struct {
		reason string
		pin    string
	}{
		"Pinned":   {"a file with another digest than the table's is never used", strings.Repeat("0", 64)},
		"Recorded": {"where no source states a digest, the first one holds", ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, body)
			cache := t.TempDir()
			if tc.pin == "" {
				if _, err := find(t, s, s.table(""), cache); err != nil {
					t.Fatal(err)
				}
				other := archive(t, [2]string{"tool/bin/plattr-test-tool", script("12.6")})
				s.body.Store(&other)
				if err := os.RemoveAll(filepath.Join(cache, "programs", treeName(s.table("")[0], here()))); err != nil {
					t.Fatal(err)
				}
			}
			_, err := find(t, s, s.table(tc.pin), cache)
			var changed *ChangedError
			if !errors.As(err, &changed) || changed.Hint() == "" {
				t.Fatalf("Find() = %v, want *ChangedError: %s", err, tc.reason)
			}
			if _, ok := (cacheAt(cache)).load(s.table(tc.pin)[0], here()); ok {
				t.Error("the changed file is in the cache")
			}
		})
	}
}

func TestFindTwiceAtOnce(t *testing.T) {
	t.Parallel()
	body := good(t)
	s := newSite(t, body)
	cache := t.TempDir()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := find(t, s, s.table(sum(body)), cache); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := s.requests.Load(); n != 1 {
		t.Errorf("%d downloads, want 1", n)
	}
}

func TestFindAfterAKill(t *testing.T) {
	t.Parallel()
	body := good(t)
	s := newSite(t, body)
	c := cacheAt(t.TempDir())
	e := s.table(sum(body))[0]
	half := filepath.Join(c.incoming(e, here()), "tree", "tool", "bin")
	if err := os.MkdirAll(half, 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(half, "plattr-test-tool"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(c.tree(e, here()), 0o750); err != nil { // a tree without a manifest
		t.Fatal(err)
	}
	p, err := find(t, s, s.table(sum(body)), filepath.Dir(c.dir))
	if err != nil {
		t.Fatal(err)
	}
	if raw, err := os.ReadFile(p.Bin); err != nil || string(raw) != script("12.1") {
		t.Errorf("the program is %q, %v", raw, err)
	}
}

func TestFindOnTheMachine(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason  string
		path    string // version on PATH
		setting string // version of the program that the setting names
		want    string
		err     string
	}{
		"Setting":        {"the setting comes first", "12.0", "12.5", "12.5", ""},
		"NewerSetting":   {"a setting may name a later version", "", "13.0", "13.0", ""},
		"OlderSetting":   {"an older one is named and refused", "", "11.0", "", "PLATTR_TOOL=.*version 11.0, plattr needs 12"},
		"SilentSetting":  {"a program without a version is not the one", "", "x", "", "says no version"},
		"Path":           {"PATH if the major version fits", "12.7", "", "12.7", ""},
		"OtherPath":      {"else the next source", "11.2", "", "12.1", ""},
		"MissingSetting": {"a setting that names nothing is an error", "", "missing", "", "PLATTR_TOOL=.*no such file"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body := good(t)
			s := newSite(t, body)
			dir := t.TempDir()
			opts := []Option{func(f *finder) { f.lookPath = func(string) (string, error) { return "", os.ErrNotExist } }}
			if tc.path != "" {
				bin := writeTool(t, filepath.Join(dir, "path"), tc.path)
				opts = append(opts, func(f *finder) { f.lookPath = func(string) (string, error) { return bin, nil } })
			}
			if tc.setting != "" {
				root := filepath.Join(dir, "set")
				if tc.setting != "missing" {
					writeTool(t, filepath.Join(root, "bin"), tc.setting)
				}
				opts = append(opts, WithEnv(func(string) string { return root }))
			}
			p, err := find(t, s, s.table(sum(body)), filepath.Join(dir, "cache"), opts...)
			if p.Version != tc.want {
				t.Errorf("Find() = %q, %v, want %q: %s", p.Version, err, tc.want, tc.reason)
			}
			if (tc.err == "") != (err == nil) || err != nil && !matches(tc.err, err.Error()) {
				t.Errorf("Find() error = %v, want %q: %s", err, tc.err, tc.reason)
			}
		})
	}
}

func TestFindNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	table := s.table("")
	s.Close()
	_, err := find(t, s, table, t.TempDir())
	var missing *NotFoundError
	if !errors.As(err, &missing) {
		t.Fatalf("Find() = %v, want *NotFoundError", err)
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("the error has more than one line: %s", err)
	}
	if diff := cmp.Diff("install tool 12, or set PLATTR_TOOL to one that you have", missing.Hint()); diff != "" {
		t.Error(diff)
	}
}

func TestFindRefusesAnUnsafeCache(t *testing.T) {
	t.Parallel()
	s := newSite(t, good(t))
	dir := filepath.Join(t.TempDir(), "cache")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o777); err != nil { // the unsafe mode under test
		t.Fatal(err)
	}
	_, err := find(t, s, s.table(""), dir)
	var unsafe *UnsafeError
	if !errors.As(err, &unsafe) {
		t.Fatalf("Find() = %v, want *UnsafeError", err)
	}
}

func TestFindEndsWithItsContext(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	s := &site{Server: httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))}
	t.Cleanup(s.Close)
	t.Cleanup(func() { close(release) })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := Find(ctx, "tool", WithTable(s.table("")), WithCache(t.TempDir()), WithHTTPClient(s.Client()), WithEnv(func(string) string { return "" }))
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Find() = %v, want the context's error", err)
	}
}
