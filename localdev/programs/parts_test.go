package programs

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestFindAddsTheParts holds that a further file comes from the first source that has it, checked as the package is, and
// that a program that was cached without it is made anew.
func TestFindAddsTheParts(t *testing.T) {
	t.Parallel()
	body, library := good(t), []byte("a library")
	s, other := newSite(t, body), newSite(t, library)
	cache := t.TempDir()
	if _, err := find(t, s, s.table(sum(body)), cache); err != nil {
		t.Fatal(err)
	}
	table := s.table(sum(body))
	table[0].Revision = "library"
	table[0].Parts = []Part{{To: "tool/lib/z.jar", Sources: []Source{
		{Client: HTTPS, Coordinate: "https://127.0.0.1:1/z.jar", SHA256: sum(library)},
		{Client: HTTPS, Coordinate: other.URL + "/z.jar", SHA256: sum(library)},
	}}}
	p, err := find(t, s, table, cache)
	if err != nil {
		t.Fatal(err)
	}
	z := filepath.Join(filepath.Dir(p.Dir), "lib", "z.jar")
	if raw, err := os.ReadFile(z); err != nil || string(raw) != "a library" {
		t.Errorf("the part is %q, %v", raw, err)
	}
	if err := os.Remove(z); err != nil {
		t.Fatal(err)
	}
	if _, err = find(t, s, table, cache); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(z); err != nil {
		t.Error("a tree that lost its part is not made anew: ", err)
	}
}

// TestFindRefusesAChangedPart holds that no program is made with a file that is not the pinned one.
func TestFindRefusesAChangedPart(t *testing.T) {
	t.Parallel()
	body := good(t)
	s, other := newSite(t, body), newSite(t, []byte("another library"))
	table := s.table(sum(body))
	pin := sum([]byte("a library"))
	table[0].Parts = []Part{{To: "tool/lib/z.jar", Sources: []Source{
		{Client: HTTPS, Coordinate: other.URL + "/z.jar", SHA256: pin},
		{Client: HTTPS, Coordinate: other.URL + "/second/z.jar", SHA256: pin},
	}}}
	_, err := find(t, s, table, t.TempDir())
	var changed *ChangedError
	if !errors.As(err, &changed) || changed.Source != other.URL+"/z.jar" || other.requests.Load() != 1 {
		t.Errorf("Find() = %v after %d requests, want a *ChangedError of the first source", err, other.requests.Load())
	}
}
