package localdev

import "testing"

func TestLastLines(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		text string
		n    int
		want string
	}{
		{"a\nb\nc\n", 2, "b\nc\n"}, {"a\nb\n", 5, "a\nb\n"}, {"a\nb\n", 0, ""}, {"a\nb\n", -1, "a\nb\n"}, {"", 3, ""},
	} {
		if got := string(lastLines([]byte(tc.text), tc.n)); got != tc.want {
			t.Errorf("the last %d lines of %q are %q, want %q", tc.n, tc.text, got, tc.want)
		}
	}
}
