package config

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"plattr.dev/plattr/operator/api/v1alpha1"
)

// decoder fills Go values from YAML nodes and gathers problems.
type decoder struct {
	file     string
	rules    map[string]rule
	problems []Problem
	// at is where the value of each path that the file gives begins.
	at map[string]position
	// bad holds the paths that have a problem: what depends on them is not
	// checked further.
	bad map[string]bool
	// kind is the file that is read.
	kind kindOfFile
}

// kindOfFile is what messages say of a file.
type kindOfFile struct {
	// noun is its name, holds what it holds one of, example one of its fields, remedy how to get one.
	noun, holds, example, remedy string
	whole                        reflect.Type
}

// short is a section that one text may stand for.
type short interface {
	// text returns where the text goes, and its rule.
	text() (to *string, ruleKey string)
}

type position struct{ line, column int }

func newDecoder(file string) *decoder {
	return &decoder{file: file, rules: rules(), at: map[string]position{"": {1, 1}}, bad: map[string]bool{}, kind: kindOfFile{
		noun: FileName, holds: "one application", example: "name: my-app", remedy: "write one with `plattr init`",
		whole: reflect.TypeFor[App](),
	}}
}

func (d *decoder) problem(at position, path, format string, args ...any) {
	d.bad[path] = true
	d.problems = append(d.problems, Problem{
		File: d.file, Line: max(1, at.line), Column: max(1, at.column), Path: path, Message: fmt.Sprintf(format, args...),
	})
}

// missing reports a field that is not there, at the nearest section that is.
func (d *decoder) missing(path, message string) {
	at := path
	for {
		if p, ok := d.at[at]; ok {
			d.problem(p, path, "%s", message)
			return
		}
		at = at[:max(0, strings.LastIndexByte(at, '.'))]
	}
}

func place(n *yaml.Node) position { return position{n.Line, n.Column} }

// field is a field of a Go type as the file knows it.
type field struct {
	name, rule string
	index      []int
	typ        reflect.Type
}

// fields lists what a section may hold, those of embedded types included.
func fields(t reflect.Type) []field {
	var out []field
	for i := range t.NumField() {
		f := t.Field(i)
		name, option, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case f.Tag.Get("config") == "resolved":
		case option == "inline":
			for _, inner := range fields(f.Type) {
				inner.index = append([]int{i}, inner.index...)
				inner.rule = t.Name() + "." + inner.name
				out = append(out, inner)
			}
		default:
			out = append(out, field{name: name, rule: t.Name() + "." + name, index: []int{i}, typ: f.Type})
		}
	}
	return out
}

// root decodes the document's top.
func (d *decoder) root(n *yaml.Node, app *App) {
	d.at[""] = place(n)
	d.section(n, reflect.ValueOf(app).Elem(), "")
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// section decodes a mapping into a struct.
func (d *decoder) section(n *yaml.Node, v reflect.Value, path string) {
	known := fields(v.Type())
	keys := make([]string, len(known))
	for i, f := range known {
		keys[i] = f.name
	}
	seen := d.entries(n, path, func(key string, at, value *yaml.Node) {
		i := slices.Index(keys, key)
		if i < 0 {
			d.unknown(at, join(path, key), key, keys)
			return
		}
		d.value(value, v.FieldByIndex(known[i].index), join(path, key), known[i].rule)
	})
	for _, f := range known {
		if _, given := seen[f.name]; !given && d.rules[f.rule].required {
			d.problem(place(n), join(path, f.name), "is missing: add `%s:`", f.name)
		}
	}
}

// entries calls each for the entries of a mapping and returns the keys' places.
func (d *decoder) entries(n *yaml.Node, path string, each func(key string, at, value *yaml.Node)) map[string]position {
	seen := map[string]position{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		switch {
		case key.Kind != yaml.ScalarNode:
			d.problem(place(key), path, "a field's name must be text, not %s", kind(key))
			continue
		case key.Tag == "!!merge":
			d.problem(place(key), path, "`<<` is not supported: repeat what you would merge")
			continue
		}
		if first, twice := seen[key.Value]; twice {
			d.problem(place(key), join(path, clip(key.Value)), "is given twice, first on line %d", first.line)
			continue
		}
		seen[key.Value] = place(key)
		each(key.Value, key, value)
	}
	return seen
}

// clip keeps a path readable whatever the file calls a field.
func clip(key string) string {
	quoted := shorten(key)
	if bare := quoted[1 : len(quoted)-1]; bare == key && key != "" {
		return key
	}
	return quoted
}

// unknown reports a key that no field has.
func (d *decoder) unknown(at *yaml.Node, path, key string, known []string) {
	path = path[:len(path)-len(key)] + clip(key)
	if near := closest(key, known); near != "" {
		d.problem(place(at), path, "unknown field, did you mean %q?", near)
		return
	}
	for _, elsewhere := range paths(d.kind.whole, "") {
		if strings.HasSuffix(elsewhere, "."+key) {
			d.problem(place(at), path, "unknown field, did you mean %q?", elsewhere)
			return
		}
	}
	d.problem(place(at), path, "unknown field: there is %s", list(known))
}

// paths lists the fields of a type and of its sections, without those of lists
// and overrides.
func paths(t reflect.Type, prefix string) []string {
	var out []string
	for _, f := range fields(t) {
		path := join(prefix, f.name)
		out = append(out, path)
		section := f.typ
		if section.Kind() == reflect.Pointer {
			section = section.Elem()
		}
		if section.Kind() == reflect.Struct {
			out = append(out, paths(section, path)...)
		}
	}
	return out
}

// value decodes a node into a Go value under a rule.
func (d *decoder) value(n *yaml.Node, v reflect.Value, path, ruleKey string) {
	d.at[path] = place(n)
	if n.Kind == yaml.AliasNode {
		d.problem(place(n), path, "aliases (`*%s`) are not supported: repeat the value", clip(n.Value))
		return
	}
	if null(n) {
		d.empty(n, v, path)
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(fresh(v.Type().Elem()))
		d.structure(n, v.Elem(), path, ruleKey)
	case reflect.Struct:
		d.structure(n, v, path, ruleKey)
	case reflect.Map:
		if d.want(n, yaml.MappingNode, path, "fields") {
			d.mapping(n, v, path, d.rules[ruleKey])
		}
	case reflect.Slice:
		if d.want(n, yaml.SequenceNode, path, "a list") {
			d.sequence(n, v, path, ruleKey)
		}
	default:
		d.scalar(n, v, path, d.rules[ruleKey])
	}
}

func null(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// empty handles a field without a value: nothing is meant where there are
// defaults or a list may be empty, but a service is on or off.
func (d *decoder) empty(n *yaml.Node, v reflect.Value, path string) {
	switch v.Kind() {
	case reflect.Pointer:
		if _, service := v.Type().Elem().FieldByName("Enabled"); service {
			d.problem(place(n), path, "is empty: write `enabled: true` under it, or remove it")
		}
	case reflect.Map, reflect.Slice:
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[v1alpha1.ProviderSpec]() || v.Type() == reflect.TypeFor[v1alpha1.BucketSpec]() {
			d.problem(place(n), path, "is empty")
		}
	default:
		d.problem(place(n), path, "has no value: give one, or remove the line")
	}
}

func (d *decoder) want(n *yaml.Node, k yaml.Kind, path, what string) bool {
	if n.Kind == k {
		return true
	}
	d.problem(place(n), path, "must be %s, not %s", what, kind(n))
	return false
}

// structure decodes a section that is always there, or an element of a list.
func (d *decoder) structure(n *yaml.Node, v reflect.Value, path, ruleKey string) {
	if provider, ok := v.Addr().Interface().(*v1alpha1.ProviderSpec); ok && n.Kind == yaml.ScalarNode {
		var name string
		d.scalar(n, reflect.ValueOf(&name).Elem(), path, d.rules[ruleKey])
		provider.Name, provider.Type = name, v1alpha1.ProviderType(name)
		return
	}
	if s, ok := v.Addr().Interface().(short); ok && n.Kind == yaml.ScalarNode {
		to, ruleKey := s.text()
		d.scalar(n, reflect.ValueOf(to).Elem(), path, d.rules[ruleKey])
		return
	}
	if d.want(n, yaml.MappingNode, path, fieldsLike(v.Type())) {
		d.section(n, v, path)
	}
}

// fieldsLike says what a section looks like, by its first field.
func fieldsLike(section reflect.Type) string {
	return "fields such as `" + fields(section)[0].name + ":`"
}

// sequence decodes a list.
func (d *decoder) sequence(n *yaml.Node, v reflect.Value, path, ruleKey string) {
	out := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	for i, item := range n.Content {
		d.value(item, out.Index(i), fmt.Sprintf("%s[%d]", path, i), ruleKey+"[]")
	}
	v.Set(out)
}

// mapping decodes variables, or what a rule lists the names of.
func (d *decoder) mapping(n *yaml.Node, v reflect.Value, path string, r rule) {
	v.Set(reflect.MakeMap(v.Type()))
	d.entries(n, path, func(key string, at, value *yaml.Node) {
		element := reflect.New(v.Type().Elem()).Elem()
		inner := join(path, clip(key))
		switch {
		case len(r.keys) > 0 && !slices.Contains(r.keys, key):
			d.unknownKey(at, inner, key, r)
			return
		case r.keyPattern != "" && !regexp.MustCompile(r.keyPattern).MatchString(key):
			d.problem(place(at), inner, "%s is not %s", shorten(key), r.keyWords)
			return
		case len(r.keys) == 0 && r.keyPattern == "":
			d.variable(at, value, element, inner, key)
		default:
			d.value(value, element, inner, "")
		}
		v.SetMapIndex(reflect.ValueOf(key), element)
	})
}

func (d *decoder) unknownKey(at *yaml.Node, path, key string, r rule) {
	if near := closest(key, r.keys); near != "" {
		d.problem(place(at), path, "unknown %s, did you mean %q?", r.keyNoun, near)
		return
	}
	d.problem(place(at), path, "unknown %s: there is %s", r.keyNoun, list(r.keys))
}
