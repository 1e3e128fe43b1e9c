package keycloak

import (
	"iter"
	"reflect"
	"strconv"
	"strings"
)

// field is an input, and where Keycloak keeps it. The inputs' structs say that by tags:
//
//	kc:"key" or kc:"group/key"   the field of the representation, or of the object attributes or config in it
//	  ,quoted                    a bool or a number that is written as a text
//	  ,seconds                   a duration that is a number of seconds
//	  ,hashes                    a list that is one text with ## between its members
//	  ,array                     a list that is JSON in a text
//	  ,kept                      left as it is when the program does not say, as the official plugin leaves what its
//	                             schema calls computed; else it is put back to empty or false
//	default:"x"                  the default of the official plugin's schema
//
// Fields without kc are the type's own business.
type field struct {
	value      reflect.Value
	input      string // its name
	group, key string
	form       string // quoted, seconds, hashes or array
	kept       bool
	preset     string // the default
	hasPreset  bool
}

// fieldsOf walks over the fields of the struct that args points to.
func fieldsOf(args any) iter.Seq[field] {
	return func(yield func(field) bool) {
		value := reflect.ValueOf(args).Elem()
		for _, f := range reflect.VisibleFields(value.Type()) {
			if f.Anonymous {
				continue
			}
			x := field{value: value.FieldByIndex(f.Index)}
			x.input, _, _ = strings.Cut(f.Tag.Get("json"), ",")
			x.preset, x.hasPreset = f.Tag.Lookup("default")
			parts := strings.Split(f.Tag.Get("kc"), ",")
			x.key = parts[0]
			if group, key, ok := strings.Cut(parts[0], "/"); ok {
				x.group, x.key = group, key
			}
			for _, option := range parts[1:] {
				if option == "kept" {
					x.kept = true
				} else {
					x.form = option
				}
			}
			if !yield(x) {
				return
			}
		}
	}
}

// fill sets what the program left out to the official plugin's defaults.
func fill(args any) {
	for f := range fieldsOf(args) {
		if !f.hasPreset || !f.value.IsZero() {
			continue
		}
		switch v := f.value.Addr().Interface().(type) {
		case *string:
			*v = f.preset
		case **bool:
			*v = new(f.preset == "true")
		case **int:
			n, _ := strconv.Atoi(f.preset)
			*v = &n
		}
	}
}

// keysIn are the keys of a group that inputs have a place for.
func keysIn(args any, group string) map[string]string {
	out := map[string]string{}
	for f := range fieldsOf(args) {
		if f.group == group {
			out[f.key] = f.input
		}
	}
	return out
}
