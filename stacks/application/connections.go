package application

import (
	"fmt"

	"plattr.dev/plattr/internal/environ"
)

// ConnectionsOf reads the outputs of the program.
func ConnectionsOf(outputs map[string]any) (environ.Connections, error) {
	text := func(name string) string {
		s, _ := outputs[name].(string)
		return s
	}
	c := environ.Connections{
		DatabaseURL: text(OutputDatabaseURL), RestURL: text(OutputRestURL),
		ShadowURL: text(OutputShadowURL), Schema: text(OutputSchema),
		MigrationsSchema: text(OutputMigrationsSchema), Channel: text(OutputChannel),
		AccessKey: text(OutputAccessKey), SecretKey: text(OutputSecretKey),
		S3Endpoint: text(OutputS3Endpoint), S3PublicEndpoint: text(OutputS3PublicEndpoint),
		S3Region:  text(OutputS3Region),
		IssuerURL: text(OutputIssuerURL), AuthInternalURL: text(OutputAuthInternalURL),
		ClientID: text(OutputClientID), ClientSecret: text(OutputClientSecret),
		DemoUser: text(OutputDemoUser), DemoPassword: text(OutputDemoPassword),
		RedisURL: text(OutputRedisURL), SearchURL: text(OutputSearchURL),
		SearchPrefix: text(OutputSearchPrefix), SearchUsername: text(OutputSearchUsername),
		SearchPassword: text(OutputSearchPassword),
	}
	var err error
	c.Buckets, err = texts(outputs[OutputBuckets])
	if err != nil {
		return c, fmt.Errorf("output %s: %w", OutputBuckets, err)
	}
	return c, nil
}

// texts reads a map of texts, as the program or the state has it.
func texts(value any) (map[string]string, error) {
	if same, ok := value.(map[string]string); ok {
		return same, nil
	}
	values, _ := value.(map[string]any)
	var out map[string]string
	for name, v := range values {
		text, ok := v.(string)
		if !ok {
			return nil, fmt.Errorf("the value of %q is not a text", name)
		}
		if out == nil {
			out = map[string]string{}
		}
		out[name] = text
	}
	return out, nil
}
