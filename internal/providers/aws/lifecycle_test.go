package aws

import (
	"context"
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
	wantDiff string
	// drift changes the thing behind the provider's back; wantDrift is what the next run sees.
	drift     func(ctx context.Context, s *testutil.S3Server, th *thing, bucket, user string) error
	wantDrift string
	// vanish removes the thing behind the provider's back; empty: what drift is for is all that can happen to it.
	vanish func(ctx context.Context, s *testutil.S3Server, th *thing, bucket, user string) error
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
			wantDiff: "corsRules",
			drift: func(ctx context.Context, s *testutil.S3Server, _ *thing, bucket, _ string) error {
				_, err := admin(s).PutBucketCors(ctx, &s3.PutBucketCorsInput{
					Bucket: &bucket,
					CORSConfiguration: &s3types.CORSConfiguration{CORSRules: []s3types.CORSRule{
						{AllowedMethods: []string{"GET"}, AllowedOrigins: []string{"*"}},
					}},
				})
				return err
			},
			wantDrift: "corsRules",
			vanish: func(ctx context.Context, s *testutil.S3Server, _ *thing, bucket, _ string) error {
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
			wantDiff: "policy",
			drift: func(ctx context.Context, s *testutil.S3Server, _ *thing, bucket, _ string) error {
				_, err := admin(s).PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{
					Bucket: &bucket, Policy: aws.String(publicPolicy("s3:DeleteObject", bucket)),
				})
				return err
			},
			wantDrift: "policy",
			vanish: func(ctx context.Context, s *testutil.S3Server, _ *thing, bucket, _ string) error {
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
			wantDiff: "versioningConfiguration",
			drift: func(ctx context.Context, s *testutil.S3Server, _ *thing, bucket, _ string) error {
				_, err := admin(s).PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{
					Bucket:                  &bucket,
					VersioningConfiguration: &s3types.VersioningConfiguration{Status: s3types.BucketVersioningStatusSuspended},
				})
				return err
			},
			wantDrift: "versioningConfiguration",
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
			wantDiff: "rule",
			drift: func(ctx context.Context, s *testutil.S3Server, _ *thing, bucket, _ string) error {
				_, err := admin(s).PutBucketOwnershipControls(ctx, &s3.PutBucketOwnershipControlsInput{
					Bucket: &bucket,
					OwnershipControls: &s3types.OwnershipControls{Rules: []s3types.OwnershipControlsRule{
						{ObjectOwnership: s3types.ObjectOwnershipObjectWriter},
					}},
				})
				return err
			},
			wantDrift: "rule",
			vanish: func(ctx context.Context, s *testutil.S3Server, _ *thing, bucket, _ string) error {
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
			wantDiff: "policy",
			drift: func(ctx context.Context, s *testutil.S3Server, _ *thing, bucket, user string) error {
				_, err := iamAdmin(s).PutUserPolicy(ctx, &iam.PutUserPolicyInput{
					UserName: &user, PolicyName: aws.String("buckets"), PolicyDocument: aws.String(statement("s3:*", bucket)),
				})
				return err
			},
			wantDrift: "policy",
			vanish: func(ctx context.Context, s *testutil.S3Server, _ *thing, _, user string) error {
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
			wantDiff: "status",
			drift: func(ctx context.Context, s *testutil.S3Server, th *thing, _, user string) error {
				_, err := iamAdmin(s).UpdateAccessKey(ctx, &iam.UpdateAccessKeyInput{
					UserName: &user, AccessKeyId: aws.String(string(th.id)), Status: "Inactive",
				})
				return err
			},
			wantDrift: "status",
			vanish: func(ctx context.Context, s *testutil.S3Server, th *thing, _, user string) error {
				_, err := iamAdmin(s).DeleteAccessKey(ctx, &iam.DeleteAccessKeyInput{
					UserName: &user, AccessKeyId: aws.String(string(th.id)),
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
			wantDiff: "forceDestroy tags",
			drift: func(ctx context.Context, s *testutil.S3Server, _ *thing, bucket, _ string) error {
				_, err := admin(s).PutBucketTagging(ctx, &s3.PutBucketTaggingInput{
					Bucket: aws.String(bucket + "-x"), Tagging: &s3types.Tagging{TagSet: s3Tags(map[string]string{
						markKey: "shop/life", "team": "other",
					})},
				})
				return err
			},
			wantDrift: "tags",
			vanish: func(ctx context.Context, s *testutil.S3Server, _ *thing, bucket, _ string) error {
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
			wantDiff: "forceDestroy tags",
			drift: func(ctx context.Context, s *testutil.S3Server, _ *thing, _, user string) error {
				_, err := iamAdmin(s).UntagUser(ctx, &iam.UntagUserInput{
					UserName: aws.String(user + "-x"), TagKeys: []string{"team"},
				})
				return err
			},
			wantDrift: "tags",
			vanish: func(ctx context.Context, s *testutil.S3Server, _ *thing, _, user string) error {
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
	r := newRig(t, s, "life")
	name := unique(t, "life")
	bucket := r.bucket(name)
	user := r.create(userToken, name, props{"name": name, "forceDestroy": true})
	in, changed := tc.inputs(name, name), tc.changed(name, name)

	th := r.create(tc.token, "it", in)
	again := r.create(tc.token, "it", in) // a run that was killed before it wrote its state
	if tc.token != keyToken && again.id != th.id {
		t.Errorf("second create: ID %q, first %q", again.id, th.id)
	}
	th = again
	r.same(th, in, "")
	if got := r.diff(th, changed); got != tc.wantDiff {
		t.Errorf("diff of the change: %q, want %q", got, tc.wantDiff)
	}
	r.update(th, changed)
	r.same(th, changed, "")
	r.update(th, in)
	r.same(th, in, "")

	if err := tc.drift(t.Context(), s, th, name, name); err != nil {
		t.Fatalf("drift: %v", err)
	}
	r.same(th, in, tc.wantDrift)
	r.update(th, in)
	r.same(th, in, "")
	if tc.vanish != nil {
		if err := tc.vanish(t.Context(), s, th, name, name); err != nil {
			t.Fatalf("vanish: %v", err)
		}
		if r.refresh(th) {
			t.Error("a thing that is gone was read")
		}
		r.delete(th) // gone is no error
		th = r.create(tc.token, "it", in)
	}
	r.delete(th)
	if tc.vanish != nil && r.refresh(th) {
		t.Error("still there after delete")
	}
	r.delete(th)
	r.delete(user)
	r.delete(bucket)
	if r.refresh(user) || r.refresh(bucket) {
		t.Error("user or bucket still there after delete")
	}
}

// same fails unless a refresh and a diff to in find what is wanted.
func (r *rig) same(th *thing, in props, want string) {
	r.t.Helper()
	if !r.refresh(th) {
		r.t.Fatalf("%s is gone", th.urn)
	}
	if got := r.diff(th, in); got != want {
		r.t.Errorf("after a refresh %q differs, want %q\ninputs  %v\noutputs %v", got, want, th.inputs, th.outputs)
	}
}
