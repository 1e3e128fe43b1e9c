// Package redis gives an application a login, with a password of its own, to a Redis that is its alone.
package redis

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"plattr.dev/plattr/internal/providers/plattr/sdk"
)

// Type is the Pulumi type token; changing it replaces every deployed login.
const Type = "plattr:components:Redis"

// Args is what a Redis needs. The component takes its provider, plattr, from its resource options.
type Args struct {
	// Host and Port are those of the server as the application sees it. TLS makes the URL one of rediss.
	Host string
	Port int
	TLS  bool
	// User is the application's name on the server.
	User string
	// OwnServer says that the server goes when the application does, and the user with it.
	OwnServer bool
	// Discard deletes the user and the data of an own server where the server stays.
	Discard bool
}

// Redis is an application's login.
type Redis struct {
	pulumi.ResourceState

	// URL holds the password, and is secret.
	URL pulumi.StringOutput
}

// New registers a Redis and its parts.
func New(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*Redis, error) {
	if err := args.validate(); err != nil {
		return nil, fmt.Errorf("redis %q: %w", name, err)
	}
	r := &Redis{}
	if err := ctx.RegisterComponentResource(Type, name, r, opts...); err != nil {
		return nil, fmt.Errorf("register redis %q: %w", name, err)
	}
	password, err := sdk.NewSecret(ctx, name+"-redis-password", nil, pulumi.Parent(r))
	if err != nil {
		return nil, fmt.Errorf("redis %q: %w", name, err)
	}
	userArgs := &sdk.RedisUserArgs{Name: pulumi.String(args.User), Password: password.Value}
	if args.OwnServer && args.Discard {
		userArgs.Flush = pulumi.Bool(true)
	}
	user, err := sdk.NewRedisUser(ctx, name, userArgs, pulumi.Parent(r), pulumi.RetainOnDelete(args.OwnServer && !args.Discard))
	if err != nil {
		return nil, fmt.Errorf("redis %q: %w", name, err)
	}
	r.URL = pulumi.ToSecret(pulumi.All(user.Name, password.Value).ApplyT(func(v []any) string {
		return args.url(v[0].(string), v[1].(string))
	})).(pulumi.StringOutput)
	return r, ctx.RegisterResourceOutputs(r, pulumi.Map{"url": r.URL}) //nolint:wrapcheck // there is nothing to add
}

func (a *Args) validate() error {
	var errs []error
	if a.Host == "" || a.Port < 1 || a.Port > 65535 {
		errs = append(errs, fmt.Errorf("%q, port %d, is no server", a.Host, a.Port))
	}
	if a.User == "" {
		errs = append(errs, errors.New("the user has no name"))
	}
	return errors.Join(errs...)
}

func (a *Args) url(user, password string) string {
	u := url.URL{
		Scheme: map[bool]string{false: "redis", true: "rediss"}[a.TLS], User: url.UserPassword(user, password),
		Host: net.JoinHostPort(a.Host, strconv.Itoa(a.Port)), Path: "/0",
	}
	return u.String()
}
