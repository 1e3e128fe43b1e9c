package application

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"plattr.dev/plattr/components/instance"
)

// instances are the images of the servers that are the application's own.
func (c Config) instances() map[instance.Kind]string {
	return map[instance.Kind]string{instance.Redis: c.OwnRedis, instance.OpenSearch: c.OwnSearch}
}

// addInstances makes the servers that are the application's own.
func addInstances(ctx *pulumi.Context, c Config, outputs pulumi.Map) error {
	if c.OwnRedis == "" && c.OwnSearch == "" {
		return nil
	}
	with, err := c.providers(ctx, partInstances)
	if err != nil {
		return err
	}
	for _, part := range []struct {
		kind   instance.Kind
		output string
	}{{instance.Redis, OutputRedisURL}, {instance.OpenSearch, OutputSearchURL}} {
		image := c.instances()[part.kind]
		if image == "" {
			continue
		}
		made, err := instance.New(ctx, c.App, &instance.Args{App: c.Place, Kind: part.kind, Image: image}, with)
		if err != nil {
			return err
		}
		outputs[part.output] = made.URL
	}
	if c.OwnSearch != "" {
		outputs[OutputSearchPrefix] = pulumi.String(c.SearchPrefix)
	}
	return nil
}
