package envfile

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func nasty() []Var {
	return []Var{
		{"PLAIN", "postgres://a:b@127.0.0.1:5432/x?sslmode=disable"},
		{"EMPTY", ""},
		{"SPACES", "  a b  "},
		{"DOLLAR", "$HOME ${HOME} $(id) `id` \\$x"},
		{"DOUBLE", `say "hello"`},
		{"BACKSLASH", `a\b\n`},
		{"HASH", "a #b"},
		{"NEWLINES", "one\ntwo\n\nfour"},
		{"SINGLE", "it's"},
		{"SINGLE_ALL", "it's $HOME `id` \\ \"x\" \n end"},
		{"UNICODE", "żółć 🙂"},
		{"BANG", "a!b"},
	}
}

// viaShell sources the file in a shell and prints the variables that it exports.
func viaShell(t *testing.T, shell, path string, vars []Var) []Var {
	t.Helper()
	script := `. "$1"; shift; for n in "$@"; do eval "printf '%s\0' \"\${$n}\""; done; env >/dev/null`
	args := []string{"-c", script, "sh", path}
	for _, v := range vars {
		args = append(args, v.Name)
	}
	out, err := exec.Command(shell, args...).Output() // a test's script
	if err != nil {
		t.Fatalf("%s: %v", shell, err)
	}
	var got []Var
	for i, value := range bytes.Split(bytes.TrimSuffix(out, []byte{0}), []byte{0}) {
		got = append(got, Var{vars[i].Name, string(value)})
	}
	return got
}

func TestShellsAndParseReadTheSame(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), Dir, "shop.env")
	if err := Write(path, nasty()); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; want 0600", info.Mode(), err)
	}
	got, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(nasty(), got); diff != "" {
		t.Errorf("Read() (-want +got):\n%s", diff)
	}
	for _, shell := range []string{"sh", "bash"} {
		if _, err := exec.LookPath(shell); err != nil {
			continue // bash is not everywhere, sh is
		}
		if diff := cmp.Diff(nasty(), viaShell(t, shell, path, nasty())); diff != "" {
			t.Errorf("%s (-want +got):\n%s", shell, diff)
		}
	}
}

// TestNodeReadsTheSame uses the dotenv parser that Node brings along. Values with both quotes have no spelling that
// it and sh both read.
func TestNodeReadsTheSame(t *testing.T) {
	t.Parallel()
	const script = `const u=require('util'),f=require('fs');process.stdout.write(u.parseEnv ? JSON.stringify(u.parseEnv(f.readFileSync(process.argv[1],'utf8'))) : '')`
	path := filepath.Join(t.TempDir(), "x.env")
	var want []Var
	for _, v := range nasty() {
		if v.Name != "SINGLE_ALL" {
			want = append(want, v)
		}
	}
	if err := Write(path, want); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("node", "-e", script, path).Output()
	if err != nil || len(out) == 0 {
		t.Log("no Node with util.parseEnv here: not compared")
		return
	}
	for _, v := range want {
		quoted, err := exec.Command("node", "-e", `process.stdout.write(JSON.parse(process.argv[1])[process.argv[2]])`, string(out), v.Name).Output() // a test's script
		if err != nil || string(quoted) != v.Value {
			t.Errorf("Node reads %s as %q, want %q (%v)", v.Name, quoted, v.Value, err)
		}
	}
}

func TestExportReachesChildren(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "x.env")
	if err := Write(path, []Var{{"PLATTR_TEST_CHILD", "yes"}}); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("sh", "-c", `. "$1"; sh -c 'echo $PLATTR_TEST_CHILD'`, "sh", path).Output() // a test's script
	if err != nil || strings.TrimSpace(string(out)) != "yes" {
		t.Errorf("a child sees %q, %v", out, err)
	}
}

func TestFormatRefuses(t *testing.T) {
	t.Parallel()
	for _, v := range []Var{{"", "x"}, {"1A", "x"}, {"A-B", "x"}, {"A=B", "x"}, {"A;rm", "x"}, {"É", "x"}, {"A", "a\x00b"}} {
		if _, err := Format([]Var{v}); err == nil {
			t.Errorf("Format(%q) gave no error", v)
		}
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		text   string
		want   []Var
		err    string
	}{
		"ByHand":     {"what people write", "# c\nA=1\n\nexport B=two # c\r\n  C = \n", nil, "5: \"C \" is not"},
		"Unquoted":   {"no quotes, a comment, CRLF", "A=1\r\nexport B=two # c\nC=\n", []Var{{"A", "1"}, {"B", "two"}, {"C", ""}}, ""},
		"Twice":      {"the last one counts", "A=1\nA=2\n", []Var{{"A", "2"}}, ""},
		"Pasted":     {"parts behind one another, as in sh", `A='a'"b"c`, []Var{{"A", "abc"}}, ""},
		"OpenSingle": {"a quote without an end", "A=1\nB='x\n", nil, "2: variable B: the quote ' has no end"},
		"OpenDouble": {"a quote without an end", `A="x`, nil, `1: variable A: the quote " has no end`},
		"Spaces":     {"sh would run b", "A=a b\n", nil, "needs quotes"},
		"NoValue":    {"a word is no assignment", "A\n", nil, "want NAME=VALUE"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := Parse(tc.text)
			if (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
				t.Fatalf("Parse() error = %v, want %q: %s", err, tc.err, tc.reason)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestChangeAndRemove(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := SetPath(dir, "shop")
	err := errors.Join(
		Change(path, []Var{{"A", "1"}, {"B", "2"}}, nil),
		Change(path, []Var{{"A", "3"}, {"C", "4"}}, []string{"B", "NONE"}),
	)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Var{{"A", "3"}, {"C", "4"}}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if err := errors.Join(Write(Path(dir, "shop"), nil), Remove(dir, "shop"), Remove(dir, "shop")); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(Path(dir, "shop")); !os.IsNotExist(err) {
		t.Errorf("the file is still there: %v", err)
	}
	if got, err := Read(path); err != nil || len(got) != 2 {
		t.Errorf("what a person set is %v, %v", got, err)
	}
	if err := errors.Join(os.Remove(path), Remove(dir, "shop")); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, Dir)); !os.IsNotExist(err) {
		t.Errorf("the folder is still there: %v", err)
	}
}

func TestWriteError(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	err := Write(filepath.Join(file, "x.env"), nil)
	var w *WriteError
	if !errors.As(err, &w) || w.Hint() == "" {
		t.Errorf("Write() = %v, want *WriteError with a next step", err)
	}
}

// FuzzRoundTrip holds that what is written is read.
func FuzzRoundTrip(f *testing.F) {
	for _, v := range nasty() {
		f.Add(v.Value)
	}
	f.Fuzz(func(t *testing.T, value string) {
		want := []Var{{"A", value}, {"B", "after"}}
		raw, err := Format(want)
		if err != nil {
			return
		}
		got, err := Parse(string(raw))
		if err != nil {
			t.Fatalf("Parse: %v", err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}
