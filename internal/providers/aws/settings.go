package aws

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"plattr.dev/plattr/internal/providers/embedded"
)

type publicAccessBlockArgs struct {
	Bucket                string `json:"bucket"`
	BlockPublicAcls       bool   `json:"blockPublicAcls"`
	BlockPublicPolicy     bool   `json:"blockPublicPolicy"`
	IgnorePublicAcls      bool   `json:"ignorePublicAcls"`
	RestrictPublicBuckets bool   `json:"restrictPublicBuckets"`
}

func publicAccessBlockType() embedded.Resource[*client] {
	return part[publicAccessBlockArgs]{
		token:  "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
		what:   "public access block",
		bucket: func(a *publicAccessBlockArgs) *string { return &a.Bucket },
		put: func(ctx context.Context, c *client, in publicAccessBlockArgs) error {
			_, err := c.s3.PutPublicAccessBlock(ctx, &s3.PutPublicAccessBlockInput{
				Bucket: &in.Bucket,
				PublicAccessBlockConfiguration: &s3types.PublicAccessBlockConfiguration{
					BlockPublicAcls: &in.BlockPublicAcls, BlockPublicPolicy: &in.BlockPublicPolicy,
					IgnorePublicAcls: &in.IgnorePublicAcls, RestrictPublicBuckets: &in.RestrictPublicBuckets,
				},
			})
			return err //nolint:wrapcheck // part says what was attempted
		},
		get: func(ctx context.Context, c *client, bucket string) (publicAccessBlockArgs, error) {
			res, err := c.s3.GetPublicAccessBlock(ctx, &s3.GetPublicAccessBlockInput{Bucket: &bucket})
			if err != nil {
				return publicAccessBlockArgs{}, err //nolint:wrapcheck // part says what was attempted
			}
			b := res.PublicAccessBlockConfiguration
			return publicAccessBlockArgs{
				BlockPublicAcls: aws.ToBool(b.BlockPublicAcls), BlockPublicPolicy: aws.ToBool(b.BlockPublicPolicy),
				IgnorePublicAcls: aws.ToBool(b.IgnorePublicAcls), RestrictPublicBuckets: aws.ToBool(b.RestrictPublicBuckets),
			}, nil
		},
		absent: []string{"NoSuchPublicAccessBlockConfiguration"},
		remove: func(ctx context.Context, c *client, in publicAccessBlockArgs) error {
			_, err := c.s3.DeletePublicAccessBlock(ctx, &s3.DeletePublicAccessBlockInput{Bucket: &in.Bucket})
			return err //nolint:wrapcheck // part says what was attempted
		},
	}.resource()
}

type ownershipArgs struct {
	Bucket string        `json:"bucket"`
	Rule   ownershipRule `json:"rule"`
}

type ownershipRule struct {
	ObjectOwnership string `json:"objectOwnership"`
}

func ownershipControlsType() embedded.Resource[*client] {
	return part[ownershipArgs]{
		token:  "aws:s3/bucketOwnershipControls:BucketOwnershipControls",
		what:   "ownership controls",
		bucket: func(a *ownershipArgs) *string { return &a.Bucket },
		check: func(a *ownershipArgs) []embedded.Problem {
			return oneOf("rule", a.Rule.ObjectOwnership, s3types.ObjectOwnership("").Values())
		},
		put: func(ctx context.Context, c *client, in ownershipArgs) error {
			_, err := c.s3.PutBucketOwnershipControls(ctx, &s3.PutBucketOwnershipControlsInput{
				Bucket: &in.Bucket,
				OwnershipControls: &s3types.OwnershipControls{Rules: []s3types.OwnershipControlsRule{
					{ObjectOwnership: s3types.ObjectOwnership(in.Rule.ObjectOwnership)},
				}},
			})
			return err //nolint:wrapcheck // part says what was attempted
		},
		get:    getOwnership,
		absent: []string{"OwnershipControlsNotFoundError"},
		remove: func(ctx context.Context, c *client, in ownershipArgs) error {
			_, err := c.s3.DeleteBucketOwnershipControls(ctx, &s3.DeleteBucketOwnershipControlsInput{Bucket: &in.Bucket})
			return err //nolint:wrapcheck // part says what was attempted
		},
	}.resource()
}

func getOwnership(ctx context.Context, c *client, bucket string) (ownershipArgs, error) {
	res, err := c.s3.GetBucketOwnershipControls(ctx, &s3.GetBucketOwnershipControlsInput{Bucket: &bucket})
	if err != nil {
		return ownershipArgs{}, err //nolint:wrapcheck // part says what was attempted
	}
	if res.OwnershipControls == nil || len(res.OwnershipControls.Rules) == 0 {
		return ownershipArgs{}, embedded.ErrGone
	}
	return ownershipArgs{Rule: ownershipRule{string(res.OwnershipControls.Rules[0].ObjectOwnership)}}, nil
}

type versioningArgs struct {
	Bucket                  string                  `json:"bucket"`
	VersioningConfiguration versioningConfiguration `json:"versioningConfiguration"`
}

type versioningConfiguration struct {
	// Status is Enabled, Suspended, or Disabled for a bucket that never had versions.
	Status string `json:"status"`
}

// neverVersioned is the official plugin's word for S3's empty status.
const neverVersioned = "Disabled"

func versioningType() embedded.Resource[*client] {
	return part[versioningArgs]{
		token:  "aws:s3/bucketVersioningV2:BucketVersioningV2",
		what:   "versioning",
		bucket: func(a *versioningArgs) *string { return &a.Bucket },
		check: func(a *versioningArgs) []embedded.Problem {
			return oneOf("versioningConfiguration", a.VersioningConfiguration.Status,
				[]string{"Enabled", "Suspended", neverVersioned})
		},
		put: putVersioning,
		get: func(ctx context.Context, c *client, bucket string) (versioningArgs, error) {
			res, err := c.s3.GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: &bucket})
			if err != nil {
				return versioningArgs{}, err //nolint:wrapcheck // part says what was attempted
			}
			status := string(res.Status)
			if status == "" {
				status = neverVersioned
			}
			return versioningArgs{VersioningConfiguration: versioningConfiguration{status}}, nil
		},
		// S3 cannot forget versioning: the official plugin suspends it too.
		remove: func(ctx context.Context, c *client, in versioningArgs) error {
			if in.VersioningConfiguration.Status == neverVersioned {
				return nil
			}
			in.VersioningConfiguration.Status = string(s3types.BucketVersioningStatusSuspended)
			return putVersioning(ctx, c, in)
		},
	}.resource()
}

func putVersioning(ctx context.Context, c *client, in versioningArgs) error {
	status := in.VersioningConfiguration.Status
	if status == neverVersioned {
		res, err := c.s3.GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: &in.Bucket})
		if err != nil || res.Status == "" {
			return err //nolint:wrapcheck // part says what was attempted
		}
		status = string(s3types.BucketVersioningStatusSuspended)
	}
	_, err := c.s3.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{
		Bucket:                  &in.Bucket,
		VersioningConfiguration: &s3types.VersioningConfiguration{Status: s3types.BucketVersioningStatus(status)},
	})
	return err //nolint:wrapcheck // part says what was attempted
}
