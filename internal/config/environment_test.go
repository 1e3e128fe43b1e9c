package config_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plattr.dev/plattr/internal/config"
	"plattr.dev/plattr/operator/api/v1alpha1"
)

const overridden = head + `
scaling: {min: 3, max: 9}
env: {A: base, B: base}
database: {extensions: [citext]}
local: {env: {C: laptop}}
environments:
  production:
    domain: shop.example.com
    scaling: {max: 50}
    resources: {cpu: "1"}
    env: {B: production, D: production}
  preview: {scaling: {max: 4}}
`

func TestFor(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason, env string
		scaling     v1alpha1.ScalingSpec
		cpu, domain string
		vars        map[string]string
	}{
		"local":      {"The laptop runs one.", "local", v1alpha1.ScalingSpec{Min: 1, Max: 1, TargetCPU: 70}, "100m", "", map[string]string{"A": "base", "B": "base"}},
		"preview":    {"A preview runs one or two, unless the file says more.", "preview", v1alpha1.ScalingSpec{Min: 1, Max: 4, TargetCPU: 70}, "100m", "", map[string]string{"A": "base", "B": "base"}},
		"staging":    {"Without overrides the base holds.", "staging", v1alpha1.ScalingSpec{Min: 3, Max: 9, TargetCPU: 70}, "100m", "", map[string]string{"A": "base", "B": "base"}},
		"production": {"Overrides replace what they name.", "production", v1alpha1.ScalingSpec{Min: 3, Max: 50, TargetCPU: 70}, "1", "shop.example.com", map[string]string{"A": "base", "B": "production", "D": "production"}},
	}
	app, err := config.Parse("plattr.yaml", []byte(overridden))
	if err != nil {
		t.Fatal(err)
	}
	before, err := json.Marshal(app)
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range cases {
		got, err := app.For(tc.env)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tc.scaling, got.Scaling) + cmp.Diff(tc.vars, got.Env) +
			cmp.Diff(tc.domain, got.Domain) + cmp.Diff(tc.cpu, got.Resources.CPU); diff != "" {
			t.Errorf("%s: %s\n%s", name, tc.reason, diff)
		}
		got.Env["A"], got.Local.Env["C"], got.Database.Extensions[0] = "changed", "changed", "changed"
	}
	after, err := json.Marshal(app)
	if err != nil || string(before) != string(after) {
		t.Errorf("For changed its receiver: %v\n%s\n%s", err, before, after)
	}
}

func TestForUnknown(t *testing.T) {
	t.Parallel()
	app := &config.App{Name: "x"}
	if _, err := app.For("prod"); err == nil || !strings.Contains(err.Error(), `did you mean "production"?`) {
		t.Errorf("prod: %v", err)
	}
	if _, err := app.For("moon"); err == nil || !strings.Contains(err.Error(), "one of local, preview") {
		t.Errorf("moon: %v", err)
	}
}

func TestShowForEnvironment(t *testing.T) {
	t.Parallel()
	app, err := config.Parse("plattr.yaml", []byte(overridden))
	if err != nil {
		t.Fatal(err)
	}
	production, err := app.For("production")
	if err != nil {
		t.Fatal(err)
	}
	raw, err := production.YAML()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"environment: production\n", "domain: shop.example.com\n", "  max: 50\n", "  B: production\n"} {
		if !strings.Contains(string(raw), want) {
			t.Errorf("%q is not in\n%s", want, raw)
		}
	}
	if strings.Contains(string(raw), "environments:") {
		t.Errorf("overrides are still there\n%s", raw)
	}
}
