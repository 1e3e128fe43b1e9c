package keycloak

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"plattr.dev/plattr/internal/providers/keycloak/admin"
)

// text is an attribute's value. Programs may write booleans and numbers, which the official SDK's maps can hold too.
type text string

// UnmarshalJSON takes a string, a number or a boolean.
func (t *text) UnmarshalJSON(raw []byte) error {
	raw = bytes.TrimSpace(raw)
	switch {
	case len(raw) > 0 && (raw[0] == '{' || raw[0] == '['):
		return fmt.Errorf("an attribute must be a text, not %s", raw)
	case len(raw) > 0 && raw[0] == '"':
		var s string
		err := json.Unmarshal(raw, &s)
		*t = text(s)
		return err //nolint:wrapcheck // encoding/json's own caller
	case bytes.Equal(raw, []byte("null")):
		*t = ""
	default:
		*t = text(raw)
	}
	return nil
}

// attributes are the ones that a program declares. Others on the same thing, Keycloak's own and people's, are neither
// reported nor touched.
type attributes map[string]text

// form is how a kind of thing holds its attributes.
type form struct {
	// lists is true when each attribute has several values.
	lists bool
	// null is true when an attribute goes by being null, and stays if it is left out.
	null bool
}

// write puts the declared attributes among those of a thing, and takes those away that were declared before.
func (a attributes) write(to admin.Object, before attributes, f form) {
	for key := range before {
		_, still := a[key]
		_, there := to[key]
		switch {
		case still || !there || key == markKey:
		case f.null:
			to[key] = nil
		default:
			delete(to, key)
		}
	}
	for key, value := range a {
		if f.lists {
			to[key] = strings.Split(string(value), separator)
		} else {
			to[key] = string(value)
		}
	}
}

// read is what the declared attributes are on a thing now.
func (a attributes) read(from admin.Object) attributes {
	out := attributes{}
	for key := range a {
		switch v := from[key].(type) {
		case string:
			out[key] = text(v)
		case []any:
			out[key] = text(strings.Join(texts(v), separator))
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// separator is between the values of an attribute that is a list, in one input.
// Source: terraform-provider-keycloak, provider/resource_keycloak_user.go, MULTIVALUE_ATTRIBUTE_SEPARATOR.
const separator = "##"

// texts are the members of a list as it comes out of a representation, or goes into one.
func texts(v any) []string {
	switch v := v.(type) {
	case []string:
		return v
	case []any:
		out := make([]string, 0, len(v))
		for _, e := range v {
			out = append(out, fmt.Sprint(e))
		}
		return slices.Clip(out)
	}
	return nil
}
