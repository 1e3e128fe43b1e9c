package config

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Change is one change of a file's text.
type Change struct {
	path   string
	value  any
	append bool
}

// Set changes the value of a field, or adds it with the sections around it.
// path is as in problems: database.rest.anonAccess.
func Set(path string, value any) Change { return Change{path: path, value: value} }

// Append adds an element at the end of a list, which it begins if there is
// none.
func Append(path string, value any) Change { return Change{path: path, value: value, append: true} }

// ErrEdit is returned for a file that is written in a way that cannot be
// edited without touching more than the change; a person can.
var ErrEdit = errors.New("this cannot be edited in place: change it by hand")

// Edit applies changes to the text of a YAML file. Every byte outside of the
// changed values stays: comments, order, quotes, line ends. The result is read
// again and compared with what was meant before it is returned. Rules of
// plattr.yaml are not checked: use Parse.
func Edit(raw []byte, changes ...Change) ([]byte, error) {
	for _, c := range changes {
		out, err := c.apply(raw)
		if err != nil {
			return nil, fmt.Errorf("change %s: %w", c.path, err)
		}
		raw = out
	}
	return raw, nil
}

// apply does one change and proves it.
func (c Change) apply(raw []byte) ([]byte, error) {
	if len(raw) > MaxFileBytes {
		return nil, fmt.Errorf("the file is larger than %d MB", MaxFileBytes>>20)
	}
	var before any
	if err := yaml.Unmarshal(raw, &before); err != nil {
		return nil, fmt.Errorf("read the file: %w", err)
	}
	plain, err := normal(c.value)
	if err != nil {
		return nil, err
	}
	want, err := c.want(before, strings.Split(c.path, "."), plain)
	if err != nil {
		return nil, err
	}
	if reflect.DeepEqual(before, want) {
		return raw, nil
	}
	t := newText(raw)
	out, err := t.change(c)
	if err != nil {
		return nil, err
	}
	var after any
	if err := yaml.Unmarshal(out, &after); err != nil || !reflect.DeepEqual(after, want) {
		return nil, ErrEdit
	}
	return out, nil
}

// normal returns a value as reading it from YAML would give it.
func normal(value any) (any, error) {
	raw, err := encode(value)
	if err != nil {
		return nil, err
	}
	var out any
	if err := yaml.Unmarshal(raw, &out); err != nil {
		return nil, fmt.Errorf("write the value: %w", err)
	}
	return out, nil
}

// want returns the content that the file shall have.
func (c Change) want(tree any, path []string, value any) (any, error) {
	if len(path) == 0 {
		if !c.append {
			return value, nil
		}
		switch list := tree.(type) {
		case nil:
			return []any{value}, nil
		case []any:
			return append(append([]any{}, list...), value), nil
		default:
			return nil, errors.New("it is not a list")
		}
	}
	fields, ok := tree.(map[string]any)
	if !ok && tree != nil {
		return nil, errors.New("there are no fields around it")
	}
	out := map[string]any{}
	maps.Copy(out, fields)
	inner, err := c.want(out[path[0]], path[1:], value)
	out[path[0]] = inner
	return out, err
}

// text is a file under change: its lines with their ends.
type text struct {
	lines []string
	eol   string
}

func newText(raw []byte) *text {
	t := &text{lines: strings.SplitAfter(string(raw), "\n"), eol: "\n"}
	if bytes.Contains(raw, []byte("\r\n")) {
		t.eol = "\r\n"
	}
	if last := len(t.lines) - 1; t.lines[last] == "" {
		t.lines = t.lines[:last]
	}
	return t
}

func (t *text) bytes() []byte { return []byte(strings.Join(t.lines, "")) }

// change finds the deepest part of the path that is there and changes it.
func (t *text) change(c Change) ([]byte, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(t.bytes(), &doc); err != nil {
		return nil, fmt.Errorf("read the file: %w", err)
	}
	value := c.value
	if c.append {
		value = []any{c.value}
	}
	if doc.Kind == 0 || null(doc.Content[0]) {
		return t.insert(len(t.lines), 0, nest(strings.Split(c.path, "."), value), false)
	}
	node, key := doc.Content[0], (*yaml.Node)(nil)
	rest := strings.Split(c.path, ".")
	for len(rest) > 0 && node.Kind == yaml.MappingNode {
		k, v := entry(node, rest[0])
		if k == nil {
			return t.add(node, nest(rest, value), key == nil)
		}
		node, key, rest = v, k, rest[1:]
	}
	switch {
	case key == nil || node.Kind == yaml.AliasNode:
		return nil, ErrEdit
	case null(node) && node.Value == "" && (len(rest) > 0 || c.append):
		return t.insert(key.Line, key.Column-1+2, nest(rest, value), false)
	case len(rest) > 0:
		return nil, ErrEdit
	case c.append:
		return t.element(node, c.value)
	default:
		return t.replace(key, node, value)
	}
}

// entry returns a mapping's key and value.
func entry(mapping *yaml.Node, key string) (*yaml.Node, *yaml.Node) {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			return mapping.Content[i], mapping.Content[i+1]
		}
	}
	return nil, nil
}

// nest wraps a value in the sections of a path.
func nest(path []string, value any) any {
	for i := len(path) - 1; i >= 0; i-- {
		value = map[string]any{path[i]: value}
	}
	return value
}
