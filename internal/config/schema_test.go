package config

import (
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the committed schema")

func TestSchemaIsCommitted(t *testing.T) {
	t.Parallel()
	for file, schema := range map[string]struct{ generate, committed func() ([]byte, error) }{
		"plattr.schema.json":          {generateSchema, Schema},
		"plattr.platform.schema.json": {generatePlatformSchema, PlatformSchema},
	} {
		want, err := schema.generate()
		if err != nil {
			t.Fatal(err)
		}
		if *update {
			if err := os.WriteFile(filepath.Join("schema", file), want, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		got, err := schema.committed()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("run `go test ./internal/config -run TestSchemaIsCommitted -update`\n%s", diff)
		}
	}
}

func TestEveryFieldHasARule(t *testing.T) {
	t.Parallel()
	have := rules()
	used := map[string]bool{}
	var walk func(reflect.Type)
	walk = func(typ reflect.Type) {
		switch typ.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Map:
			walk(typ.Elem())
		case reflect.Struct:
			for _, f := range fields(typ) {
				used[f.rule], used[f.rule+"[]"] = true, true
				if have[f.rule].doc == "" {
					t.Errorf("%s has no description", f.rule)
				}
				walk(f.typ)
			}
		}
	}
	walk(reflect.TypeFor[App]())
	walk(reflect.TypeFor[Platform]())
	for key, r := range have {
		if !used[key] {
			t.Errorf("the rule %s has no field", key)
		}
		if (r.pattern == "") != (r.words == "") || (r.keyPattern == "") != (r.keyWords == "") {
			t.Errorf("%s: a pattern and its words go together", key)
		}
	}
}

func TestWriteSchema(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for range 2 {
		if err := WriteSchema(dir); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(filepath.Join(dir, SchemaPath))
	if err != nil || !strings.Contains(string(got), "draft-07") {
		t.Errorf("%v: %.60s", err, got)
	}
}

func TestClosest(t *testing.T) {
	t.Parallel()
	known := []string{"database", "storage", "env", "environments", "schemaName"}
	for in, want := range map[string]string{
		"databse": "database", "Database": "database", "stroage": "storage", "schema_name": "schemaName",
		"envs": "env", "xyz": "", "": "", "environ": "environments",
	} {
		if got := closest(in, known); got != want {
			t.Errorf("closest(%q) = %q, want %q", in, got, want)
		}
	}
}
