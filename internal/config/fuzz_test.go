package config_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plattr.dev/plattr/internal/config"
	"plattr.dev/plattr/internal/config/names"
)

func seeds(f *testing.F) {
	f.Helper()
	for _, c := range problemCases() {
		f.Add([]byte(c.in))
	}
	for _, in := range validFiles() {
		f.Add([]byte(in))
	}
	f.Add([]byte("\ufeffname: x\r\nenv: {A: 'b\u2028c'}\r"))
}

func FuzzParse(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		app, err := config.Parse("f", raw)
		if err != nil {
			checkProblems(t, raw, err)
			return
		}
		out, err := app.YAML()
		if err != nil {
			t.Fatal(err)
		}
		again, err := config.Parse("again", out)
		if err != nil {
			t.Fatalf("what was printed is refused: %v\n%s", err, out)
		}
		if diff := cmp.Diff(app, again); diff != "" {
			t.Errorf("what was printed differs\n%s", diff)
		}
		for _, env := range names.Environments() {
			if _, err := app.For(env); err != nil {
				t.Error(err)
			}
		}
	})
}

// checkProblems holds that every problem is one line about a place in the file.
func checkProblems(t *testing.T, raw []byte, err error) {
	t.Helper()
	var problems *config.Error
	if !errors.As(err, &problems) || len(problems.Problems) == 0 {
		t.Fatalf("error %T: %v", err, err)
	}
	// YAML ends lines at more characters than editors do.
	lines := 1 + strings.Count(strings.NewReplacer("\r\n", "\n", "\r", "\n", "\u0085", "\n", "\u2028", "\n", "\u2029", "\n").
		Replace(string(raw)), "\n")
	last := 0
	for _, p := range problems.Problems {
		if p.Line < 1 || p.Line > lines || p.Column < 1 || p.Column > len(raw)+1 || p.Line < last {
			t.Errorf("%s is not in order or not in a file of %d lines", p, lines)
		}
		last = p.Line
		if strings.ContainsAny(p.String(), "\n\r\x1b\x00") {
			t.Errorf("%q would break the terminal", p)
		}
	}
}

func FuzzEdit(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		const appends = 0
		for i, c := range []config.Change{
			config.Append("storage.buckets", map[string]any{"name": "n"}),
			config.Set("database.rest.anonAccess", "read"), config.Set("name", "x: #y"), config.Set("env.A", "'"),
		} {
			out, err := config.Edit(raw, c)
			if err != nil {
				continue
			}
			removed := replaced(string(raw), string(out))
			if i == appends && removed != "" {
				t.Errorf("an addition removed %q from\n%s", removed, raw)
			}
			if strings.Contains(removed, "\n") && !strings.ContainsAny(removed, "'\"[{") {
				t.Errorf("more than a value was replaced: %q", removed)
			}
		}
	})
}

// replaced returns what of a text is not in its edited form, which shares its
// beginning and its end.
func replaced(before, after string) string {
	limit := min(len(before), len(after))
	prefix := 0
	for prefix < limit && before[prefix] == after[prefix] {
		prefix++
	}
	suffix := 0
	for suffix < limit-prefix && before[len(before)-1-suffix] == after[len(after)-1-suffix] {
		suffix++
	}
	return before[prefix : len(before)-suffix]
}
