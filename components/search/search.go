// Package search gives an application its place in OpenSearch: all indices whose names begin with its prefix and, where
// the server runs the security plugin, a user who may use just these.
package search

import (
	"errors"
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"plattr.dev/plattr/internal/providers/plattr/sdk"
)

// Type is the Pulumi type token; changing it replaces every deployed place.
const Type = "plattr:components:Search"

// Args is what a Search needs. The component takes its provider, plattr, from its resource options.
type Args struct {
	// URL is the server's as the application sees it, without credentials.
	URL string
	// Prefix begins the names of the application's indices. It ends in two hyphens.
	Prefix string
	// User is who may use just these indices; empty where the server knows no users: then the prefix is a convention.
	User string
}

// Search is an application's place in OpenSearch.
type Search struct {
	pulumi.ResourceState

	URL pulumi.StringOutput
	// Prefix is known when the place is there.
	Prefix pulumi.StringOutput
	// Username and Password are empty where the server knows no users. Password is secret.
	Username, Password pulumi.StringOutput
}

// New registers a Search and its parts.
func New(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*Search, error) {
	if args.URL == "" || args.Prefix == "" {
		return nil, fmt.Errorf("search %q: %w", name, errors.New("URL and Prefix are required"))
	}
	s := &Search{}
	if err := ctx.RegisterComponentResource(Type, name, s, opts...); err != nil {
		return nil, fmt.Errorf("register search %q: %w", name, err)
	}
	space := &sdk.SearchSpaceArgs{Prefix: pulumi.String(args.Prefix)}
	s.Username, s.Password = pulumi.String(args.User).ToStringOutput(), pulumi.String("").ToStringOutput()
	if args.User != "" {
		password, err := sdk.NewSecret(ctx, name+"-search-password", nil, pulumi.Parent(s))
		if err != nil {
			return nil, fmt.Errorf("search %q: %w", name, err)
		}
		s.Password = strong(password.Value)
		space.Username, space.Password = pulumi.String(args.User), s.Password
	}
	made, err := sdk.NewSearchSpace(ctx, name, space, pulumi.Parent(s))
	if err != nil {
		return nil, fmt.Errorf("search %q: %w", name, err)
	}
	s.Prefix = made.Prefix
	s.URL = made.Prefix.ApplyT(func(string) string { return args.URL }).(pulumi.StringOutput)
	return s, ctx.RegisterResourceOutputs(s, pulumi.Map{ //nolint:wrapcheck // there is nothing to add
		"url": s.URL, "prefix": s.Prefix, "username": s.Username, "password": s.Password,
	})
}

// strong makes a random value one that OpenSearch's rule for passwords takes: capitals, small letters, digits and others.
func strong(value pulumi.StringOutput) pulumi.StringOutput {
	return pulumi.ToSecret(value.ApplyT(func(v string) string { return "Aa0-" + v })).(pulumi.StringOutput)
}
