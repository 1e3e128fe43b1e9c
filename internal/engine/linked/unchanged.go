package linked

import (
	"reflect"
	"slices"

	"github.com/pulumi/pulumi/pkg/v3/resource/deploy"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// unchanged says that writing a snapshot over the one that was read would change nothing but times and the order of
// resources that do not depend on each other.
func unchanged(read, snap *deploy.Snapshot) bool {
	if read == nil || len(read.Resources) != len(snap.Resources) {
		return false
	}
	old := make(map[resource.URN]*resource.State, len(read.Resources))
	for _, r := range read.Resources {
		old[r.URN] = r
	}
	if len(old) != len(snap.Resources) {
		return false // a resource and its replacement
	}
	for _, r := range snap.Resources {
		was, ok := old[r.URN]
		if !ok || (was != r && !sameState(was, r)) {
			return false
		}
	}
	return true
}

// sameState compares two states of a resource, whatever fields a state has, except for times and places in the source.
func sameState(a, b *resource.State) bool {
	if !a.Inputs.DeepEquals(b.Inputs) || !a.Outputs.DeepEquals(b.Outputs) {
		return false
	}
	x, y := reflect.ValueOf(a).Elem(), reflect.ValueOf(b).Elem()
	for i := range x.NumField() {
		switch x.Type().Field(i).Name {
		case "Lock", "Inputs", "Outputs", "Created", "Modified", "SourcePosition", "StackTrace":
			continue
		}
		f, g := x.Field(i), y.Field(i)
		if k := f.Kind(); (k == reflect.Slice || k == reflect.Map) && f.Len() == 0 && g.Len() == 0 {
			continue // none is written like nil
		}
		if !reflect.DeepEqual(ordered(f.Interface()), ordered(g.Interface())) {
			return false
		}
	}
	return true
}

// ordered returns dependencies in one order: theirs is that in which the program's goroutines came by.
func ordered(field any) any {
	switch f := field.(type) {
	case []resource.URN:
		return slices.Sorted(slices.Values(f))
	case map[resource.PropertyKey][]resource.URN:
		sorted := make(map[resource.PropertyKey][]resource.URN, len(f))
		for key, urns := range f {
			if len(urns) > 0 { // none is written like an absent one
				sorted[key] = slices.Sorted(slices.Values(urns))
			}
		}
		return sorted
	default:
		return field
	}
}
