package config

import (
	"reflect"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

var variableForm = regexp.MustCompile(variablePattern)

// scalar decodes text, a number or true and false.
func (d *decoder) scalar(n *yaml.Node, v reflect.Value, path string, r rule) {
	tag := n.ShortTag()
	switch v.Kind() {
	case reflect.Bool:
		var b bool
		if n.Kind != yaml.ScalarNode || tag != "!!bool" || n.Decode(&b) != nil {
			d.problem(place(n), path, "must be true or false, not %s", kind(n))
			return
		}
		v.SetBool(b)
	case reflect.Int:
		var i int
		if n.Kind != yaml.ScalarNode || tag != "!!int" || n.Decode(&i) != nil {
			d.problem(place(n), path, "must be a whole number, not %s", kind(n))
			return
		}
		if err := r.bounds(i); err != nil {
			d.problem(place(n), path, "%s", err)
			return
		}
		v.SetInt(int64(i))
	default:
		if !textual(n, r.number) {
			d.problem(place(n), path, "must be text, not %s", kind(n))
			return
		}
		if err := r.text(n.Value); err != nil {
			d.problem(place(n), path, "%s", err)
			return
		}
		v.SetString(n.Value)
	}
}

// textual reports whether a node can stand for text. A date is what YAML makes
// of text that looks like one.
func textual(n *yaml.Node, number bool) bool {
	tags := []string{"!!str", "!!timestamp"}
	if number {
		tags = append(tags, "!!int", "!!float")
	}
	return n.Kind == yaml.ScalarNode && slices.Contains(tags, n.ShortTag())
}

// variable decodes the value of an environment variable: numbers and true and
// false are what the user wrote, letter by letter. Problems never show the
// value: it may be a secret that should not be there.
func (d *decoder) variable(key, n *yaml.Node, v reflect.Value, path, name string) {
	d.at[path] = place(key)
	if !variableForm.MatchString(name) {
		d.problem(place(key), path, "%s is not the name of a variable: "+
			"write letters, digits and `_`, not beginning with a digit", shorten(name))
		return
	}
	switch {
	case n.Kind == yaml.AliasNode:
		d.problem(place(n), path, "aliases are not supported: repeat the value")
	case null(n):
		d.problem(place(n), path, `has no value: write "" for an empty one`)
	case !textual(n, true) && n.ShortTag() != "!!bool" || n.Kind != yaml.ScalarNode:
		d.problem(place(n), path, "must be text, not %s", kind(n))
	case strings.ContainsRune(n.Value, 0):
		d.problem(place(n), path, "holds a NUL character, which no environment variable can")
	default:
		v.SetString(n.Value)
	}
}

// kind says what a node is.
func kind(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "fields"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias"
	case yaml.ScalarNode:
	default:
		return "nothing"
	}
	switch n.ShortTag() {
	case "!!str", "!!timestamp":
		return "text"
	case "!!int", "!!float":
		return "a number"
	case "!!bool":
		return "true or false"
	case "!!null":
		return "nothing"
	default:
		return "a value with the tag " + shorten(n.Tag)
	}
}
