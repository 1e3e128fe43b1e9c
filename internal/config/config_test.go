package config_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plattr.dev/plattr/internal/config"
	"plattr.dev/plattr/operator/api/v1alpha1"
)

// head begins files of cases that are about something else.
const head = "name: shop\nframework: go\n"

func TestParseDefaults(t *testing.T) {
	t.Parallel()
	scaling := v1alpha1.ScalingSpec{Min: 2, Max: 20, TargetCPU: 70}
	health := v1alpha1.HealthSpec{Path: "/healthz", Port: 3000}
	resources := v1alpha1.ResourcesSpec{CPU: "100m", Memory: "256Mi"}
	preview, local := config.PreviewSpec{TTL: "72h"}, config.LocalSpec{Port: 3000}
	cases := map[string]struct {
		reason, in string
		want       config.App
	}{
		"Shortest": {
			reason: "A name and a framework are enough.",
			in:     "name: my-app\nframework: nextjs\n",
			want: config.App{
				Name: "my-app", Framework: config.NextJS, Preview: preview, Local: local,
				ApplicationSpec: v1alpha1.ApplicationSpec{Scaling: scaling, Health: health, Resources: resources},
			},
		},
		"Services": {
			reason: "A section that is written is on, with its defaults.",
			in: "name: my-app\nframework: rails\ndatabase: {}\nstorage:\n  buckets:\n  - name: uploads\n" +
				"auth:\n  providers: [google]\nredis: {enabled: false}\n",
			want: config.App{
				Name: "my-app", Framework: config.Rails, Preview: preview, Local: local,
				ApplicationSpec: v1alpha1.ApplicationSpec{
					Scaling: scaling, Health: health, Resources: resources,
					Database: &v1alpha1.DatabaseSpec{
						Enabled: true, SchemaName: "my_app", Seed: "./seeds",
						Migrations: v1alpha1.MigrationsSpec{Path: "./migrations", Run: v1alpha1.RunJob},
						Rest:       v1alpha1.RestSpec{Enabled: true, AnonAccess: v1alpha1.AnonNone},
					},
					Storage: &v1alpha1.StorageSpec{Enabled: true, Buckets: []v1alpha1.BucketSpec{{Name: "uploads"}}},
					Auth: &v1alpha1.AuthSpec{
						Enabled: true, Providers: []v1alpha1.ProviderSpec{{Name: "google", Type: "google"}},
						RedirectPaths: []string{"/auth/keycloak/callback"},
					},
					Redis: &v1alpha1.RedisSpec{},
				},
			},
		},
		"Variables": {
			reason: "Numbers and booleans among variables are what was written.",
			in:     head + "env: {VERSION: 1.10, ON: true, EMPTY: '', DAY: 2026-01-02, BIG: 1_000}\nscaling:\n",
			want: config.App{
				Name: "shop", Framework: config.Go, Preview: preview, Local: local,
				ApplicationSpec: v1alpha1.ApplicationSpec{
					Scaling: scaling, Health: health, Resources: resources,
					Env: map[string]string{"VERSION": "1.10", "ON": "true", "EMPTY": "", "DAY": "2026-01-02", "BIG": "1_000"},
				},
			},
		},
		"Quantities": {
			reason: "YAML makes numbers of some quantities.",
			in:     head + "resources: {cpu: 0.5, memory: 1Gi}\n",
			want: config.App{
				Name: "shop", Framework: config.Go, Preview: preview, Local: local,
				ApplicationSpec: v1alpha1.ApplicationSpec{
					Scaling: scaling, Health: health, Resources: v1alpha1.ResourcesSpec{CPU: "0.5", Memory: "1Gi"},
				},
			},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := config.Parse("plattr.yaml", []byte(tc.in))
			if err != nil {
				t.Fatalf("%s\n%v", tc.reason, err)
			}
			if diff := cmp.Diff(&tc.want, got); diff != "" {
				t.Errorf("%s\n%s", tc.reason, diff)
			}
			again, err := got.YAML()
			if err != nil {
				t.Fatal(err)
			}
			back, err := config.Parse("resolved.yaml", again)
			if err != nil {
				t.Fatalf("what YAML printed is refused: %v\n%s", err, again)
			}
			if diff := cmp.Diff(got, back); diff != "" {
				t.Errorf("what YAML printed reads differently\n%s", diff)
			}
		})
	}
}

func TestLoadDetects(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, dir, "plattr.yaml", "name: shop\ndatabase: {enabled: true}\n")
	path := filepath.Join(dir, "plattr.yaml")
	if _, err := config.Load(path); err == nil || !strings.Contains(err.Error(), path+":1:1: framework: is missing") {
		t.Errorf("nothing to detect: %v", err)
	}
	write(t, dir, "go.mod", "module shop\n")
	write(t, dir, "migrations/001_a.sql", "-- +goose Up\ncreate table a ();\n")
	app, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if app.Framework != config.Go || app.Database.Migrations.Engine != v1alpha1.EngineGoose {
		t.Errorf("detected %s and %s", app.Framework, app.Database.Migrations.Engine)
	}
}

func TestLoadRefusesUnreadable(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := config.Load(filepath.Join(dir, "none.yaml")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if _, err := config.Load(dir); err == nil {
		t.Error("a directory was read as a file")
	}
	write(t, dir, "large.yaml", strings.Repeat("# ten megabytes\n", 10<<20/16))
	var problems *config.Error
	if _, err := config.Load(filepath.Join(dir, "large.yaml")); !errors.As(err, &problems) ||
		!strings.Contains(err.Error(), "larger than 1 MB") {
		t.Errorf("10 MB: %v", err)
	}
}

// TestParseHostile gives the parser what would cost a naive one time or memory.
func TestParseHostile(t *testing.T) {
	t.Parallel()
	var bomb strings.Builder
	bomb.WriteString("a: &a [x,x,x,x,x,x,x,x,x]\n")
	for c := 'b'; c < 'k'; c++ {
		prev := string(c - 1)
		bomb.WriteString(string(c) + ": &" + string(c) + " [*" + strings.Repeat(prev+",*", 8) + prev + "]\n")
	}
	cases := map[string]string{
		"Bomb":     bomb.String(),
		"BombInIt": head + "env: &a {X: a}\nenvironments: {staging: {env: *a}}\n",
		"Self":     "name: &a [*a]\n",
		"Deep":     strings.Repeat("[", 100_000),
		"DeepMap":  strings.Repeat("{a: ", 9_000),
		"Wide":     head + strings.Repeat("x: y\n", 100_000),
		"Keys":     "? " + strings.Repeat("- ", 5_000) + "x\n",
		"Quotes":   head + "env: {A: \"" + strings.Repeat("\\", 500_001),
	}
	for name, in := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			_, err := config.Parse("plattr.yaml", []byte(in))
			if err == nil || len(err.Error()) > 100_000 {
				t.Errorf("was accepted, or the error is too long: %.200v", err)
			}
			if took := time.Since(start); took > 20*time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
}

func write(t *testing.T, dir, name, content string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
