package localdev

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"plattr.dev/plattr/internal/deploy"
	"plattr.dev/plattr/internal/environ"
	"plattr.dev/plattr/operator/api/v1alpha1"
)

// copied is an application with everything that a copy has of its own.
func copied() deploy.Application {
	app := shop()
	app.Spec.Redis = &v1alpha1.RedisSpec{Enabled: true}
	app.Spec.Search = &v1alpha1.SearchSpec{Enabled: true}
	return app
}

func variable(vars []environ.Variable, name string) string {
	for _, v := range vars {
		if v.Name == name {
			return v.Value
		}
	}
	return ""
}

// TestCopy makes two copies at once, uses them, and looks at what is left of them and of the application.
func TestCopy(t *testing.T) {
	t.Parallel()
	d := newDev(t, copied())
	app := up(t, d)
	c, other := copyOf(t, d), copyOf(t, d)
	for _, name := range []string{"DATABASE_URL", "POSTGREST_URL", "REDIS_URL", "OPENSEARCH_INDEX_PREFIX", "S3_BUCKET_UPLOADS", "S3_ACCESS_KEY"} {
		values := []string{variable(app.Variables, name), variable(c.Variables, name), variable(other.Variables, name)}
		if slices.Contains(values, "") || len(slices.Compact(slices.Sorted(slices.Values(values)))) != 3 {
			t.Errorf("%s: %q of the application and two copies are not three different ones", name, values)
		}
	}
	for name, same := range map[string]bool{"DATABASE_SCHEMA": true, "APP_URL": true, "OPENSEARCH_URL": true} {
		if (variable(app.Variables, name) == variable(c.Variables, name)) != same {
			t.Errorf("%s is %s in a copy", name, variable(c.Variables, name))
		}
	}
	exec(t, connect(t, variable(c.Variables, "DATABASE_URL")), "create table only_here ()")
	var there bool
	err := connect(t, variable(app.Variables, "DATABASE_URL")).QueryRow(t.Context(), "select to_regclass('only_here') is not null").Scan(&there)
	if err != nil || there {
		t.Errorf("what is made in the copy is in the application: %t, %v", there, err)
	}
	set := func(vars []environ.Variable, value string) *redis.Client {
		client := redisOf(t, vars)
		if err := client.Set(t.Context(), "k", value, 0).Err(); err != nil {
			t.Fatal(err)
		}
		return client
	}
	mine := set(app.Variables, "application")
	set(c.Variables, "copy")
	if got := mine.Get(t.Context(), "k").Val(); got != "application" {
		t.Errorf("the application's Redis has %q", got)
	}
	if err := c.Drop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := up(t, d); got.Changed() {
		t.Errorf("after a copy the application changes: %v", got.Changes)
	}
	if status(t, variable(other.Variables, "POSTGREST_URL")+"/") != 200 {
		t.Error("the other copy does not serve any more")
	}
	other.release() // as if its run had been killed
	again := copyOf(t, d)
	checkCopies(t, d, again.Name)
	again.Keep()
	if _, err := d.Destroy(t.Context(), Reports{}); err != nil { // takes the kept one along
		t.Fatal(err)
	}
	checkCopies(t, d)
}

func copyOf(t *testing.T, d *Dev) *Copy {
	t.Helper()
	c, err := d.Copy(t.Context(), Reports{}, Output{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.release() })
	return c
}

// checkCopies asks files, stacks and services which copies there are.
func checkCopies(t *testing.T, d *Dev, want ...string) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	entries, err := os.ReadDir(d.runtime.State().Join(copiesDir))
	if err != nil {
		t.Fatal(err)
	}
	var have []string
	for _, e := range entries {
		have = append(have, e.Name())
	}
	if !slices.Equal(have, want) {
		t.Errorf("copies %v, want %v", have, want)
	}
	s, err := d.runtime.Status(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, st := range s.Services {
		if strings.Contains(st.Name, "--") && !slices.ContainsFunc(want, func(name string) bool { return strings.HasSuffix(st.Name, name) }) {
			t.Errorf("service %s is left", st.Name)
		}
	}
	stacks, err := os.ReadDir(d.runtime.State().Join("pulumi", ".pulumi", "stacks", Project))
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // the last stack takes its folder along
		t.Fatal(err)
	}
	for _, e := range stacks {
		if strings.HasPrefix(e.Name(), "copy-") && !slices.ContainsFunc(want, func(name string) bool { return strings.HasPrefix(e.Name(), "copy-"+name) }) {
			t.Errorf("stack %s is left", e.Name())
		}
	}
}
