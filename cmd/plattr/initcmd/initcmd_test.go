package initcmd

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plattr.dev/plattr/internal/cli"
	"plattr.dev/plattr/internal/config"
)

// person is a session with somebody at a terminal who cannot see it redrawn:
// the form then asks line by line.
func person(dir, answers string) (*cli.Session, func() string) {
	streams, out, _ := cli.Test(answers)
	streams.In = &lines{rest: answers}
	streams.InTerminal, streams.ErrTerminal = true, true
	s := cli.NewSession(streams)
	s.App = dir
	return s, out.String
}

// lines gives one line for each read, as a terminal does: each question reads
// for itself.
type lines struct{ rest string }

func (l *lines) Read(p []byte) (int, error) {
	if l.rest == "" {
		return 0, io.EOF
	}
	n := copy(p, l.rest[:strings.Index(l.rest, "\n")+1])
	l.rest = l.rest[n:]
	return n, nil
}

func initialise(t *testing.T, s *cli.Session, args ...string) error {
	t.Helper()
	cmd, dir := New(s), s.App
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	s.AddFlags(cmd.Flags())
	cmd.SetArgs(append([]string{"--app", dir}, args...))
	return cmd.ExecuteContext(t.Context())
}

func content(t *testing.T, dir, name string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// TestForm answers the questions: name, framework, services, buckets.
func TestForm(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, out := person(dir, "board\n4\n1\n2\n0\nuploads,photos\n")
	if err := initialise(t, s); err != nil {
		t.Fatal(err)
	}
	app, err := config.Load(filepath.Join(dir, config.FileName))
	if err != nil {
		t.Fatal(err)
	}
	want := config.Options{
		Name: "board", Framework: config.Docker, Database: true, Storage: true, Buckets: []string{"uploads", "photos"},
	}
	if diff := cmp.Diff(want, config.OptionsOf(app)); diff != "" {
		t.Errorf("the file says something else than the answers (-want +got):\n%s", diff)
	}
	if !strings.Contains(out(), "Next: plattr dev") {
		t.Errorf("no next step in %q", out())
	}
}

// TestChangeAsks shows the change of a file that is there, and leaves it when
// the answer is no.
func TestChangeAsks(t *testing.T) {
	t.Parallel()
	before := "name: board # ours\nframework: go\n"
	for answer, want := range map[string]error{"n\n": cli.ErrDeclined, "y\n": nil} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, config.FileName), []byte(before), 0o600); err != nil {
			t.Fatal(err)
		}
		s, _ := person(dir, answer)
		o := &options{Session: s, flags: flags{redis: true, changed: func(name string) bool { return name == "redis" }}}
		wanted, evidence, err := o.start(filepath.Join(dir, config.FileName), []byte(before))
		if err != nil || evidence != "" {
			t.Fatalf("start: %v, evidence %q of a framework that the file names", err, evidence)
		}
		if err := o.write(t.Context(), filepath.Join(dir, config.FileName), []byte(before), wanted, ""); !errors.Is(err, want) {
			t.Errorf("after %q: %v, want %v", answer, err, want)
		}
		changed := content(t, dir, config.FileName) != before
		if changed != (want == nil) {
			t.Errorf("after %q the file is changed: %v", answer, changed)
		}
	}
}

// TestReplace keeps a file's mode and follows a link, and leaves nothing beside
// it.
func TestReplace(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	target, link := filepath.Join(dir, "target"), filepath.Join(dir, "link")
	if err := errors.Join(os.WriteFile(target, []byte("old"), 0o600), os.Symlink(target, link)); err != nil {
		t.Fatal(err)
	}
	if err := replace(link, []byte("new")); err != nil {
		t.Fatal(err)
	}
	info, err := os.Lstat(link)
	if err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link was replaced: %v, %v", info, err)
	}
	if info, err = os.Stat(target); err != nil || info.Mode().Perm() != 0o600 || content(t, dir, "target") != "new" {
		t.Errorf("the target has mode %v and content %q", info.Mode(), content(t, dir, "target"))
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 2 {
		t.Errorf("something was left beside the files: %v, %v", entries, err)
	}
}

func TestNameFrom(t *testing.T) {
	t.Parallel()
	cases := map[string]string{
		"shop": "shop", "My Shop": "my-shop", "2024_board": "board", "a--b__c": "a-b-c", "Größe": "gr-e", "...": "", "x.": "x",
	}
	for dir, want := range cases {
		if got := nameFrom(dir); got != want {
			t.Errorf("nameFrom(%q) = %q, want %q", dir, got, want)
		}
	}
}

// FuzzNameFrom holds what is suggested to the rule's characters, for every
// directory.
func FuzzNameFrom(f *testing.F) {
	f.Add("My Shop--2")
	f.Fuzz(func(t *testing.T, dir string) {
		name := nameFrom(dir)
		if strings.Contains(name, "--") || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" ||
			name != "" && (name[0] < 'a' || name[0] > 'z' || name[len(name)-1] == '-') {
			t.Errorf("nameFrom(%q) = %q", dir, name)
		}
	})
}
