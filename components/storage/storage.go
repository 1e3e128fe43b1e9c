// Package storage gives an application its buckets and, where the endpoint can, a key for just these.
//
// plattr.yaml's maxFileSize is not here: S3 has no such limit for a bucket. Whoever signs an upload sets it, as
// content-length-range of a POST policy or as the signed Content-Length of a PUT.
package storage

import (
	"errors"
	"fmt"
	"slices"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/iam"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/s3"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Type is the Pulumi type token; changing it replaces every deployed bucket.
const Type = "plattr:components:Storage"

// OwnerTag is the tag that says which stack, as project/stack, a bucket or user belongs to. The embedded provider
// refuses what carries another; it stands in the program so that the official plugin writes it too.
const OwnerTag = "plattr:owner"

// Args is what an application asks for and what the endpoint is capable of.
type Args struct {
	// Buckets must have different names. Without any, nothing is made but the component itself.
	Buckets []Bucket
	// User is the name of the IAM user that gets a key for just these buckets, at most 64 characters. Empty means no
	// user: the endpoint has no IAM API, or the application gets its rights by web identity.
	User string
	// AllowedOrigins are the origins whose pages may call the buckets from a browser. Default: every one, for a request
	// still needs a signature or a public bucket.
	AllowedOrigins []string
	// ForceDestroy lets a bucket go with what it holds. Without it a bucket that holds anything is not removed, and the
	// run says so.
	ForceDestroy bool
	// Capabilities are those of the endpoint.
	Capabilities Capabilities
}

// Bucket is one bucket.
type Bucket struct {
	// Name is the application's name for it; resources and outputs are named after it.
	Name string
	// BucketName is its name on the server, 3 to 63 characters.
	BucketName string
	// Public lets everybody read its objects, but not list them.
	Public bool
	// Versioned keeps overwritten and deleted objects.
	Versioned bool
}

// Capabilities are features that not every S3 endpoint has: AWS has all, versitygw 1.8 has OwnershipControls only. What
// the endpoint has not is not declared.
type Capabilities struct {
	PublicAccessBlock bool
	Encryption        bool
	OwnershipControls bool
}

// Storage is an application's buckets.
type Storage struct {
	pulumi.ResourceState

	// Buckets are the names on the server by the application's names. They are known once a bucket is ready to use.
	Buckets pulumi.StringMapOutput
	// AccessKey and SecretKey open just these buckets; both are empty without a user. SecretKey is secret.
	AccessKey pulumi.StringOutput
	SecretKey pulumi.StringOutput
}

// New declares the buckets and what belongs to them. The provider comes from the options.
func New(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*Storage, error) {
	if err := args.validate(); err != nil {
		return nil, fmt.Errorf("storage %q: %w", name, err)
	}
	s := &Storage{}
	if err := ctx.RegisterComponentResource(Type, name, s, opts...); err != nil {
		return nil, fmt.Errorf("register storage %q: %w", name, err)
	}
	d := declaration{ctx: ctx, name: name, args: args, parent: s}
	buckets := pulumi.StringMap{}
	for _, b := range args.Buckets {
		ready, err := d.bucket(b)
		if err != nil {
			return nil, fmt.Errorf("storage %q: bucket %q: %w", name, b.Name, err)
		}
		buckets[b.Name] = ready
	}
	s.Buckets = buckets.ToStringMapOutput()
	if err := d.access(s); err != nil {
		return nil, fmt.Errorf("storage %q: %w", name, err)
	}
	return s, ctx.RegisterResourceOutputs(s, pulumi.Map{ //nolint:wrapcheck // there is nothing to add
		"buckets": s.Buckets, "accessKey": s.AccessKey, "secretKey": s.SecretKey,
	})
}

func (a *Args) validate() error {
	var errs []error
	for i, b := range a.Buckets {
		if b.Name == "" || b.BucketName == "" {
			errs = append(errs, fmt.Errorf("bucket %d has no name", i))
		}
		if slices.ContainsFunc(a.Buckets[:i], func(o Bucket) bool {
			return o.Name == b.Name || o.BucketName == b.BucketName
		}) {
			errs = append(errs, fmt.Errorf("bucket %q is there twice", b.Name))
		}
	}
	if n := len(userPolicy(a.Buckets)); a.User != "" && n > maxUserPolicy {
		errs = append(errs, fmt.Errorf("the rights to %d buckets take %d bytes of a user's policy, which may have %d: "+
			"use fewer buckets or shorter names", len(a.Buckets), n, maxUserPolicy))
	}
	return errors.Join(errs...)
}

// declaration is what the parts of one component share while it is declared.
type declaration struct {
	ctx    *pulumi.Context
	name   string
	args   *Args
	parent pulumi.Resource
}

func (d declaration) tags() pulumi.StringMap {
	return pulumi.StringMap{OwnerTag: pulumi.String(d.ctx.Project() + "/" + d.ctx.Stack())}
}

// access declares the user, its right to the buckets and its key.
func (d declaration) access(s *Storage) error {
	s.AccessKey, s.SecretKey = pulumi.String("").ToStringOutput(), pulumi.String("").ToStringOutput()
	if d.args.User == "" || len(d.args.Buckets) == 0 {
		return nil
	}
	under := pulumi.Parent(d.parent)
	user, err := iam.NewUser(d.ctx, d.name, &iam.UserArgs{
		Name: pulumi.String(d.args.User), ForceDestroy: pulumi.Bool(true), Tags: d.tags(),
	}, under)
	if err != nil {
		return fmt.Errorf("user: %w", err)
	}
	policy, err := iam.NewUserPolicy(d.ctx, d.name+"-buckets", &iam.UserPolicyArgs{
		Name: pulumi.String("buckets"), User: user.Name, Policy: pulumi.String(userPolicy(d.args.Buckets)),
	}, under)
	if err != nil {
		return fmt.Errorf("policy of the user: %w", err)
	}
	// After the policy: a key that is handed out works.
	key, err := iam.NewAccessKey(d.ctx, d.name+"-key", &iam.AccessKeyArgs{User: user.Name}, under,
		pulumi.DependsOn([]pulumi.Resource{policy}))
	if err != nil {
		return fmt.Errorf("access key: %w", err)
	}
	s.AccessKey = key.ID().ToStringOutput()
	s.SecretKey = pulumi.ToSecret(key.Secret).(pulumi.StringOutput)
	return nil
}

// bucket declares one bucket and what belongs to it, and returns its name, known when all of it is there.
func (d declaration) bucket(b Bucket) (pulumi.StringOutput, error) {
	name := d.name + "-" + b.Name
	bucket, err := s3.NewBucketV2(d.ctx, name, &s3.BucketV2Args{
		Bucket: pulumi.String(b.BucketName), ForceDestroy: pulumi.Bool(d.args.ForceDestroy), Tags: d.tags(),
	}, pulumi.Parent(d.parent))
	if err != nil {
		return pulumi.StringOutput{}, fmt.Errorf("bucket: %w", err)
	}
	parts, err := d.parts(name, b, bucket)
	if err != nil {
		return pulumi.StringOutput{}, err
	}
	ready := make([]any, 0, len(parts)+1)
	ready = append(ready, bucket.Bucket)
	for _, p := range parts {
		ready = append(ready, p.URN())
	}
	return pulumi.All(ready...).ApplyT(func(all []any) string {
		return all[0].(string) // the first one is the name
	}).(pulumi.StringOutput), nil
}
