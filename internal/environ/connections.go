package environ

import "fmt"

// Connections is how to reach what an application has. A part that it has not is empty. URLs and keys are secrets.
type Connections struct {
	// DatabaseURL is the application's login, RestURL PostgREST's, ShadowURL that of the shadow database.
	DatabaseURL, RestURL, ShadowURL string
	Schema, MigrationsSchema        string
	// Channel is what PostgREST listens to for reloads.
	Channel string
	// Buckets are the names on the server by those of plattr.yaml.
	Buckets map[string]string
	// S3Endpoint is from where the application runs, S3PublicEndpoint from a browser.
	S3Endpoint, S3PublicEndpoint, S3Region string
	AccessKey, SecretKey                   string
	// IssuerURL is what tokens of the realm say, AuthInternalURL the realm from where the application runs.
	IssuerURL, AuthInternalURL string
	ClientID, ClientSecret     string
	DemoUser, DemoPassword     string
	RedisURL                   string
	// SearchURL is OpenSearch's, SearchPrefix begins the application's indices.
	SearchURL, SearchPrefix        string
	SearchUsername, SearchPassword string
	// DashboardsURL is OpenSearch's web pages; empty where they do not run.
	DashboardsURL string
}

// String keeps secrets out of logs.
func (c Connections) String() string { return fmt.Sprintf("connections of schema %q", c.Schema) }

// GoString keeps secrets out of logs.
func (c Connections) GoString() string { return c.String() }
