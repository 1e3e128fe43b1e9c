package aws

import (
	"context"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"plattr.dev/plattr/internal/testutil"
)

// lifecycle is one resource type's way through create, drift, change and delete.
type lifecycle struct {
	reason string
	token  string
	// inputs and changed are for a bucket and a user of the test.
	inputs, changed func(bucket, user string) props
	// wantDiff is what the change from inputs to changed is called.
	wantDiff []string
	// drift changes the thing behind the provider's back; wantDrift is what the next run sees.
	drift     func(ctx context.Context, s *testutil.S3Server, th *testutil.Resource, bucket, user string) error
	wantDrift []string
	// vanish removes the thing behind the provider's back; empty: what drift is for is all that can happen to it.
	vanish func(ctx context.Context, s *testutil.S3Server, th *testutil.Resource, bucket, user string) error
}

func statement(action, bucket string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"` + action + `","Resource":"arn:aws:s3:::` + bucket + `/*"}]}`
}

func publicPolicy(action, bucket string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"` + action +
		`","Resource":"arn:aws:s3:::` + bucket + `/*"}]}`
}

func corsInputs(origin string) func(string, string) props {
	return func(bucket, _ string) props {
		return props{"bucket": bucket, "corsRules": []any{
			props{"allowedMethods": []any{"GET", "PUT"}, "allowedOrigins": []any{origin}, "allowedHeaders": []any{"*"}, "maxAgeSeconds": 300},
			props{"allowedMethods": []any{"HEAD"}, "allowedOrigins": []any{"https://a.example", "https://b.example"}},
		}}
	}
}

func lifecycles() map[string]lifecycle {
	return map[string]lifecycle{
		"Cors": {
			reason: "CORS rules are compared as sets.",
			token:  corsToken, inputs: corsInputs("http://localhost:3000"), changed: corsInputs("http://localhost:3100"),
			wantDiff: []string{"corsRules"},
			drift: func(ctx context.Context, s *testutil.S3Server, _ *testutil.Resource, bucket, _ string) error {
				_, err := admin(s).PutBucketCors(ctx, &s3.PutBucketCorsInput{
					Bucket: &bucket,
					CORSConfiguration: &s3types.CORSConfiguration{CORSRules: []s3types.CORSRule{
						{AllowedMethods: []string{"GET"}, AllowedOrigins: []string{"*"}},
					}},
				})
				return err
			},
			wantDrift: []string{"corsRules"},
			vanish: func(ctx context.Context, s *testutil.S3Server, _ *testutil.Resource, bucket, _ string) error {
				_, err := admin(s).DeleteBucketCors(ctx, &s3.DeleteBucketCorsInput{Bucket: &bucket})
				return err
			},
		},
		"Policy": {
			reason: "A policy is compared by meaning, whatever its form.",
			token:  policyToken,
			inputs: func(bucket, _ string) props {
				return props{"bucket": bucket, "policy": publicPolicy("s3:GetObject", bucket)}
			},
			changed: func(bucket, _ string) props {
				return props{"bucket": bucket, "policy": publicPolicy("s3:PutObject", bucket)}
			},
			wantDiff: []string{"policy"},
			drift: func(ctx context.Context, s *testutil.S3Server, _ *testutil.Resource, bucket, _ string) error {
				_, err := admin(s).PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{
					Bucket: &bucket, Policy: aws.String(publicPolicy("s3:DeleteObject", bucket)),
				})
				return err
			},
			wantDrift: []string{"policy"},
			vanish: func(ctx context.Context, s *testutil.S3Server, _ *testutil.Resource, bucket, _ string) error {
				_, err := admin(s).DeleteBucketPolicy(ctx, &s3.DeleteBucketPolicyInput{Bucket: &bucket})
				return err
			},
		},
		"Versioning": {
			reason: "Versioning cannot be removed, only suspended.",
			token:  versioningToken,
			inputs: func(bucket, _ string) props {
				return props{"bucket": bucket, "versioningConfiguration": props{"status": "Enabled"}}
			},
			changed: func(bucket, _ string) props {
				return props{"bucket": bucket, "versioningConfiguration": props{"status": "Suspended"}}
			},
			wantDiff: []string{"versioningConfiguration"},
			drift: func(ctx context.Context, s *testutil.S3Server, _ *testutil.Resource, bucket, _ string) error {
				_, err := admin(s).PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{
					Bucket:                  &bucket,
					VersioningConfiguration: &s3types.VersioningConfiguration{Status: s3types.BucketVersioningStatusSuspended},
				})
				return err
			},
			wantDrift: []string{"versioningConfiguration"},
		},
		"Ownership": {
			reason: "Ownership controls decide whether ACLs count.",
			token:  ownershipToken,
			inputs: func(bucket, _ string) props {
				return props{"bucket": bucket, "rule": props{"objectOwnership": "BucketOwnerEnforced"}}
			},
			changed: func(bucket, _ string) props {
				return props{"bucket": bucket, "rule": props{"objectOwnership": "BucketOwnerPreferred"}}
			},
			wantDiff: []string{"rule"},
			drift: func(ctx context.Context, s *testutil.S3Server, _ *testutil.Resource, bucket, _ string) error {
				_, err := admin(s).PutBucketOwnershipControls(ctx, &s3.PutBucketOwnershipControlsInput{
					Bucket: &bucket,
					OwnershipControls: &s3types.OwnershipControls{Rules: []s3types.OwnershipControlsRule{
						{ObjectOwnership: s3types.ObjectOwnershipObjectWriter},
					}},
				})
				return err
			},
			wantDrift: []string{"rule"},
			vanish: func(ctx context.Context, s *testutil.S3Server, _ *testutil.Resource, bucket, _ string) error {
				_, err := admin(s).DeleteBucketOwnershipControls(ctx, &s3.DeleteBucketOwnershipControlsInput{Bucket: &bucket})
				return err
			},
		},
		"UserPolicy": {
			reason: "An inline policy is the user's right to its buckets.",
			token:  userPolicyToken,
			inputs: func(bucket, user string) props {
				return props{"name": "buckets", "user": user, "policy": statement("s3:GetObject", bucket)}
			},
			changed: func(bucket, user string) props {
				return props{"name": "buckets", "user": user, "policy": statement("s3:PutObject", bucket)}
			},
			wantDiff: []string{"policy"},
			drift: func(ctx context.Context, s *testutil.S3Server, _ *testutil.Resource, bucket, user string) error {
				_, err := iamAdmin(s).PutUserPolicy(ctx, &iam.PutUserPolicyInput{
					UserName: &user, PolicyName: aws.String("buckets"), PolicyDocument: aws.String(statement("s3:*", bucket)),
				})
				return err
			},
			wantDrift: []string{"policy"},
			vanish: func(ctx context.Context, s *testutil.S3Server, _ *testutil.Resource, _, user string) error {
				_, err := iamAdmin(s).DeleteUserPolicy(ctx, &iam.DeleteUserPolicyInput{
					UserName: &user, PolicyName: aws.String("buckets"),
				})
				return err
			},
		},
		"AccessKey": {
			reason:   "A key can be switched off; its secret is known from the state alone.",
			token:    keyToken,
			inputs:   func(_, user string) props { return props{"user": user} },
			changed:  func(_, user string) props { return props{"user": user, "status": "Inactive"} },
			wantDiff: []string{"status"},
			drift: func(ctx context.Context, s *testutil.S3Server, th *testutil.Resource, _, user string) error {
				_, err := iamAdmin(s).UpdateAccessKey(ctx, &iam.UpdateAccessKeyInput{
					UserName: &user, AccessKeyId: aws.String(string(th.ID)), Status: "Inactive",
				})
				return err
			},
			wantDrift: []string{"status"},
			vanish: func(ctx context.Context, s *testutil.S3Server, th *testutil.Resource, _, user string) error {
				_, err := iamAdmin(s).DeleteAccessKey(ctx, &iam.DeleteAccessKeyInput{
					UserName: &user, AccessKeyId: aws.String(string(th.ID)),
				})
				return err
			},
		},
		"Bucket": {
			reason: "A bucket's tags are the program's and the mark.",
			token:  bucketToken,
			inputs: func(bucket, _ string) props {
				return props{"bucket": bucket + "-x", "tags": props{"team": "shop"}}
			},
			changed: func(bucket, _ string) props {
				return props{"bucket": bucket + "-x", "tags": props{"team": "till"}, "forceDestroy": true}
			},
			wantDiff: []string{"forceDestroy", "tags"},
			drift: func(ctx context.Context, s *testutil.S3Server, _ *testutil.Resource, bucket, _ string) error {
				_, err := admin(s).PutBucketTagging(ctx, &s3.PutBucketTaggingInput{
					Bucket: aws.String(bucket + "-x"), Tagging: &s3types.Tagging{TagSet: s3Tags(map[string]string{
						markKey: "plattr/life", "team": "other",
					})},
				})
				return err
			},
			wantDrift: []string{"tags"},
			vanish: func(ctx context.Context, s *testutil.S3Server, _ *testutil.Resource, bucket, _ string) error {
				_, err := admin(s).DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: aws.String(bucket + "-x")})
				return err
			},
		},
		"User": {
			reason: "A user's tags are the program's, the mark and the marks of its keys.",
			token:  userToken,
			inputs: func(_, user string) props { return props{"name": user + "-x", "tags": props{"team": "shop"}} },
			changed: func(_, user string) props {
				return props{"name": user + "-x", "tags": props{"owner": "till"}, "forceDestroy": true}
			},
			wantDiff: []string{"forceDestroy", "tags"},
			drift: func(ctx context.Context, s *testutil.S3Server, _ *testutil.Resource, _, user string) error {
				_, err := iamAdmin(s).UntagUser(ctx, &iam.UntagUserInput{
					UserName: aws.String(user + "-x"), TagKeys: []string{"team"},
				})
				return err
			},
			wantDrift: []string{"tags"},
			vanish: func(ctx context.Context, s *testutil.S3Server, _ *testutil.Resource, _, user string) error {
				_, err := iamAdmin(s).DeleteUser(ctx, &iam.DeleteUserInput{UserName: aws.String(user + "-x")})
				return err
			},
		},
	}
}

func TestLifecycle(t *testing.T) {
	t.Parallel()
	for name, tc := range lifecycles() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			runLifecycle(t, testutil.S3(t), tc)
		})
	}
}

func runLifecycle(t *testing.T, s *testutil.S3Server, tc lifecycle) {
	t.Helper()
	t.Log(tc.reason)
	p := newProvider(t, s, "life")
	name := unique(t, "life")
	bucket, user := makeBucket(t, p, name), makeUser(t, p, name)
	in, changed := tc.inputs(name, name), tc.changed(name, name)

	th := p.MustCreate(t, tc.token, in)
	again := p.MustCreate(t, tc.token, in) // after a run that was killed before it wrote its state
	if tc.token != keyToken && again.ID != th.ID {
		t.Errorf("second create: ID %q, first %q", again.ID, th.ID)
	}
	th = again
	same(t, th, in)
	imported := *th
	imported.Inputs, imported.Outputs = nil, nil
	same(t, &imported, in)
	if got := th.Diff(changed); !slices.Equal(got, tc.wantDiff) {
		t.Errorf("diff of the change: %q, want %q", got, tc.wantDiff)
	}
	change(t, th, changed)
	same(t, th, changed)
	change(t, th, in)
	same(t, th, in)

	if err := tc.drift(t.Context(), s, th, name, name); err != nil {
		t.Fatalf("drift: %v", err)
	}
	same(t, th, in, tc.wantDrift...)
	change(t, th, in)
	same(t, th, in)
	if tc.vanish != nil {
		if err := tc.vanish(t.Context(), s, th, name, name); err != nil {
			t.Fatalf("vanish: %v", err)
		}
		if th.Refresh() {
			t.Error("a thing that is gone was read")
		}
		remove(t, th) // gone is no error
		th = p.MustCreate(t, tc.token, in)
	}
	remove(t, th)
	if tc.vanish != nil && th.Refresh() {
		t.Error("still there after delete")
	}
	remove(t, th)
	remove(t, user)
	remove(t, bucket)
	if user.Refresh() || bucket.Refresh() {
		t.Error("user or bucket still there after delete")
	}
}
