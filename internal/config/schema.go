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

	"plattr.dev/plattr/operator/api/v1alpha1"
)

// SchemaPath is where a project keeps the JSON Schema that the first line of
// its plattr.yaml refers to: beside the file, so that editors need no network.
// The directory is not committed; WriteSchema makes it again.
const SchemaPath = ".plattr/plattr.schema.json"

// PlatformSchemaPath is where that of plattr.platform.yaml lies, in a project that has one.
const PlatformSchemaPath = ".plattr/plattr.platform.schema.json"

//go:generate go test . -run ^TestSchemaIsCommitted$ -update

//go:embed schema/plattr.schema.json
var schemaFile []byte

//go:embed schema/plattr.platform.schema.json
var platformSchemaFile []byte

// Schema returns the JSON Schema (draft 7, which editors support best) of
// plattr.yaml. It describes every rule that concerns one field.
func Schema() ([]byte, error) { return slices.Clone(schemaFile), nil }

// PlatformSchema returns that of plattr.platform.yaml.
func PlatformSchema() ([]byte, error) { return slices.Clone(platformSchemaFile), nil }

// WriteSchema writes the schema to SchemaPath under the project's directory, and that of the platform's file where the
// project has one, if they are not there already as they should be. A reader never sees half of one.
func WriteSchema(project string) error {
	if _, err := os.Stat(filepath.Join(project, PlatformFileName)); err == nil {
		if err := writeSchema(filepath.Join(project, filepath.FromSlash(PlatformSchemaPath)), platformSchemaFile); err != nil {
			return err
		}
	}
	return writeSchema(filepath.Join(project, filepath.FromSlash(SchemaPath)), schemaFile)
}

func writeSchema(path string, content []byte) error {
	have, err := os.ReadFile(path)
	if err == nil && bytes.Equal(have, content) {
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("write the schema for editors: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("write the schema for editors: %w", err)
	}
	temporary := path + ".new"
	if err := os.WriteFile(temporary, content, 0o644); err != nil {
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
	return generate(FileName, "What an application asks of the platform.", reflect.ValueOf(defaultApp()).Elem())
}

// generatePlatformSchema does so for the platform's file.
func generatePlatformSchema() ([]byte, error) {
	return generate(PlatformFileName, "The environments that applications are deployed to.", reflect.ValueOf(&Platform{}).Elem())
}

func generate(title, description string, defaults reflect.Value) ([]byte, error) {
	g := generator{rules: rules()}
	root := g.section(defaults.Type(), defaults)
	root["$schema"] = "http://json-schema.org/draft-07/schema#"
	root["title"] = title
	root["description"] = description
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
		if s, ok := reflect.New(t).Interface().(short); ok {
			_, textRule := s.text()
			return object{"anyOf": []object{g.scalar(reflect.TypeFor[string](), g.rules[textRule]), section}}
		}
		if ruleKey == "App.preview" || ruleKey == "App.local" || value.IsValid() {
			section["type"] = []string{"object", "null"}
		}
		return section
	case reflect.Map:
		return g.mapping(t.Elem(), g.rules[ruleKey])
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
	section := g.content(t, "", reflect.Value{})
	if section["type"] != nil {
		section["type"] = []string{"object", "null"}
	}
	return section
}

func (g generator) mapping(element reflect.Type, r rule) object {
	content := object{"type": []string{"string", "number", "boolean"}}
	if len(r.keys) > 0 || r.keyPattern != "" {
		content = g.content(element, "", reflect.Value{})
		if element.Kind() == reflect.Struct {
			content["type"] = []string{"object", "null"}
		}
	}
	out := object{"type": []string{"object", "null"}}
	switch {
	case len(r.keys) > 0:
		properties := object{}
		for _, key := range r.keys {
			properties[key] = content
		}
		out["properties"], out["additionalProperties"] = properties, false
	case r.keyPattern != "":
		out["propertyNames"], out["additionalProperties"] = object{"pattern": r.keyPattern}, content
	default:
		out["propertyNames"] = object{"pattern": variablePattern, "not": object{"pattern": "^PLATTR_"}}
		out["additionalProperties"] = content
	}
	return out
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
