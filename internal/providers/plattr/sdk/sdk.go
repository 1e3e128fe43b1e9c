// Package sdk holds the types with which Pulumi programs declare the resources of plattr's own provider. It knows
// nothing of the provider, so that components may import it.
package sdk

import (
	"crypto/md5" //nolint:gosec // shortens a name, protects nothing
	"encoding/hex"
	"fmt"
	"reflect"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Type tokens; changing one replaces every deployed resource.
const (
	SecretType            = "plattr:index:Secret"
	DatabaseBootstrapType = "plattr:index:DatabaseBootstrap"
	RedisUserType         = "plattr:index:RedisUser"
	SearchSpaceType       = "plattr:index:SearchSpace"
	IdentityMetadataType  = "plattr:index:IdentityMetadata"
	ProviderType          = "pulumi:providers:plattr"
)

// Provider is an instance of plattr's provider.
type Provider struct{ pulumi.ProviderResourceState }

// ProviderArgs configure a Provider.
type ProviderArgs struct {
	// BootstrapURL logs in as somebody who may create event triggers. Only DatabaseBootstrap needs it.
	BootstrapURL pulumi.StringPtrInput
	// RedisURL logs in as somebody who may make users. Only RedisUser needs it.
	RedisURL pulumi.StringPtrInput
	// SearchURL is OpenSearch's, with an administrator's credentials where it wants some. Only SearchSpace needs it.
	SearchURL pulumi.StringPtrInput
	// ConnectTimeout is in seconds; 10 when nil.
	ConnectTimeout pulumi.IntPtrInput
}

type providerArgs struct {
	BootstrapURL   *string `pulumi:"bootstrapUrl"`
	RedisURL       *string `pulumi:"redisUrl"`
	SearchURL      *string `pulumi:"searchUrl"`
	ConnectTimeout *int    `pulumi:"connectTimeout"`
}

// ElementType makes ProviderArgs an input.
func (ProviderArgs) ElementType() reflect.Type { return reflect.TypeFor[providerArgs]() }

// NewProvider registers an instance of plattr's provider.
func NewProvider(
	ctx *pulumi.Context, name string, args *ProviderArgs, opts ...pulumi.ResourceOption,
) (*Provider, error) {
	in := ProviderArgs{}
	if args != nil {
		in = *args
	}
	for _, url := range []*pulumi.StringPtrInput{&in.BootstrapURL, &in.RedisURL, &in.SearchURL} {
		if *url != nil {
			*url = pulumi.ToSecret(*url).(pulumi.StringPtrInput)
		}
	}
	p := &Provider{}
	if err := ctx.RegisterResource(ProviderType, name, in, p, opts...); err != nil {
		return nil, fmt.Errorf("register provider %q: %w", name, err)
	}
	return p, nil
}

// Secret is a value that is made once and kept in the state, encrypted.
type Secret struct {
	pulumi.CustomResourceState

	// Value is secret.
	Value pulumi.StringOutput `pulumi:"value"`
}

// SecretArgs describe a Secret.
type SecretArgs struct {
	// Length is in bytes of randomness, 16 to 256; 32 when nil.
	Length pulumi.IntPtrInput
	// Initial is the value while Generation is nil or empty; random when nil. It counts when the secret is made.
	Initial pulumi.StringPtrInput
	// Generation names the value: another name makes a new, random one. Nothing else does.
	Generation pulumi.StringPtrInput
}

type secretArgs struct {
	Length     *int    `pulumi:"length"`
	Initial    *string `pulumi:"initial"`
	Generation *string `pulumi:"generation"`
}

// ElementType makes SecretArgs an input.
func (SecretArgs) ElementType() reflect.Type { return reflect.TypeFor[secretArgs]() }

// NewSecret registers a Secret.
func NewSecret(
	ctx *pulumi.Context, name string, args *SecretArgs, opts ...pulumi.ResourceOption,
) (*Secret, error) {
	in := SecretArgs{}
	if args != nil {
		in = *args
	}
	if in.Initial != nil {
		in.Initial = pulumi.ToSecret(in.Initial).(pulumi.StringPtrInput)
	}
	opts = append(opts, pulumi.AdditionalSecretOutputs([]string{"value", "initial"}))
	s := &Secret{}
	if err := ctx.RegisterResource(SecretType, name, in, s, opts...); err != nil {
		return nil, fmt.Errorf("register secret %q: %w", name, err)
	}
	return s, nil
}

// DatabaseBootstrap is what a superuser does once in a database: event triggers that tell PostgREST of changes, and
// the schema `extensions`. It is shared by every application in the database and goes with it.
type DatabaseBootstrap struct {
	pulumi.CustomResourceState

	// Revision says which version of it is there.
	Revision pulumi.StringOutput `pulumi:"revision"`
}

// DatabaseBootstrapArgs describe a DatabaseBootstrap. Both are required.
type DatabaseBootstrapArgs struct {
	// Database is where.
	Database pulumi.StringInput
	// Administrator is the role that plattr works as; it gets the schema `extensions`.
	Administrator pulumi.StringInput
}

type databaseBootstrapArgs struct {
	Database      string `pulumi:"database"`
	Administrator string `pulumi:"administrator"`
}

// ElementType makes DatabaseBootstrapArgs an input.
func (DatabaseBootstrapArgs) ElementType() reflect.Type {
	return reflect.TypeFor[databaseBootstrapArgs]()
}

// NewDatabaseBootstrap registers a DatabaseBootstrap.
func NewDatabaseBootstrap(
	ctx *pulumi.Context, name string, args *DatabaseBootstrapArgs, opts ...pulumi.ResourceOption,
) (*DatabaseBootstrap, error) {
	b := &DatabaseBootstrap{}
	if err := ctx.RegisterResource(DatabaseBootstrapType, name, args, b, opts...); err != nil {
		return nil, fmt.Errorf("register database bootstrap %q: %w", name, err)
	}
	return b, nil
}

// maxChannelSchema is the longest schema name, in bytes, that fits in a channel's 63 behind "pgrst_".
const maxChannelSchema = 57

// Channel is the notification channel on which a schema's PostgREST hears of changes (PGRST_DB_CHANNEL).
func Channel(schema string) string {
	if len(schema) <= maxChannelSchema {
		return "pgrst_" + schema
	}
	sum := md5.Sum([]byte(schema)) //nolint:gosec // shortens a name, protects nothing
	return "pgrst_" + hex.EncodeToString(sum[:])
}
