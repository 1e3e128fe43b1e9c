package config

import (
	"bytes"
	_ "embed" // the committed schema
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"

	"plattr.dev/plattr/internal/config/names"
	"plattr.dev/plattr/operator/api/v1alpha1"
)

// SchemaPath is where a project keeps the JSON Schema that the first line of
// its plattr.yaml refers to: beside the file, so that editors need no network.
// The directory is not committed; WriteSchema makes it again.
const SchemaPath = ".plattr/plattr.schema.json"

//go:generate go test . -run ^TestSchemaIsCommitted$ -update

//go:embed schema/plattr.schema.json
var schemaFile []byte

// Schema returns the JSON Schema (draft 7, which editors support best) of
// plattr.yaml. It describes every rule that concerns one field.
func Schema() ([]byte, error) { return slices.Clone(schemaFile), nil }

// WriteSchema writes the schema to SchemaPath under the project's directory,
// if it is not there already as it should be. A reader never sees half of it.
func WriteSchema(project string) error {
	path := filepath.Join(project, filepath.FromSlash(SchemaPath))
	have, err := os.ReadFile(path)
	if err == nil && bytes.Equal(have, schemaFile) {
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("write the schema for editors: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("write the schema for editors: %w", err)
	}
	temporary := path + ".new"
	if err := os.WriteFile(temporary, schemaFile, 0o644); err != nil {
		return fmt.Errorf("write the schema for editors: %w", err)
	}
	if err := os.Rename(temporary, path); err != nil {
		return fmt.Errorf("write the schema for editors: %w", err)
	}
	return nil
}

// generateSchema makes the schema from the Go types, their defaults and the
// rules. A test holds the committed file equal to it.
func generateSchema() ([]byte, error) {
	g := generator{rules: rules()}
	root := g.section(reflect.TypeFor[App](), reflect.ValueOf(defaultApp()).Elem())
	root["$schema"] = "http://json-schema.org/draft-07/schema#"
	root["title"] = FileName
	root["description"] = "What an application asks of the platform."
	out, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write the schema: %w", err)
	}
	return append(out, '\n'), nil
}

type generator struct{ rules map[string]rule }

type object = map[string]any

// section describes a struct; defaults is a value of it, or invalid where
// fields have none.
func (g generator) section(t reflect.Type, defaults reflect.Value) object {
	properties, required := object{}, []string{}
	for _, f := range fields(t) {
		var value reflect.Value
		if defaults.IsValid() {
			value = defaults.FieldByIndex(f.index)
		}
		properties[f.name] = g.field(f.typ, f.rule, value)
		if g.rules[f.rule].required {
			required = append(required, f.name)
		}
	}
	out := object{"type": "object", "additionalProperties": false, "properties": properties}
	if len(required) > 0 {
		out["required"] = required
	}
	return out
}

// field describes one field with its description and default.
func (g generator) field(t reflect.Type, ruleKey string, value reflect.Value) object {
	r := g.rules[ruleKey]
	out := g.content(t, ruleKey, value)
	if r.doc != "" {
		out["description"] = r.doc
	}
	switch t.Kind() {
	case reflect.String, reflect.Int:
		if value.IsValid() && !value.IsZero() {
			out["default"] = value.Interface()
		}
	case reflect.Bool:
		if value.IsValid() {
			out["default"] = value.Interface()
		}
	}
	return out
}

func (g generator) content(t reflect.Type, ruleKey string, value reflect.Value) object {
	switch t.Kind() {
	case reflect.Pointer:
		return g.pointer(t.Elem())
	case reflect.Struct:
		if t == reflect.TypeFor[v1alpha1.ProviderSpec]() {
			return object{"anyOf": []object{g.scalar(reflect.TypeFor[string](), g.rules[ruleKey]), g.section(t, value)}}
		}
		section := g.section(t, value)
		if ruleKey == "App.preview" || ruleKey == "App.local" || value.IsValid() {
			section["type"] = []string{"object", "null"}
		}
		return section
	case reflect.Map:
		return g.mapping(t.Elem())
	case reflect.Slice:
		inner := g.field(t.Elem(), ruleKey+"[]", reflect.Value{})
		if t.Elem() == reflect.TypeFor[v1alpha1.BucketSpec]() {
			inner = g.section(t.Elem(), reflect.Zero(t.Elem()))
		}
		return object{"type": []string{"array", "null"}, "items": inner}
	default:
		return g.scalar(t, g.rules[ruleKey])
	}
}

// pointer describes a section that may be absent: a service with its defaults,
// or an override, which has none.
func (g generator) pointer(t reflect.Type) object {
	if _, service := t.FieldByName("Enabled"); service {
		return g.section(t, fresh(t).Elem())
	}
	section := g.section(t, reflect.Value{})
	section["type"] = []string{"object", "null"}
	return section
}

func (g generator) mapping(element reflect.Type) object {
	if element.Kind() == reflect.String {
		return object{
			"type":                 []string{"object", "null"},
			"propertyNames":        object{"pattern": variablePattern, "not": object{"pattern": "^PLATTR_"}},
			"additionalProperties": object{"type": []string{"string", "number", "boolean"}},
		}
	}
	properties := object{}
	for _, env := range names.Environments() {
		section := g.section(element, reflect.Value{})
		section["type"] = []string{"object", "null"}
		properties[env] = section
	}
	return object{"type": []string{"object", "null"}, "additionalProperties": false, "properties": properties}
}

// scalar describes text, a number or true and false under its rule.
func (g generator) scalar(t reflect.Type, r rule) object {
	out := object{"type": map[reflect.Kind]string{
		reflect.Bool: "boolean", reflect.Int: "integer", reflect.String: "string",
	}[t.Kind()]}
	if r.number {
		out["type"] = []string{"string", "number"}
		out["exclusiveMinimum"] = 0
	}
	if len(r.enum) > 0 {
		out["enum"] = r.enum
	}
	if r.pattern != "" {
		out["pattern"] = r.pattern
	}
	if r.maxLength > 0 {
		out["maxLength"] = r.maxLength
	}
	if r.max > 0 {
		out["minimum"], out["maximum"] = r.min, r.max
	}
	if len(r.not) > 0 {
		refused := make([]object, len(r.not))
		for i, n := range r.not {
			refused[i] = object{"pattern": n.pattern}
		}
		out["not"] = object{"anyOf": refused}
	}
	return out
}
