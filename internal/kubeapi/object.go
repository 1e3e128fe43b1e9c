package kubeapi

import "k8s.io/apimachinery/pkg/runtime/schema"

// Field is a nested value, or nil.
func Field(o map[string]any, path ...string) any {
	var v any = o
	for _, key := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[key]
	}
	return v
}

// Text is a nested text, or empty.
func Text(o map[string]any, path ...string) string {
	s, _ := Field(o, path...).(string)
	return s
}

// Number is a nested whole number, or 0.
func Number(o map[string]any, path ...string) int64 {
	switch n := Field(o, path...).(type) {
	case int64:
		return n
	case float64:
		return int64(n)
	default:
		return 0
	}
}

// Items are the maps of a list.
func Items(o map[string]any, path ...string) []map[string]any {
	list, _ := Field(o, path...).([]any)
	out := make([]map[string]any, 0, len(list))
	for _, v := range list {
		if m, ok := v.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}

// Condition finds a condition of a status.
func Condition(o map[string]any, kind string) map[string]any {
	for _, c := range Items(o, "status", "conditions") {
		if c["type"] == kind {
			return c
		}
	}
	return nil
}

// IsTrue tells whether a condition is there and true.
func IsTrue(condition map[string]any) bool { return condition["status"] == "True" }

// Annotation is the value of an annotation, of inputs that may not be known wholly.
func Annotation(o map[string]any, key string) string { return Text(o, "metadata", "annotations", key) }

// KindOf is an object's kind.
func KindOf(o map[string]any) schema.GroupVersionKind {
	return schema.FromAPIVersionAndKind(Text(o, "apiVersion"), Text(o, "kind"))
}
