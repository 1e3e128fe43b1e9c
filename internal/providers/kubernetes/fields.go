package kubernetes

import (
	"encoding/json"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// owned is the set of fields that one manager has applied to an object, as the API server keeps it.
// Source: kubernetes.io, Server-Side Apply, "Field management"; the keys are f: for a field, k: for an element of a list
// by its keys, v: for an element by its value.
type owned map[string]any

// ownedBy finds the fields that a manager applied; nil if it applied none.
func ownedBy(live *unstructured.Unstructured, manager string) owned {
	for _, e := range live.GetManagedFields() {
		if e.Manager != manager || e.Operation != metav1.ManagedFieldsOperationApply || e.Subresource != "" || e.FieldsV1 == nil {
			continue
		}
		var fields owned
		if json.Unmarshal(e.FieldsV1.Raw, &fields) == nil {
			return fields
		}
	}
	return nil
}

// has says that the value at a path of the live object is the manager's. A field below which nothing is listed is owned
// as a whole.
func (o owned) has(live any, p path) bool {
	node := map[string]any(o)
	for _, step := range p {
		var next any
		switch s := step.(type) {
		case string:
			next = node["f:"+s]
			live, _ = at(live, path{s})
		case int:
			live, _ = at(live, path{s})
			next = element(node, live)
		}
		below, ok := next.(map[string]any)
		if !ok {
			return false
		}
		if len(below) == 0 {
			return true
		}
		node = below
	}
	return true
}

// element finds a list's element among the owned ones.
func element(node map[string]any, live any) any {
	for key, below := range node {
		if raw, ok := strings.CutPrefix(key, "k:"); ok {
			var keys map[string]any
			if json.Unmarshal([]byte(raw), &keys) == nil && matches(live, keys) {
				return below
			}
		}
		if raw, ok := strings.CutPrefix(key, "v:"); ok {
			var value any
			if json.Unmarshal([]byte(raw), &value) == nil && equal(value, live) {
				return below
			}
		}
	}
	return nil
}

func matches(live any, keys map[string]any) bool {
	for k, want := range keys {
		if now, ok := at(live, path{k}); !ok || !equal(now, want) {
			return false
		}
	}
	return true
}
