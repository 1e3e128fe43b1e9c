// Package environ says what an application finds in its environment: which variables, with which names, of what it has on
// the servers. It is the same on the laptop and in a cluster.
package environ

import (
	"maps"
	"slices"

	"plattr.dev/plattr/internal/config/names"
)

// Variable is one entry of the application's environment.
type Variable struct {
	// Part says what it belongs to, one of the constants.
	Part, Name, Value string
	// Secret values are masked wherever they are shown.
	Secret bool
}

// REST is where PostgREST answers; empty where an application has no REST API.
type REST struct {
	// URL is for browsers, InternalURL from where the application runs.
	URL, InternalURL string
}

// SameREST is a REST API that browsers and the application find at one address, or none if it is empty.
func SameREST(url string) REST { return REST{URL: url, InternalURL: url} }

// The parts of an application's environment, in the order in which they are written.
const (
	PartDatabase    = "database"
	PartStorage     = "storage"
	PartAuth        = "auth"
	PartRedis       = "redis"
	PartSearch      = "search"
	PartApplication = "application"
)

// Variables is what the application finds in its environment, in a stable order. rest says where PostgREST answers.
func Variables(c Connections, rest REST) []Variable {
	var vars []Variable
	if c.DatabaseURL != "" {
		vars = append(vars, databaseVariables(c, rest)...)
	}
	if len(c.Buckets) > 0 {
		vars = append(vars, storageVariables(c)...)
	}
	add := func(part, name, value string, secret bool) {
		if value != "" {
			vars = append(vars, Variable{Part: part, Name: name, Value: value, Secret: secret})
		}
	}
	add(PartAuth, "AUTH_ISSUER_URL", c.IssuerURL, false)
	add(PartAuth, "AUTH_INTERNAL_URL", c.AuthInternalURL, false)
	add(PartAuth, "AUTH_CLIENT_ID", c.ClientID, false)
	add(PartAuth, "AUTH_CLIENT_SECRET", c.ClientSecret, true)
	add(PartAuth, "AUTH_DEMO_USER", c.DemoUser, false)
	add(PartAuth, "AUTH_DEMO_PASSWORD", c.DemoPassword, true)
	add(PartRedis, "REDIS_URL", c.RedisURL, true)
	add(PartSearch, "OPENSEARCH_URL", c.SearchURL, false)
	add(PartSearch, "OPENSEARCH_INDEX_PREFIX", c.SearchPrefix, false)
	add(PartSearch, "OPENSEARCH_USERNAME", c.SearchUsername, false)
	add(PartSearch, "OPENSEARCH_PASSWORD", c.SearchPassword, true)
	add(PartSearch, "OPENSEARCH_DASHBOARDS_URL", c.DashboardsURL, false)
	return vars
}

func databaseVariables(c Connections, rest REST) []Variable {
	vars := []Variable{
		{Part: PartDatabase, Name: "DATABASE_URL", Value: c.DatabaseURL, Secret: true},
		{Part: PartDatabase, Name: "DATABASE_SCHEMA", Value: c.Schema},
	}
	if c.ShadowURL != "" {
		vars = append(vars, Variable{Part: PartDatabase, Name: "SHADOW_DATABASE_URL", Value: c.ShadowURL, Secret: true})
	}
	if rest.URL != "" {
		vars = append(vars,
			Variable{Part: PartDatabase, Name: "POSTGREST_URL", Value: rest.URL},
			Variable{Part: PartDatabase, Name: "POSTGREST_INTERNAL_URL", Value: rest.InternalURL})
	}
	return vars
}

func storageVariables(c Connections) []Variable {
	plain := func(name, value string) Variable { return Variable{Part: PartStorage, Name: name, Value: value} }
	secret := func(name, value string) Variable {
		return Variable{Part: PartStorage, Name: name, Value: value, Secret: true}
	}
	vars := []Variable{
		plain("S3_ENDPOINT", c.S3Endpoint), plain("S3_PUBLIC_ENDPOINT", c.S3PublicEndpoint), plain("S3_REGION", c.S3Region),
	}
	for _, bucket := range slices.Sorted(maps.Keys(c.Buckets)) {
		vars = append(vars, plain(names.BucketVariable(bucket), c.Buckets[bucket]))
	}
	if c.AccessKey != "" {
		vars = append(vars,
			plain("S3_ACCESS_KEY", c.AccessKey), secret("S3_SECRET_KEY", c.SecretKey),
			plain("AWS_ACCESS_KEY_ID", c.AccessKey), secret("AWS_SECRET_ACCESS_KEY", c.SecretKey),
			plain("AWS_REGION", c.S3Region), plain("AWS_ENDPOINT_URL_S3", c.S3Endpoint))
	}
	return vars
}

// Override puts the application's own values over what is there; new names come at the end, sorted.
func Override(vars []Variable, own map[string]string) []Variable {
	for _, name := range slices.Sorted(maps.Keys(own)) {
		i := slices.IndexFunc(vars, func(v Variable) bool { return v.Name == name })
		if i < 0 {
			vars = append(vars, Variable{Part: PartApplication, Name: name})
			i = len(vars) - 1
		}
		// What a person wrote may be a secret; nobody but them can tell.
		vars[i].Value, vars[i].Secret = own[name], true
	}
	return vars
}
