package config_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plattr.dev/plattr/internal/config"
)

func TestEdit(t *testing.T) {
	t.Parallel()
	bucket := map[string]any{"name": "new"}
	cases := map[string]struct {
		reason, in, want string
		change           config.Change
	}{
		"Scalar":      {"Only the value changes.", "name: 'a' # it\n# x\nb:   1\n", "name: c # it\n# x\nb:   1\n", config.Set("name", "c")},
		"Same":        {"Nothing to change.", "name:   'a'\n", "name:   'a'\n", config.Set("name", "a")},
		"Quoting":     {"Text stays text.", "name: a\n", "name: \"true\"\n", config.Set("name", "true")},
		"Escapes":     {"Quotes within quotes.", "a: \"x\\\"y\" # k\nb: 'it''s' # l\n", "a: \"x\\\"y\" # k\nb: c # l\n", config.Set("b", "c")},
		"Unicode":     {"Columns count characters.", "ä: {ö: ü, b: 1} # ß\n", "ä: {ö: ü, b: 2} # ß\n", config.Set("ä.b", 2)},
		"Nested":      {"Deep.", "database:\n  # why\n  rest:\n    anonAccess: read # r\n  seed: x\n", "database:\n  # why\n  rest:\n    anonAccess: none # r\n  seed: x\n", config.Set("database.rest.anonAccess", "none")},
		"NewField":    {"After the section's last line.", "redis:\n    x: 1 # one\n    # more\n\n# end\nname: a\n", "redis:\n    x: 1 # one\n    # more\n    enabled: false\n\n# end\nname: a\n", config.Set("redis.enabled", false)},
		"NewSection":  {"Set off by an empty line.", "name: a\n# end", "name: a\n\nredis:\n  enabled: true\n# end", config.Set("redis.enabled", true)},
		"NewTop":      {"A plain field.", "name: a", "name: a\nframework: go\n", config.Set("framework", "go")},
		"NullSection": {"An empty section is filled.", "a: 1\nredis: # later\nb: 2\n", "a: 1\nredis: # later\n  enabled: true\nb: 2\n", config.Set("redis.enabled", true)},
		"NullScalar":  {"An empty field is filled.", "name: # n\nb: 2\n", "name: x # n\nb: 2\n", config.Set("name", "x")},
		"Flow":        {"Flow style stays.", "redis: {enabled: false} # r\n", "redis: {enabled: true} # r\n", config.Set("redis.enabled", true)},
		"FlowNew":     {"Flow style grows.", "h: {a: '}', # c\n  b: \"{\" } # r\n", "h: {a: '}', # c\n  b: \"{\", port: 1 } # r\n", config.Set("h.port", 1)},
		"FlowEmpty":   {"From nothing.", "h: {}\n", "h: {a: {b: 1}}\n", config.Set("h.a.b", 1)},
		"Append":      {"In the list's own indentation.", "s:\n  l:\n    - name: a # A\n      public: true\n    # - name: b\n  z: 1\n", "s:\n  l:\n    - name: a # A\n      public: true\n    # - name: b\n    - name: new\n  z: 1\n", config.Append("s.l", bucket)},
		"AppendFlush": {"Dashes under the key.", "l:\n- name: a\n# c\nz: 1\n", "l:\n- name: a\n- name: new\n# c\nz: 1\n", config.Append("l", bucket)},
		"AppendFlow":  {"Flow list.", "l: [a, 'b]'] # x\n", "l: [a, 'b]', c] # x\n", config.Append("l", "c")},
		"AppendFirst": {"No list yet.", "storage:\n  enabled: true\n", "storage:\n  enabled: true\n  buckets:\n    - name: new\n", config.Append("storage.buckets", bucket)},
		"AppendNull":  {"An empty list.", "l:\nz: 1\n", "l:\n  - c\nz: 1\n", config.Append("l", "c")},
		"CRLF":        {"Line ends stay.", "a: 1\r\nb:\r\n  c: 1\r\nd: 2\r\n", "a: 1\r\nb:\r\n  c: 1\r\n  e: 2\r\nd: 2\r\n", config.Set("b.e", 2)},
		"Literal":     {"After a block of text.", "a:\n  b: |\n    x\n\n    y\n\nc: 1\n", "a:\n  b: |\n    x\n\n    y\n  d: 1\n\nc: 1\n", config.Set("a.d", 1)},
		"Empty":       {"A file of comments.", "# only\n", "# only\na:\n  b: 1\n", config.Set("a.b", 1)},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := config.Edit([]byte(tc.in), tc.change)
			if err != nil {
				t.Fatalf("%s\n%v", tc.reason, err)
			}
			if diff := cmp.Diff(tc.want, string(got)); diff != "" {
				t.Errorf("%s\n%s", tc.reason, diff)
			}
		})
	}
}

func TestEditRefuses(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason, in string
		change     config.Change
		want       error
	}{
		"Alias":   {"The change would be in two places.", "a: &x {b: 1}\nc: *x\n", config.Set("c.b", 2), config.ErrEdit},
		"Anchor":  {"The same, from the other side.", "a: &x 1\nc: *x\n", config.Set("a", 2), config.ErrEdit},
		"Literal": {"A block of text is not replaced.", "a: |\n  b\n", config.Set("a", "c"), config.ErrEdit},
		"Tilde":   {"An explicit null has no room.", "a: ~\n", config.Set("a.b", "c"), config.ErrEdit},
		"Scalar":  {"A value is in the way.", "a: 1\n", config.Set("a.b", "c"), nil},
		"NoList":  {"Nothing to append to.", "a: 1\n", config.Append("a", "c"), nil},
		"Broken":  {"Not YAML.", "a: [\n", config.Set("a", "c"), nil},
		"Twice":   {"Which of the two?", "a: 1\na: 2\n", config.Set("a", "c"), nil},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := config.Edit([]byte(tc.in), tc.change)
			if err == nil || tc.want != nil && !errors.Is(err, tc.want) {
				t.Errorf("%s\n%q %v", tc.reason, got, err)
			}
		})
	}
}

func TestNewFile(t *testing.T) {
	t.Parallel()
	all := config.Options{
		Name: "board", Framework: config.NextJS, Database: true, Storage: true,
		Buckets: []string{"uploads", "invoices"}, Auth: true, Redis: true, Search: true,
	}
	raw, err := config.NewFile(all)
	if err != nil {
		t.Fatal(err)
	}
	want := `# yaml-language-server: $schema=.plattr/plattr.schema.json
name: board
framework: nextjs

database:
  enabled: true
  rest:
    # What requests without a token may do on every table: none, read or write.
    anonAccess: none

storage:
  buckets:
    - name: uploads
    - name: invoices
  enabled: true

auth:
  enabled: true

redis:
  enabled: true

search:
  enabled: true
`
	if diff := cmp.Diff(want, string(raw)); diff != "" {
		t.Error(diff)
	}
	app, err := config.Parse("plattr.yaml", raw)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(all, config.OptionsOf(app)); diff != "" {
		t.Error(diff)
	}
	for _, bad := range []config.Options{{Name: "My App"}, {Name: "a\nredis: {}"}, {Name: "a", Framework: "x"}, {Name: "a", Storage: true, Buckets: []string{"B"}}} {
		var problems *config.Error
		if _, err := config.NewFile(bad); !errors.As(err, &problems) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

func TestUpdate(t *testing.T) {
	t.Parallel()
	const in = "# mine\nname: shop # the shop\nframework: go\nstorage:\n  enabled: true\n  buckets:\n    - name: a # keep\nredis: {enabled: true}\n"
	app, err := config.Parse("plattr.yaml", []byte(in))
	if err != nil {
		t.Fatal(err)
	}
	o := config.OptionsOf(app)
	same, err := config.Update([]byte(in), o)
	if err != nil || string(same) != in {
		t.Errorf("the same options changed the file: %v\n%s", err, same)
	}
	o.Framework, o.Database, o.Redis, o.Search = config.Docker, true, false, true
	o.Buckets = []string{"b"} // a holds data: leaving it out does not remove it
	got, err := config.Update([]byte(in), o)
	if err != nil {
		t.Fatal(err)
	}
	want := "# mine\nname: shop # the shop\nframework: docker\nstorage:\n  enabled: true\n  buckets:\n    - name: a # keep\n    - name: b\n" +
		"redis: {enabled: false}\n\ndatabase:\n  enabled: true\n  rest:\n    anonAccess: read\n\nsearch:\n  enabled: true\n"
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
	if _, err := config.Update([]byte(strings.Replace(in, "shop", "Shop", 1)), o); err == nil {
		t.Error("a file with problems was edited")
	}
}
