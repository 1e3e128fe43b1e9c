package deploy

import (
	"fmt"

	"plattr.dev/plattr/internal/engine"
	"plattr.dev/plattr/stacks/application"
)

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
}

// String keeps secrets out of logs.
func (c Connections) String() string { return fmt.Sprintf("connections of schema %q", c.Schema) }

// GoString keeps secrets out of logs.
func (c Connections) GoString() string { return c.String() }

func connections(outputs map[string]engine.Output) (Connections, error) {
	text := func(name string) string {
		s, _ := outputs[name].Value.(string)
		return s
	}
	c := Connections{
		DatabaseURL: text(application.OutputDatabaseURL), RestURL: text(application.OutputRestURL),
		ShadowURL: text(application.OutputShadowURL), Schema: text(application.OutputSchema),
		MigrationsSchema: text(application.OutputMigrationsSchema), Channel: text(application.OutputChannel),
		AccessKey: text(application.OutputAccessKey), SecretKey: text(application.OutputSecretKey),
		S3Endpoint: text(application.OutputS3Endpoint), S3PublicEndpoint: text(application.OutputS3PublicEndpoint),
		S3Region:  text(application.OutputS3Region),
		IssuerURL: text(application.OutputIssuerURL), AuthInternalURL: text(application.OutputAuthInternalURL),
		ClientID: text(application.OutputClientID), ClientSecret: text(application.OutputClientSecret),
		DemoUser: text(application.OutputDemoUser), DemoPassword: text(application.OutputDemoPassword),
		RedisURL: text(application.OutputRedisURL), SearchURL: text(application.OutputSearchURL),
		SearchPrefix: text(application.OutputSearchPrefix), SearchUsername: text(application.OutputSearchUsername),
		SearchPassword: text(application.OutputSearchPassword),
	}
	buckets, _ := outputs[application.OutputBuckets].Value.(map[string]any)
	for name, on := range buckets {
		server, ok := on.(string)
		if !ok {
			return c, fmt.Errorf("output %s: the name of bucket %q is not a text", application.OutputBuckets, name)
		}
		if c.Buckets == nil {
			c.Buckets = map[string]string{}
		}
		c.Buckets[name] = server
	}
	return c, nil
}
