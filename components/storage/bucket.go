package storage

import (
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/s3"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// corsMaxAge is how many seconds a browser may remember the answer to a preflight request.
const corsMaxAge = 3600

// parts declares a bucket's settings. They are its children, and gone when it is: nothing is asked to be removed from
// a bucket that goes as well.
func (d declaration) parts(name string, b Bucket, bucket *s3.BucketV2) ([]pulumi.Resource, error) {
	opts := []pulumi.ResourceOption{pulumi.Parent(bucket), pulumi.DeletedWith(bucket)}
	cors, err := s3.NewBucketCorsConfigurationV2(d.ctx, name+"-cors", &s3.BucketCorsConfigurationV2Args{
		Bucket: bucket.Bucket, CorsRules: d.corsRules(),
	}, opts...)
	if err != nil {
		return nil, fmt.Errorf("CORS rules: %w", err)
	}
	out := []pulumi.Resource{cors}
	if b.Versioned {
		versioning, err := s3.NewBucketVersioningV2(d.ctx, name+"-versioning", &s3.BucketVersioningV2Args{
			Bucket: bucket.Bucket,
			VersioningConfiguration: s3.BucketVersioningV2VersioningConfigurationArgs{
				Status: pulumi.String("Enabled"),
			},
		}, opts...)
		if err != nil {
			return nil, fmt.Errorf("versioning: %w", err)
		}
		out = append(out, versioning)
	}
	protection, err := d.protection(name, b, bucket, opts)
	if err != nil {
		return nil, err
	}
	out = append(out, protection...)
	if b.Public {
		// After the protection: AWS refuses a public policy while public policies are blocked.
		policy, err := s3.NewBucketPolicy(d.ctx, name+"-policy", &s3.BucketPolicyArgs{
			Bucket: bucket.Bucket, Policy: pulumi.String(publicReadPolicy(b.BucketName)),
		}, append(opts, pulumi.DependsOn(protection))...)
		if err != nil {
			return nil, fmt.Errorf("public-read policy: %w", err)
		}
		out = append(out, policy)
	}
	return out, nil
}

// protection declares what keeps a bucket from being opened by accident, as far as the endpoint can.
func (d declaration) protection(
	name string, b Bucket, bucket *s3.BucketV2, opts []pulumi.ResourceOption,
) ([]pulumi.Resource, error) {
	var out []pulumi.Resource
	if d.args.Capabilities.OwnershipControls {
		ownership, err := s3.NewBucketOwnershipControls(d.ctx, name+"-ownership", &s3.BucketOwnershipControlsArgs{
			Bucket: bucket.Bucket,
			Rule:   s3.BucketOwnershipControlsRuleArgs{ObjectOwnership: pulumi.String("BucketOwnerEnforced")},
		}, opts...)
		if err != nil {
			return nil, fmt.Errorf("ownership controls: %w", err)
		}
		out = append(out, ownership)
	}
	if d.args.Capabilities.PublicAccessBlock {
		block, err := s3.NewBucketPublicAccessBlock(d.ctx, name+"-public-access", &s3.BucketPublicAccessBlockArgs{
			Bucket:          bucket.Bucket,
			BlockPublicAcls: pulumi.Bool(true), IgnorePublicAcls: pulumi.Bool(true),
			BlockPublicPolicy: pulumi.Bool(!b.Public), RestrictPublicBuckets: pulumi.Bool(!b.Public),
		}, opts...)
		if err != nil {
			return nil, fmt.Errorf("public access block: %w", err)
		}
		out = append(out, block)
	}
	if d.args.Capabilities.Encryption {
		encryption, err := s3.NewBucketServerSideEncryptionConfigurationV2(d.ctx, name+"-encryption",
			&s3.BucketServerSideEncryptionConfigurationV2Args{
				Bucket: bucket.Bucket,
				Rules: s3.BucketServerSideEncryptionConfigurationV2RuleArray{
					s3.BucketServerSideEncryptionConfigurationV2RuleArgs{
						ApplyServerSideEncryptionByDefault: encryptByDefault(),
					},
				},
			}, opts...)
		if err != nil {
			return nil, fmt.Errorf("encryption: %w", err)
		}
		out = append(out, encryption)
	}
	return out, nil
}

func encryptByDefault() s3.BucketServerSideEncryptionConfigurationV2RuleApplyServerSideEncryptionByDefaultArgs {
	return s3.BucketServerSideEncryptionConfigurationV2RuleApplyServerSideEncryptionByDefaultArgs{
		SseAlgorithm: pulumi.String("AES256"),
	}
}

func (d declaration) corsRules() s3.BucketCorsConfigurationV2CorsRuleArray {
	origins := d.args.AllowedOrigins
	if len(origins) == 0 {
		origins = []string{"*"}
	}
	return s3.BucketCorsConfigurationV2CorsRuleArray{s3.BucketCorsConfigurationV2CorsRuleArgs{
		AllowedOrigins: pulumi.ToStringArray(origins),
		AllowedMethods: pulumi.ToStringArray([]string{"DELETE", "GET", "HEAD", "POST", "PUT"}),
		AllowedHeaders: pulumi.ToStringArray([]string{"*"}),
		ExposeHeaders:  pulumi.ToStringArray([]string{"ETag"}), // a browser needs it to complete a multipart upload
		MaxAgeSeconds:  pulumi.Int(corsMaxAge),
	}}
}
