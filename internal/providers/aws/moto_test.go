package aws

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"plattr.dev/plattr/internal/testutil"
)

// TestOnMoto is what versitygw answers with NotImplemented, and so cannot be tested on the server that laptops get.
// The rest runs here too, because a second server shows what is S3 and what is versitygw.
func TestOnMoto(t *testing.T) {
	t.Parallel()
	cases := lifecycles()
	cases["PublicAccessBlock"] = lifecycle{
		reason: "The block keeps a bucket from being opened by accident.",
		token:  blockToken,
		inputs: func(bucket, _ string) props {
			return props{"bucket": bucket, "blockPublicAcls": true, "blockPublicPolicy": true}
		},
		changed: func(bucket, _ string) props {
			return props{"bucket": bucket, "blockPublicAcls": true, "restrictPublicBuckets": true}
		},
		wantDiff: []string{"blockPublicPolicy", "restrictPublicBuckets"},
		drift: func(ctx context.Context, s *testutil.S3Server, _ *testutil.Resource, bucket, _ string) error {
			_, err := admin(s).PutPublicAccessBlock(ctx, &s3.PutPublicAccessBlockInput{
				Bucket:                         &bucket,
				PublicAccessBlockConfiguration: &s3types.PublicAccessBlockConfiguration{IgnorePublicAcls: aws.Bool(true)},
			})
			return err
		},
		wantDrift: []string{"blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls"},
		vanish: func(ctx context.Context, s *testutil.S3Server, _ *testutil.Resource, bucket, _ string) error {
			_, err := admin(s).DeletePublicAccessBlock(ctx, &s3.DeletePublicAccessBlockInput{Bucket: &bucket})
			return err
		},
	}
	cases["Encryption"] = lifecycle{
		reason:   "Encryption by default is a setting of the bucket.",
		token:    encryptionToken,
		inputs:   encryptionInputs("AES256"),
		changed:  encryptionInputs("aws:kms"),
		wantDiff: []string{"rules"},
		drift: func(ctx context.Context, s *testutil.S3Server, _ *testutil.Resource, bucket, _ string) error {
			_, err := admin(s).PutBucketEncryption(ctx, &s3.PutBucketEncryptionInput{
				Bucket: &bucket,
				ServerSideEncryptionConfiguration: &s3types.ServerSideEncryptionConfiguration{
					Rules: []s3types.ServerSideEncryptionRule{{
						ApplyServerSideEncryptionByDefault: &s3types.ServerSideEncryptionByDefault{SSEAlgorithm: "aws:kms"},
					}},
				},
			})
			return err
		},
		wantDrift: []string{"rules"},
		vanish: func(ctx context.Context, s *testutil.S3Server, _ *testutil.Resource, bucket, _ string) error {
			_, err := admin(s).DeleteBucketEncryption(ctx, &s3.DeleteBucketEncryptionInput{Bucket: &bucket})
			return err
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			runLifecycle(t, testutil.Moto(t), tc)
		})
	}
}

func encryptionInputs(algorithm string) func(string, string) props {
	return func(bucket, _ string) props {
		return props{"bucket": bucket, "rules": []any{
			props{"applyServerSideEncryptionByDefault": props{"sseAlgorithm": algorithm}, "bucketKeyEnabled": false},
		}}
	}
}

// TestNotImplemented is how versitygw's answer reads: the platform's capabilities are wrong then.
func TestNotImplemented(t *testing.T) {
	t.Parallel()
	p, name := newProvider(t, testutil.S3(t), "mine"), unique(t, "plain")
	makeBucket(t, p, name)
	_, err := p.Create(t, blockToken, props{"bucket": name})
	wantError(t, err, "public access block", name, "has no such feature (NotImplemented)")
	_, err = p.Create(t, encryptionToken, encryptionInputs("AES256")(name, ""))
	wantError(t, err, "encryption", name, "has no such feature (NotImplemented)")
}

// TestServerWithoutCreateTags: moto ignores the tags of CreateBucket, as other servers do; the mark comes second.
func TestServerWithoutCreateTags(t *testing.T) {
	t.Parallel()
	s, name := testutil.Moto(t), unique(t, "second")
	makeBucket(t, newProvider(t, s, "mine"), name)
	res, err := admin(s).GetBucketTagging(t.Context(), &s3.GetBucketTaggingInput{Bucket: &name})
	if err != nil || len(res.TagSet) != 1 || aws.ToString(res.TagSet[0].Value) != "plattr/mine" {
		t.Errorf("the bucket's tags are %v: %v", res, err)
	}
	_, err = newProvider(t, s, "theirs").Create(t, bucketToken, props{"bucket": name})
	wantError(t, err, "belongs to stack plattr/mine")
}
