package keycloak

import (
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"plattr.dev/plattr/internal/providers/keycloak/admin"
)

// nullable is the object within representations in which a key goes by being null; in others it goes by being left out.
const nullable = "attributes"

// write puts inputs into a representation.
func write(args any, o admin.Object) {
	for f := range fieldsOf(args) {
		if f.key == "" {
			continue
		}
		if v, ok := f.wanted(); ok {
			if now := f.within(o)[f.key]; f.ordered() || !slices.Equal(f.list(now), f.list(v)) {
				f.within(o)[f.key] = v
			}
		} else if !f.kept {
			f.empty(o)
		} else if _, there := f.within(o)[f.key]; !there && f.value.Type() == reflect.TypeFor[*bool]() {
			// A new thing: the official plugin says no for all that its program does not say.
			f.within(o)[f.key] = f.bool(false)
		}
	}
}

func (f field) within(o admin.Object) admin.Object {
	if f.group == "" {
		return o
	}
	return o.Sub(f.group)
}

// wanted is the value for the representation, if the program says one.
func (f field) wanted() (any, bool) {
	switch v := f.value.Interface().(type) {
	case string:
		if v == "" {
			return nil, false
		}
		if f.form == "seconds" {
			d, _ := time.ParseDuration(v) // Check did
			return int(d / time.Second), true
		}
		return v, true
	case *bool:
		if v == nil {
			return nil, false
		}
		return f.bool(*v), true
	case *int:
		switch {
		case v == nil:
			return nil, false
		case f.form == "quoted":
			return strconv.Itoa(*v), true
		}
		return *v, true
	case []string:
		switch {
		case len(v) == 0:
			return nil, false
		case f.form == "hashes":
			return strings.Join(v, separator), true
		case f.form == "array":
			raw, _ := json.Marshal(v) // strings can be encoded
			return string(raw), true
		}
		return v, true
	}
	return nil, false
}

// ordered is false for a list whose order means nothing: the server's is as good as the program's.
func (f field) ordered() bool {
	return f.value.Type() != reflect.TypeFor[[]string]() || f.form == "array"
}

func (f field) bool(b bool) any {
	if f.form == "quoted" {
		return strconv.FormatBool(b)
	}
	return b
}

// empty puts a field back to nothing.
func (f field) empty(o admin.Object) {
	in := f.within(o)
	_, there := in[f.key]
	switch {
	case f.value.Type() == reflect.TypeFor[*bool]():
		in[f.key] = f.bool(false)
	case f.value.Type() == reflect.TypeFor[[]string]() && f.form == "":
		in[f.key] = []string{}
	case !there:
	case f.group == nullable:
		in[f.key] = nil
	case f.group == "" && f.value.Kind() == reflect.String:
		in[f.key] = ""
	default:
		delete(in, f.key)
	}
}

// read takes inputs from a representation.
func read(o admin.Object, args any) {
	for f := range fieldsOf(args) {
		if f.key == "" {
			continue
		}
		v := f.within(o)[f.key]
		switch to := f.value.Addr().Interface().(type) {
		case *string:
			*to = f.text(v)
		case **bool:
			*to = new(v == true || v == "true")
		case **int:
			*to = f.number(v)
		case *[]string:
			*to = f.list(v)
		}
	}
}

func (f field) text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case float64:
		if f.form == "seconds" {
			return (time.Duration(v) * time.Second).String()
		}
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return ""
}

func (f field) number(v any) *int {
	switch v := v.(type) {
	case float64:
		return new(int(v))
	case string:
		if n, err := strconv.Atoi(v); err == nil {
			return &n
		}
	}
	return nil
}

// list is sorted unless its order has a meaning, so that a state does not change with the server's mood.
func (f field) list(v any) []string {
	var out []string
	switch v := v.(type) {
	case []any, []string:
		out = slices.Clone(texts(v))
	case string:
		switch {
		case v == "":
		case f.form == "array":
			_ = json.Unmarshal([]byte(v), &out) // a person's nonsense is no list, hence drift
			return out
		default:
			out = strings.Split(v, separator)
		}
	}
	slices.Sort(out)
	return out
}
