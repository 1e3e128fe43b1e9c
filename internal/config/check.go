package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"plattr.dev/plattr/internal/config/names"
	"plattr.dev/plattr/operator/api/v1alpha1"
)

// postgrestPort is where PostgREST listens in the application's pod.
const postgrestPort = 3001

// check reports what single fields cannot show: fields that contradict each
// other. What depends on a field with a problem is left out.
func (d *decoder) check(app *App) {
	d.checkScaling("scaling", app.Scaling)
	d.checkDatabase(app)
	d.checkBuckets(app.Storage)
	d.checkProviders(app.Auth)
	d.checkEnv("env", app.Env, app)
	d.checkEnv("local.env", app.Local.Env, app)
	for _, env := range slices.Sorted(maps.Keys(app.Environments)) {
		o := app.Environments[env]
		path := "environments." + env
		if o.Scaling != nil && !d.bad["scaling.min"] && !d.bad["scaling.max"] {
			d.checkScaling(path+".scaling", scalingFor(env, app.Scaling, o.Scaling))
		}
		d.checkEnv(path+".env", o.Env, app)
		if at, given := d.at[path+".domain"]; given && (env == names.Local || env == names.Preview) {
			d.problem(at, path+".domain", "%s has no domain of its own: every %s", env,
				map[string]string{names.Local: "laptop is localhost", names.Preview: "preview has its own host"}[env])
		}
	}
}

// checkScaling compares the bounds of one environment, both already merged.
func (d *decoder) checkScaling(path string, s v1alpha1.ScalingSpec) {
	low, high := path+".min", path+".max"
	if s.Max >= s.Min || d.bad[low] || d.bad[high] {
		return
	}
	if at, given := d.at[high]; given {
		d.problem(at, high, "%d is less than %s (%d)", s.Max, low, s.Min)
		return
	}
	if at, given := d.at[low]; given {
		d.problem(at, low, "%d is more than %s (%d)", s.Min, high, s.Max)
	}
}

func (d *decoder) checkDatabase(app *App) {
	if app.Database == nil {
		return
	}
	d.distinct("database.extensions", "", app.Database.Extensions)
	at, given := d.at["health.port"]
	if given && app.RestEnabled() && app.Health.Port == postgrestPort {
		d.problem(at, "health.port", "%d is PostgREST's port in the pod: take another, or set database.rest.enabled to false",
			postgrestPort)
	}
}

func (d *decoder) checkBuckets(s *v1alpha1.StorageSpec) {
	if s == nil {
		return
	}
	list := make([]string, len(s.Buckets))
	for i, b := range s.Buckets {
		list[i] = b.Name
	}
	d.distinct("storage.buckets", ".name", list)
}

// distinct reports the elements of a list that are there twice; suffix leads
// from an element to the value.
func (d *decoder) distinct(path, suffix string, values []string) {
	first := map[string]int{}
	for i, value := range values {
		at := fmt.Sprintf("%s[%d]%s", path, i, suffix)
		if value == "" || d.bad[at] {
			continue
		}
		if before, twice := first[value]; twice {
			line := d.at[fmt.Sprintf("%s[%d]%s", path, before, suffix)].line
			d.problem(d.at[at], at, "%s is given twice, first on line %d", shorten(value), line)
			continue
		}
		first[value] = i
	}
}

func (d *decoder) checkProviders(s *v1alpha1.AuthSpec) {
	if s == nil {
		return
	}
	d.distinct("auth.redirectPaths", "", s.RedirectPaths)
	ids := make([]string, len(s.Providers))
	for i, p := range s.Providers {
		ids[i] = p.Name
		path := fmt.Sprintf("auth.providers[%d]", i)
		if _, mapping := d.at[path+".name"]; mapping {
			d.checkProvider(path, p)
			continue
		}
		d.at[path+".name"] = d.at[path] // the short form
	}
	d.distinct("auth.providers", ".name", ids)
}

// checkProvider holds the addresses of a provider against its type.
func (d *decoder) checkProvider(path string, p v1alpha1.ProviderSpec) {
	issuer, hasIssuer := d.at[path+".issuer"]
	metadata, hasMetadata := d.at[path+".metadataURL"]
	if d.bad[path+".type"] || d.bad[path+".issuer"] || d.bad[path+".metadataURL"] {
		return
	}
	switch p.Type {
	case v1alpha1.ProviderGoogle, v1alpha1.ProviderGitHub:
		if hasIssuer {
			d.problem(issuer, path+".issuer", "%s has a fixed address: remove the line", p.Type)
		}
		if hasMetadata {
			d.problem(metadata, path+".metadataURL", "%s has a fixed address: remove the line", p.Type)
		}
	case v1alpha1.ProviderSAML:
		if hasIssuer {
			d.problem(issuer, path+".issuer", "saml is described by metadataURL: remove the line")
		}
		if !hasMetadata {
			d.problem(d.at[path], path, "saml needs `metadataURL:`")
		}
	case v1alpha1.ProviderOIDC:
		if hasIssuer == hasMetadata {
			d.problem(d.at[path], path, "oidc needs `issuer:` or `metadataURL:`, one of them")
		}
	}
}

// checkEnv refuses the variables that plattr sets itself.
func (d *decoder) checkEnv(path string, env map[string]string, app *App) {
	for _, name := range slices.Sorted(maps.Keys(env)) {
		at := join(path, clip(name))
		if d.bad[at] {
			continue
		}
		if by := reservedBy(name, app); by != "" {
			d.problem(d.at[at], at, "is set by plattr (%s): choose another name", by)
		}
	}
}

// reservedBy returns the part that sets a variable in the application's
// environment, or "". What is off reserves nothing: the application may have a
// DATABASE_URL of its own.
func reservedBy(name string, app *App) string {
	if strings.HasPrefix(name, "PLATTR_") {
		return "its own settings"
	}
	for _, part := range []struct {
		on             bool
		by             string
		variables      []string
		variablePrefix string
	}{
		{app.DatabaseEnabled(), "database", []string{
			"DATABASE_URL", "DATABASE_SCHEMA", "SHADOW_DATABASE_URL", "POSTGREST_URL", "POSTGREST_INTERNAL_URL",
		}, ""},
		{app.StorageEnabled(), "storage", []string{
			"S3_ENDPOINT", "S3_PUBLIC_ENDPOINT", "S3_REGION", "S3_ACCESS_KEY", "S3_SECRET_KEY",
			"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_ENDPOINT_URL_S3",
			"AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE",
		}, "S3_BUCKET_"},
		{app.AuthEnabled(), "auth", []string{
			"AUTH_ISSUER_URL", "AUTH_INTERNAL_URL", "AUTH_CLIENT_ID", "AUTH_CLIENT_SECRET",
			"AUTH_DEMO_USER", "AUTH_DEMO_PASSWORD",
		}, ""},
		{app.RedisEnabled(), "redis", []string{"REDIS_URL"}, ""},
		{app.SearchEnabled(), "search", []string{
			"OPENSEARCH_URL", "OPENSEARCH_INDEX_PREFIX", "OPENSEARCH_USERNAME", "OPENSEARCH_PASSWORD",
			"OPENSEARCH_DASHBOARDS_URL",
		}, ""},
	} {
		prefixed := part.variablePrefix != "" && strings.HasPrefix(name, part.variablePrefix)
		if part.on && (prefixed || slices.Contains(part.variables, name)) {
			return part.by
		}
	}
	return ""
}
