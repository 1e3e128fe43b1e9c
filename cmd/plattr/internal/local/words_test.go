package local

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plattr.dev/plattr/internal/engine"
)

func TestExplain(t *testing.T) {
	t.Parallel()
	role := func(name, cause string) error {
		return &engine.ResourceError{Type: "postgresql:index/role:Role", Name: name, Operation: engine.Create, Cause: errors.New(cause)}
	}
	cases := map[string]struct {
		err  error
		want []string
	}{
		"Other": {errors.New("no disk"), nil},
		"Each": {
			errors.Join(role("a", "create role a: permission denied"), role("b", "create role b: permission denied")),
			[]string{"could not create role a: create role a: permission denied", "could not create role b: create role b: permission denied"},
		},
		"OneReason": {
			errors.Join(role("a", "create role a: connect to db: refused"), role("b", "create role b: connect to db: refused")),
			[]string{"could not create role a: create role a: connect to db: refused", "nor, for the same reason, role b"},
		},
		"Many": {
			errors.Join(role("a", "refused"), role("b", "refused"), role("c", "refused"), role("d", "refused"), role("e", "refused"), role("f", "other")),
			[]string{"could not create role a: refused", "could not create role f: other", "nor, for the same reason, role b, role c, role d and 1 more"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.want, Explain(tc.err)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
