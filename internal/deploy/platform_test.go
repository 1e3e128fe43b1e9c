package deploy

import (
	"reflect"
	"testing"

	"plattr.dev/plattr/internal/config/names"
)

func TestStackName(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		target names.Target
		want   string
	}{
		"Local":      {names.Target{Environment: names.Local}, "local-shop"},
		"Production": {names.Target{Environment: names.Production}, "prod-shop"},
		"Copy":       {names.Target{Environment: names.Local, Copy: "3fa2"}, "copy-shop--3fa2"},
		"Preview":    {names.Target{Environment: names.Preview, PR: 7}, "preview-shop-pr7"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := StackName("shop", tc.target); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

// TestParts holds that every kind of server has its part of the program: one that is forgotten would not be followed when it
// moves.
func TestParts(t *testing.T) {
	t.Parallel()
	var all Servers
	v := reflect.ValueOf(&all).Elem()
	for i := range v.NumField() {
		v.Field(i).SetBool(true)
	}
	if parts := all.parts(); len(parts) != v.NumField() {
		t.Errorf("%d servers have %d parts: %v", v.NumField(), len(parts), parts)
	}
}
