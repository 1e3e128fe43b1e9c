package sdk

import (
	"fmt"
	"reflect"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// RedisUser is an application's login to a Redis that is its alone.
type RedisUser struct {
	pulumi.CustomResourceState

	Name pulumi.StringOutput `pulumi:"name"`
}

// RedisUserArgs describe a RedisUser. Name and password are required.
type RedisUserArgs struct {
	Name, Password pulumi.StringInput
	// Flush deletes what the server holds, all of it, with the user.
	Flush pulumi.BoolPtrInput
}

type redisUserArgs struct {
	Name     string `pulumi:"name"`
	Password string `pulumi:"password"`
	Flush    *bool  `pulumi:"flush"`
}

// ElementType makes RedisUserArgs an input.
func (RedisUserArgs) ElementType() reflect.Type { return reflect.TypeFor[redisUserArgs]() }

// NewRedisUser registers a RedisUser.
func NewRedisUser(ctx *pulumi.Context, name string, args *RedisUserArgs, opts ...pulumi.ResourceOption) (*RedisUser, error) {
	in := *args
	in.Password = pulumi.ToSecret(in.Password).(pulumi.StringOutput)
	u := &RedisUser{}
	opts = append(opts, pulumi.AdditionalSecretOutputs([]string{"password"}))
	if err := ctx.RegisterResource(RedisUserType, name, in, u, opts...); err != nil {
		return nil, fmt.Errorf("register Redis user %q: %w", name, err)
	}
	return u, nil
}

// SearchSpace is all indices whose names begin with a prefix. It takes them along when it goes.
type SearchSpace struct {
	pulumi.CustomResourceState

	Prefix pulumi.StringOutput `pulumi:"prefix"`
}

// SearchSpaceArgs describe a SearchSpace.
type SearchSpaceArgs struct {
	// Prefix ends in two hyphens.
	Prefix pulumi.StringInput
	// Username and Password make a user for just these indices, where the server runs the security plugin; nil elsewhere.
	Username, Password pulumi.StringPtrInput
}

type searchSpaceArgs struct {
	Prefix   string  `pulumi:"prefix"`
	Username *string `pulumi:"username"`
	Password *string `pulumi:"password"`
}

// ElementType makes SearchSpaceArgs an input.
func (SearchSpaceArgs) ElementType() reflect.Type { return reflect.TypeFor[searchSpaceArgs]() }

// NewSearchSpace registers a SearchSpace.
func NewSearchSpace(ctx *pulumi.Context, name string, args *SearchSpaceArgs, opts ...pulumi.ResourceOption) (*SearchSpace, error) {
	in := *args
	if in.Password != nil {
		in.Password = pulumi.ToSecret(in.Password).(pulumi.StringPtrInput)
	}
	s := &SearchSpace{}
	opts = append(opts, pulumi.AdditionalSecretOutputs([]string{"password"}))
	if err := ctx.RegisterResource(SearchSpaceType, name, in, s, opts...); err != nil {
		return nil, fmt.Errorf("register search space %q: %w", name, err)
	}
	return s, nil
}

// IdentityMetadata is what an identity provider says of itself.
type IdentityMetadata struct {
	pulumi.CustomResourceState

	EntityID         pulumi.StringOutput `pulumi:"entityId"`
	AuthorizationURL pulumi.StringOutput `pulumi:"authorizationUrl"`
	TokenURL         pulumi.StringOutput `pulumi:"tokenUrl"`
	UserInfoURL      pulumi.StringOutput `pulumi:"userInfoUrl"`
	JWKSURL          pulumi.StringOutput `pulumi:"jwksUrl"`
	LogoutURL        pulumi.StringOutput `pulumi:"logoutUrl"`
	SignOnURL        pulumi.StringOutput `pulumi:"singleSignOnUrl"`
	SignOutURL       pulumi.StringOutput `pulumi:"singleLogoutUrl"`
	Certificate      pulumi.StringOutput `pulumi:"certificate"`
}

// IdentityMetadataArgs describe an IdentityMetadata: one of the two is given.
type IdentityMetadataArgs struct {
	// Issuer is that of an OpenID Connect provider, MetadataURL a document of OpenID Connect or of SAML.
	Issuer, MetadataURL pulumi.StringPtrInput
}

type identityMetadataArgs struct {
	Issuer      *string `pulumi:"issuer"`
	MetadataURL *string `pulumi:"metadataUrl"`
}

// ElementType makes IdentityMetadataArgs an input.
func (IdentityMetadataArgs) ElementType() reflect.Type {
	return reflect.TypeFor[identityMetadataArgs]()
}

// NewIdentityMetadata registers an IdentityMetadata.
func NewIdentityMetadata(
	ctx *pulumi.Context, name string, args *IdentityMetadataArgs, opts ...pulumi.ResourceOption,
) (*IdentityMetadata, error) {
	m := &IdentityMetadata{}
	if err := ctx.RegisterResource(IdentityMetadataType, name, *args, m, opts...); err != nil {
		return nil, fmt.Errorf("register identity provider metadata %q: %w", name, err)
	}
	return m, nil
}
