package aws

import (
	"crypto/rand"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"plattr.dev/plattr/internal/testutil"
)

const (
	bucketToken     = "aws:s3/bucketV2:BucketV2"
	corsToken       = "aws:s3/bucketCorsConfigurationV2:BucketCorsConfigurationV2"
	policyToken     = "aws:s3/bucketPolicy:BucketPolicy"
	versioningToken = "aws:s3/bucketVersioningV2:BucketVersioningV2"
	ownershipToken  = "aws:s3/bucketOwnershipControls:BucketOwnershipControls"
	blockToken      = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
	encryptionToken = "aws:s3/bucketServerSideEncryptionConfigurationV2:BucketServerSideEncryptionConfigurationV2"
	userToken       = "aws:iam/user:User"
	userPolicyToken = "aws:iam/userPolicy:UserPolicy"
	keyToken        = "aws:iam/accessKey:AccessKey"
)

type props = map[string]any

// newProvider is a provider for a stack of project "plattr" on a server.
func newProvider(t *testing.T, s *testutil.S3Server, stack string) *testutil.Provider {
	t.Helper()
	return testutil.NewProvider(t, New(), stack, settings(s))
}

// settings are the provider's inputs, as the SDK sends them: all but strings as JSON inside strings.
func settings(s *testutil.S3Server) props {
	return props{
		"region": s.Region, "accessKey": s.AccessKey, "secretKey": s.SecretKey, "s3UsePathStyle": "true",
		"skipCredentialsValidation": "true", "skipRequestingAccountId": "true", "skipMetadataApiCheck": "true",
		"skipRegionValidation": "true", "maxRetries": "3",
		"endpoints": `[{"s3":"` + s.Endpoint + `","iam":"` + s.IAMEndpoint + `"}]`,
	}
}

func makeBucket(t *testing.T, p *testutil.Provider, name string) *testutil.Resource {
	t.Helper()
	return p.MustCreate(t, bucketToken, props{"bucket": name, "forceDestroy": true})
}

func makeUser(t *testing.T, p *testutil.Provider, name string) *testutil.Resource {
	t.Helper()
	return p.MustCreate(t, userToken, props{"name": name, "forceDestroy": true})
}

func remove(t *testing.T, r *testutil.Resource) {
	t.Helper()
	if err := r.Delete(); err != nil {
		t.Fatalf("delete %s: %v", r.URN.Type(), err)
	}
}

func change(t *testing.T, r *testutil.Resource, in props) {
	t.Helper()
	if err := r.Update(in); err != nil {
		t.Fatalf("update %s: %v", r.URN.Type(), err)
	}
}

// same fails unless a refresh and a diff to in find just the differences that are wanted.
func same(t *testing.T, r *testutil.Resource, in props, want ...string) {
	t.Helper()
	if !r.Refresh() {
		t.Fatalf("%s is gone", r.URN.Type())
	}
	if got := r.Diff(in); !slices.Equal(got, want) {
		t.Errorf("after a refresh %q differ, want %q\ninputs  %v\noutputs %v", got, want, r.Inputs, r.Outputs)
	}
}

// unique makes names that no other test uses, nor another run of this one.
func unique(t *testing.T, name string) string {
	t.Helper()
	return name + "-" + strings.ToLower(rand.Text()[:10])
}

func s3As(s *testutil.S3Server, key, secret string) *s3.Client {
	return s3.New(s3.Options{
		Region: s.Region, BaseEndpoint: aws.String(s.Endpoint), UsePathStyle: true,
		Credentials:      credentials.NewStaticCredentialsProvider(key, secret, ""),
		RetryMaxAttempts: 1,
	})
}

func admin(s *testutil.S3Server) *s3.Client { return s3As(s, s.AccessKey, s.SecretKey) }

func iamAdmin(s *testutil.S3Server) *iam.Client {
	return iam.New(iam.Options{
		Region: s.Region, BaseEndpoint: aws.String(s.IAMEndpoint),
		Credentials: credentials.NewStaticCredentialsProvider(s.AccessKey, s.SecretKey, ""),
	})
}
