package storage_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"plattr.dev/plattr/components/storage"
	"plattr.dev/plattr/internal/engine"
	"plattr.dev/plattr/internal/testutil"
)

// program is the component with the official SDK's provider, as the application stack has it.
func program(s *testutil.S3Server, args *storage.Args) pulumi.RunFunc {
	return func(ctx *pulumi.Context) error {
		yes := pulumi.Bool(true)
		p, err := aws.NewProvider(ctx, "aws", &aws.ProviderArgs{
			Region: pulumi.String(s.Region), AccessKey: pulumi.String(s.AccessKey), SecretKey: pulumi.String(s.SecretKey),
			Endpoints: aws.ProviderEndpointArray{
				aws.ProviderEndpointArgs{S3: pulumi.String(s.Endpoint), Iam: pulumi.String(s.IAMEndpoint)},
			},
			S3UsePathStyle: yes, SkipCredentialsValidation: yes, SkipRequestingAccountId: yes,
			SkipMetadataApiCheck: yes, SkipRegionValidation: yes,
		})
		if err != nil {
			return err
		}
		c, err := storage.New(ctx, "shop", args, pulumi.Providers(p))
		if err != nil {
			return err
		}
		ctx.Export("buckets", c.Buckets)
		ctx.Export("accessKey", c.AccessKey)
		ctx.Export("secretKey", c.SecretKey)
		return nil
	}
}

// TestUnderTheEngine is a stack's life: made, unchanged, drifted, repaired, changed, removed.
func TestUnderTheEngine(t *testing.T) {
	t.Parallel()
	s, args := testutil.S3(t), laptop(t, "shop")
	linked := ""
	e, err := engine.New(engine.Options{
		Project: "plattr", StateURL: engine.FileURL(t.TempDir()), Owner: "test", Pulumi: &linked,
		Passphrase: func() (string, error) { return "test", nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	up := func(step string, want map[string]int) engine.Result {
		t.Helper()
		res, err := e.Up(t.Context(), "local-shop", program(s, &args), engine.RunOptions{Refresh: true})
		if err != nil {
			t.Fatalf("%s: %v", step, err)
		}
		got := maps.Clone(res.Changes)
		delete(got, engine.Unchanged)
		if !maps.Equal(got, want) {
			t.Errorf("%s: %v, want %v", step, got, want)
		}
		return res
	}
	first := up("first", map[string]int{engine.Created: 13}) // with the stack itself
	up("second", map[string]int{})
	if !first.Outputs["secretKey"].Secret || first.Outputs["accessKey"].Secret {
		t.Errorf("outputs %v", first.Outputs)
	}

	root := &deployed{server: s, key: s.AccessKey, secret: s.SecretKey}
	uploads, photos := args.Buckets[0].BucketName, args.Buckets[1].BucketName
	key := fmt.Sprint(first.Outputs["accessKey"].Value)
	for step, change := range map[string]func() error{
		"delete a bucket": func() error {
			_, err := root.client(false).DeleteBucket(t.Context(), &s3.DeleteBucketInput{Bucket: &uploads})
			return err
		},
		"open a policy": func() error {
			_, err := root.client(false).PutBucketPolicy(t.Context(), &s3.PutBucketPolicyInput{
				Bucket: &photos, Policy: awssdk.String(strings.ReplaceAll(
					`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":["s3:*"],"Resource":["arn:aws:s3:::BUCKET/*"]}]}`,
					"BUCKET", photos)),
			})
			return err
		},
		"switch the key off": func() error {
			_, err := root.iam().UpdateAccessKey(t.Context(), &iam.UpdateAccessKeyInput{
				UserName: &args.User, AccessKeyId: &key, Status: "Inactive",
			})
			return err
		},
	} {
		if err := change(); err != nil {
			t.Fatalf("%s: %v", step, err)
		}
	}
	// The bucket comes anew with its two parts; policy and key are set back.
	repaired := up("repair", map[string]int{engine.Created: 3, engine.Updated: 2})
	if len(repaired.Drift) != 5 {
		t.Errorf("drift %v, want the bucket, its two parts, the policy and the key", repaired.Drift)
	}
	up("repaired", map[string]int{})
	if got := repaired.Outputs["accessKey"].Value; got != key {
		t.Errorf("the key changed from %v to %v", key, got)
	}

	args.Buckets = slices.Delete(args.Buckets, 1, 2)
	up("without photos", map[string]int{engine.Deleted: 4, engine.Updated: 1})
	if _, err := e.Destroy(t.Context(), "local-shop", engine.RunOptions{Refresh: true}); err != nil {
		t.Fatal(err)
	}
	for _, bucket := range []string{uploads, photos} {
		if _, err := root.client(false).HeadBucket(t.Context(), &s3.HeadBucketInput{Bucket: &bucket}); err == nil {
			t.Errorf("bucket %s is left", bucket)
		}
	}
	if _, err := root.iam().GetUser(t.Context(), &iam.GetUserInput{UserName: &args.User}); err == nil {
		t.Errorf("user %s is left", args.User)
	}
}
