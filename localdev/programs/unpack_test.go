package programs

import (
	"archive/zip"
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

func TestUnpackStaysInside(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason  string
		entries [][2]string
		ok      bool
	}{
		"Plain":        {"an ordinary archive", [][2]string{{"a/b", "x"}, {"a/c", "->b"}}, true},
		"Parent":       {"a name that climbs out", [][2]string{{"../evil", "x"}}, false},
		"Hidden":       {"a name that climbs out later", [][2]string{{"a/../../evil", "x"}}, false},
		"Absolute":     {"a name from the root", [][2]string{{"/tmp/evil", "x"}}, false},
		"LinkOut":      {"a link that leads out", [][2]string{{"a", "->../../etc"}}, false},
		"LinkAbsolute": {"a link to an absolute path", [][2]string{{"a", "->/etc"}}, false},
		"ThroughLink":  {"a file through a link that leads out", [][2]string{{"d", "->.."}, {"d/evil", "x"}}, false},
		"Twice":        {"a file that overwrites another", [][2]string{{"a", "x"}, {"a", "y"}}, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			outer := t.TempDir()
			file := filepath.Join(outer, "x.tar.gz")
			if err := os.WriteFile(file, archive(t, tc.entries...), 0o600); err != nil {
				t.Fatal(err)
			}
			err := unpack(file, filepath.Join(outer, "in", "side"), "")
			if (err == nil) != tc.ok {
				t.Errorf("unpack() = %v: %s", err, tc.reason)
			}
			for _, evil := range []string{filepath.Join(outer, "evil"), filepath.Join(outer, "in", "evil")} {
				if _, err := os.Lstat(evil); err == nil {
					t.Errorf("%s was written", evil)
				}
			}
		})
	}
}

// FuzzUnpack gives broken archives to the unpacker: it must return, and write nothing beside its folder.
func FuzzUnpack(f *testing.F) {
	var z bytes.Buffer
	w := zip.NewWriter(&z)
	e, err := w.Create("../x")
	if err != nil {
		f.Fatal(err)
	}
	_, _ = e.Write([]byte("x"))
	_ = w.Close()
	f.Add(z.Bytes(), true)
	f.Add([]byte("\x1f\x8b\x08"), false)
	f.Fuzz(func(t *testing.T, data []byte, isZip bool) {
		outer := t.TempDir()
		name := "a.tar.gz"
		if isZip {
			name = "a.zip"
		}
		file := filepath.Join(outer, name)
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		_ = unpack(file, filepath.Join(outer, "dir"), "")
		got, err := os.ReadDir(outer)
		if err != nil || len(got) > 2 {
			t.Errorf("%d entries beside the archive, %v", len(got), err)
		}
	})
}
