package kubernetes

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// path leads to a value in an object: keys of maps and indexes of lists.
type path []any

// String is the path as Pulumi writes it.
// Source: pulumi-kubernetes, provider/pkg/provider/provider.go, addPatchValueToDiff.
func (p path) String() string {
	var b strings.Builder
	for _, step := range p {
		switch s := step.(type) {
		case int:
			fmt.Fprintf(&b, "[%d]", s)
		case string:
			s = fromKey(s)
			switch {
			case strings.ContainsAny(s, `."[]`):
				fmt.Fprintf(&b, `["%s"]`, strings.ReplaceAll(s, `"`, `\"`))
			case b.Len() > 0:
				b.WriteString("." + s)
			default:
				b.WriteString(s)
			}
		}
	}
	return b.String()
}

func (p path) with(step any) path { return append(slices.Clone(p), step) }

// under says that the path leads to something below keys, or to it.
func (p path) under(keys ...string) bool {
	if len(p) < len(keys) {
		return false
	}
	for i, k := range keys {
		if p[i] != k {
			return false
		}
	}
	return true
}

// at is the value that a path leads to.
func at(v any, p path) (any, bool) {
	for _, step := range p {
		switch s := step.(type) {
		case string:
			m, ok := v.(map[string]any)
			if !ok {
				return nil, false
			}
			if v, ok = m[s]; !ok {
				return nil, false
			}
		case int:
			list, ok := v.([]any)
			if !ok || s >= len(list) {
				return nil, false
			}
			v = list[s]
		}
	}
	return v, true
}

// put sets the value that a path leads to, or drops it; what is on the way must be there.
func put(v any, p path, value any, has bool) {
	parent, ok := at(v, p[:len(p)-1])
	if !ok {
		return
	}
	switch last := p[len(p)-1].(type) {
	case string:
		if m, ok := parent.(map[string]any); ok && has {
			m[last] = value
		} else if ok {
			delete(m, last)
		}
	case int:
		if l, ok := parent.([]any); ok && has && last < len(l) {
			l[last] = value
		}
	}
}

// change is one place at which two objects differ.
type change struct {
	path     path
	old, new any
	had, has bool
}

// differences are the places at which two values differ: the key that is only in one, the value that is another.
func differences(old, now any) []change { return compare(nil, nil, old, now) }

func compare(out []change, p path, old, now any) []change {
	switch o := old.(type) {
	case map[string]any:
		n, ok := now.(map[string]any)
		if !ok {
			break
		}
		keys := maps.Clone(o)
		maps.Copy(keys, n)
		for _, k := range slices.Sorted(maps.Keys(keys)) {
			was, had := o[k]
			is, has := n[k]
			if had == has && reflect.DeepEqual(was, is) {
				continue // most are, and need no path
			}
			out = both(out, p.with(k), was, had, is, has)
		}
		return out
	case []any:
		n, ok := now.([]any)
		if !ok {
			break
		}
		for i := range max(len(o), len(n)) {
			var was, is any
			if i < len(o) {
				was = o[i]
			}
			if i < len(n) {
				is = n[i]
			}
			out = both(out, p.with(i), was, i < len(o), is, i < len(n))
		}
		return out
	}
	if equal(old, now) {
		return out
	}
	return append(out, change{path: p, old: old, new: now, had: true, has: true})
}

func both(out []change, p path, was any, had bool, is any, has bool) []change {
	switch {
	case had && has:
		return compare(out, p, was, is)
	case empty(was) && empty(is): // an empty map or list says no more than none
		return out
	default:
		return append(out, change{path: p, old: was, new: is, had: had, has: has})
	}
}

func empty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case map[string]any:
		return len(v) == 0
	case []any:
		return len(v) == 0
	default:
		return false
	}
}

// equal compares what is no map and no list; 3 and 3.0 are one number.
func equal(a, b any) bool {
	x, isX := float(a)
	y, isY := float(b)
	if isX && isY {
		return x == y
	}
	return reflect.DeepEqual(a, b)
}

func float(v any) (float64, bool) {
	switch n := v.(type) {
	case int64:
		return float64(n), true
	case float64:
		return n, true
	default:
		return 0, false
	}
}

// prune is a live value cut to the shape of inputs.
// Source: pulumi-kubernetes, provider/pkg/provider/util.go, pruneMap.
func prune(live, inputs any) any {
	switch in := inputs.(type) {
	case map[string]any:
		l, ok := live.(map[string]any)
		if !ok {
			return live
		}
		out := map[string]any{}
		for k, v := range in {
			if now, ok := l[k]; ok {
				out[k] = prune(now, v)
			}
		}
		return out
	case []any:
		l, ok := live.([]any)
		if !ok {
			return live
		}
		out := make([]any, 0, len(l))
		for i, now := range l {
			if i < len(in) {
				out = append(out, prune(now, in[i]))
			} else if _, isMap := now.(map[string]any); !isMap {
				out = append(out, now) // a further map may be from a webhook
			}
		}
		return out
	default:
		return live
	}
}

// clone copies an object, so that the copy can be changed.
func clone(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = clone(e)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = clone(e)
		}
		return out
	default:
		return v
	}
}

func cloneObject(o map[string]any) map[string]any {
	out, _ := clone(o).(map[string]any)
	return out
}

// hasUnknown says that a value is not known wholly.
func hasUnknown(v any) bool {
	switch v := v.(type) {
	case unknown:
		return true
	case map[string]any:
		for _, e := range v {
			if hasUnknown(e) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, hasUnknown)
	}
	return false
}
