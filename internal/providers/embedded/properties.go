package embedded

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
)

// decode fills a T from inputs or settings, secrets opened. Hidden properties are left out; an unknown one is an error.
func decode[T any](props resource.PropertyMap) (T, error) {
	return decodeJSON[T](props, (*json.Decoder).DisallowUnknownFields)
}

// decodeState fills an S from a state. What S does not know is left out: the official plugin, which may have written
// the state, has outputs that are not served here.
func decodeState[S any](props resource.PropertyMap) (S, error) {
	return decodeJSON[S](props, func(*json.Decoder) {})
}

func decodeJSON[T any](props resource.PropertyMap, prepare func(*json.Decoder)) (T, error) {
	var out T
	raw, err := json.Marshal(plain(resource.NewObjectProperty(visible(props))))
	if err != nil {
		return out, fmt.Errorf("encode properties: %w", err)
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	prepare(dec)
	if err := dec.Decode(&out); err != nil {
		return out, fmt.Errorf("%s", strings.TrimPrefix(err.Error(), "json: "))
	}
	return out, nil
}

// encode makes properties of a struct by its json tags.
func encode(v any) (resource.PropertyMap, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode state: %w", err)
	}
	var m map[string]any
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, fmt.Errorf("encode state: %w", err)
	}
	return resource.NewPropertyMapFromMap(m), nil
}

// plain is a property value as encoding/json knows it: secrets and outputs opened, nothing hidden inside.
func plain(v resource.PropertyValue) any {
	switch {
	case v.IsSecret():
		return plain(v.SecretValue().Element)
	case v.IsOutput():
		return plain(v.OutputValue().Element)
	case v.IsArray():
		out := make([]any, 0, len(v.ArrayValue()))
		for _, e := range v.ArrayValue() {
			out = append(out, plain(e))
		}
		return out
	case v.IsObject():
		out := make(map[string]any, len(v.ObjectValue()))
		for k, e := range v.ObjectValue() {
			if !hidden(k) {
				out[string(k)] = plain(e)
			}
		}
		return out
	case v.IsComputed():
		return nil
	default:
		return v.V
	}
}

func visible(props resource.PropertyMap) resource.PropertyMap {
	out := make(resource.PropertyMap, len(props))
	for k, v := range props {
		if !hidden(k) {
			out[k] = v
		}
	}
	return out
}

// keepSecrets makes secret in to what is secret, wholly or in part, under the same key in from.
func keepSecrets(to, from resource.PropertyMap) {
	for k, v := range to {
		if f, ok := from[k]; ok && f.ContainsSecrets() && !v.IsSecret() {
			to[k] = resource.MakeSecret(v)
		}
	}
}

// markDefaults writes the bridge's list of inputs that were filled in, into the inputs and each object in them that t,
// the type of the inputs, has as a struct (a map, such as tags, has none).
// Source: pulumi-terraform-bridge, pkg/tfbridge/schema.go, defaultsKey.
func markDefaults(checked, news resource.PropertyMap, t reflect.Type) {
	var filled []string
	for k := range checked {
		if _, given := news[k]; !given {
			filled = append(filled, string(k))
		}
	}
	markFields(checked, t)
	checked["__defaults"] = stringsProperty(filled)
}

func markFields(props resource.PropertyMap, t reflect.Type) {
	for _, f := range reflect.VisibleFields(t) {
		key := resource.PropertyKey(jsonName(f))
		if v, ok := props[key]; ok && key != "" {
			props[key] = markNested(v, f.Type)
		}
	}
}

func markNested(v resource.PropertyValue, t reflect.Type) resource.PropertyValue {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case v.IsSecret():
		return resource.MakeSecret(markNested(v.SecretValue().Element, t))
	case v.IsArray() && t.Kind() == reflect.Slice:
		out := make([]resource.PropertyValue, 0, len(v.ArrayValue()))
		for _, e := range v.ArrayValue() {
			out = append(out, markNested(e, t.Elem()))
		}
		return resource.NewArrayProperty(out)
	case v.IsObject() && t.Kind() == reflect.Struct:
		o := v.ObjectValue().Copy()
		markFields(o, t)
		o["__defaults"] = stringsProperty(nil)
		return resource.NewObjectProperty(o)
	default:
		return v
	}
}

func stringsProperty(list []string) resource.PropertyValue {
	slices.Sort(list)
	out := make([]resource.PropertyValue, 0, len(list))
	for _, s := range list {
		out = append(out, resource.NewStringProperty(s))
	}
	return resource.NewArrayProperty(out)
}

// diffInputs compares inputs key by key. An unknown new value counts as a change.
func diffInputs(olds, news resource.PropertyMap, equal func(string, any, any) bool) plugin.DiffResult {
	res := plugin.DiffResult{Changes: plugin.DiffNone, DetailedDiff: map[string]plugin.PropertyDiff{}}
	olds, news = visible(olds), visible(news)
	change := func(key resource.PropertyKey, kind plugin.DiffKind) {
		res.Changes = plugin.DiffSome
		res.ChangedKeys = append(res.ChangedKeys, key)
		res.DetailedDiff[string(key)] = plugin.PropertyDiff{Kind: kind, InputDiff: true}
	}
	for _, key := range news.StableKeys() {
		old, had := olds[key]
		switch {
		case !had && !news[key].IsNull():
			change(key, plugin.DiffAdd)
		case had && !same(string(key), old, news[key], equal):
			change(key, plugin.DiffUpdate)
		}
	}
	for _, key := range olds.StableKeys() {
		if _, has := news[key]; !has && !olds[key].IsNull() {
			change(key, plugin.DiffDelete)
		}
	}
	return res
}

func same(key string, a, b resource.PropertyValue, equal func(string, any, any) bool) bool {
	if a.ContainsUnknowns() || b.ContainsUnknowns() {
		return false
	}
	pa, pb := plain(a), plain(b)
	return reflect.DeepEqual(pa, pb) || equal != nil && equal(key, pa, pb)
}

// unknownKeys are the properties that T has no field for.
func unknownKeys[T any](props resource.PropertyMap) []string {
	known := jsonKeys[T]()
	var out []string
	for _, k := range visible(props).StableKeys() {
		if !slices.Contains(known, string(k)) && k != "version" && k != "pluginDownloadURL" {
			out = append(out, string(k))
		}
	}
	return out
}

// jsonKeys are the names of T's fields in JSON, those of embedded structs included.
func jsonKeys[T any]() []string {
	var keys []string
	for _, f := range reflect.VisibleFields(reflect.TypeFor[T]()) {
		if name := jsonName(f); name != "" {
			keys = append(keys, name)
		}
	}
	return keys
}

func jsonName(f reflect.StructField) string {
	if f.Anonymous || !f.IsExported() {
		return ""
	}
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	if name == "-" {
		return ""
	}
	return name
}

// jsonStrings opens provider settings that an SDK wrote as JSON inside a string, as SDKs do for all but strings.
func jsonStrings[T any](props resource.PropertyMap) resource.PropertyMap {
	kinds := map[string]reflect.Kind{}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[T]()) {
		kinds[jsonName(f)] = f.Type.Kind()
	}
	out := make(resource.PropertyMap, len(props))
	for k, v := range props {
		if k == "version" || k == "pluginDownloadURL" {
			continue // the engine's own
		}
		out[k] = v
		s, ok := plain(v).(string)
		if !ok || kinds[string(k)] == reflect.String {
			continue
		}
		var opened any
		if json.Unmarshal([]byte(s), &opened) == nil {
			out[k] = resource.NewPropertyValue(opened)
		}
	}
	return out
}
