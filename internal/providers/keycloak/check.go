package keycloak

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"plattr.dev/plattr/internal/providers/embedded"
)

// checks gathers the problems of inputs.
type checks []embedded.Problem

func (c *checks) add(input, format string, args ...any) {
	*c = append(*c, embedded.Problem{Input: input, Reason: fmt.Sprintf(format, args...)})
}

// maxName is the length of Keycloak's columns for names.
const maxName = 255

// text is a problem if a text cannot be stored: PostgreSQL takes no NUL, and Keycloak answers 500.
func (c *checks) text(input, s string) bool {
	if strings.ContainsRune(s, 0) {
		c.add(input, "must not contain a NUL character")
		return false
	}
	if !utf8.ValidString(s) {
		c.add(input, "is no valid UTF-8")
		return false
	}
	return true
}

// texts does so for all texts of inputs, and limits none.
func (c *checks) texts(args any) {
	for f := range fieldsOf(args) {
		switch v := f.value.Interface().(type) {
		case string:
			c.text(f.input, v)
		case []string:
			for _, s := range v {
				if !c.text(f.input, s) {
					break
				}
			}
		case attributes:
			for key, value := range v {
				if !c.text(f.input, key+string(value)) {
					break
				}
			}
		}
	}
}

// name is a problem unless s can name a thing.
func (c *checks) name(input, s string) {
	switch n := utf8.RuneCountInString(s); {
	case strings.TrimSpace(s) == "":
		c.add(input, "is required: no name is made up here")
	case n > maxName:
		c.add(input, "has %d characters, Keycloak takes %d", n, maxName)
	}
}

// length is a problem if a text is longer than its column, for which Keycloak answers 500.
func (c *checks) length(input string, texts ...string) {
	for _, s := range texts {
		if n := utf8.RuneCountInString(s); n > maxName {
			c.add(input, "has %d characters, Keycloak takes %d", n, maxName)
		}
	}
}

// segment is a problem unless s can name a thing and be a part of its address.
func (c *checks) segment(input, s string) {
	c.name(input, s)
	if s == "." || s == ".." {
		c.add(input, "must not be %q: it is part of an address", s)
	}
}

// word is a problem unless s is made of letters and digits of any script and of the characters that need no escape in
// an address.
func (c *checks) word(input, s string) {
	c.segment(input, s)
	for _, r := range s {
		if !unicode.In(r, unicode.L, unicode.M, unicode.N) && !strings.ContainsRune("-_.~", r) {
			c.add(input, "%q must be made of letters, digits and - _ . ~, without %q", s, r)
			return
		}
	}
}

// The longest path in which Keycloak stores a realm's name is that of the account console's pages, of 255 characters.
const maxRealmPath = maxName - len("/realms/") - len("/account/*")

// realmName is a problem unless s can name a realm.
func (c *checks) realmName(input, s string) {
	c.word(input, s)
	if n := len(url.PathEscape(s)); n > maxRealmPath && n > 0 && utf8.RuneCountInString(s) <= maxName {
		c.add(input, "has %d characters as part of an address, Keycloak takes %d", n, maxRealmPath)
	}
}

// required is a problem if there is nothing.
func (c *checks) required(input, s string) {
	if s == "" {
		c.add(input, "is required")
	}
}

// oneOf is a problem unless s is one of the values.
func (c *checks) oneOf(input, s string, values ...string) {
	if !slices.Contains(values, s) {
		c.add(input, "%q is not one of %s", s, strings.Join(values, ", "))
	}
}

// durations is a problem if one of the fields in seconds is no length of time in whole seconds.
func (c *checks) durations(args any) {
	for f := range fieldsOf(args) {
		s, ok := f.value.Interface().(string)
		if !ok || f.form != "seconds" || s == "" {
			continue
		}
		d, err := time.ParseDuration(s)
		switch {
		case err != nil:
			c.add(f.input, "%q is no duration: write one such as 30m or 10h", s)
		case d < 0:
			c.add(f.input, "%q must not be negative", s)
		case d%time.Second != 0:
			c.add(f.input, "%q has a fraction of a second, Keycloak counts in seconds", s)
		case d/time.Second > maxSeconds:
			c.add(f.input, "%q is too long: Keycloak takes up to %d seconds", s, maxSeconds)
		}
	}
}

// maxSeconds is what Keycloak's 32 bits hold.
const maxSeconds = 1<<31 - 1

// sameDuration compares two values of an input: those that are in seconds by the length of time that they say.
func sameDuration(args any) func(input string, a, b any) bool {
	inputs := map[string]bool{}
	for f := range fieldsOf(args) {
		inputs[f.input] = f.form == "seconds"
	}
	return func(input string, a, b any) bool {
		if !inputs[input] {
			return false
		}
		ad, err := time.ParseDuration(fmt.Sprint(a))
		bd, err2 := time.ParseDuration(fmt.Sprint(b))
		return err == nil && err2 == nil && ad == bd
	}
}

// sameSet says that two lists have the same members.
func sameSet(a, b any) bool {
	return isList(a) && isList(b) && slices.Equal(members(a), members(b))
}

func isList(v any) bool {
	switch v.(type) {
	case []any, []string:
		return true
	}
	return false
}

func members(v any) []string {
	return slices.Compact(slices.Sorted(slices.Values(texts(v))))
}

// wait pauses, unless the context ends first.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return fmt.Errorf("wait for Keycloak: %w", ctx.Err())
	case <-timer.C:
		return nil
	}
}
