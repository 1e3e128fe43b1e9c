package aws

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"

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

// rig drives one provider as the engine of one stack does.
type rig struct {
	t        *testing.T
	provider plugin.Provider
	stack    string
}

// thing is a resource in the rig's state.
type thing struct {
	urn     resource.URN
	id      resource.ID
	inputs  resource.PropertyMap
	outputs resource.PropertyMap
}

func newRig(t *testing.T, s *testutil.S3Server, stack string) *rig {
	t.Helper()
	r := &rig{t: t, provider: New(), stack: stack}
	t.Cleanup(func() { _ = r.provider.Close() })
	r.configure(props{
		"region": s.Region, "accessKey": s.AccessKey, "secretKey": s.SecretKey, "s3UsePathStyle": "true",
		"skipCredentialsValidation": "true", "skipRequestingAccountId": "true", "skipMetadataApiCheck": "true",
		"skipRegionValidation": "true",
		"endpoints":            `[{"s3":"` + s.Endpoint + `","iam":"` + s.IAMEndpoint + `"}]`,
	})
	return r
}

func (r *rig) configure(config props) {
	r.t.Helper()
	inputs := resource.NewPropertyMapFromMap(config)
	checked, err := r.provider.CheckConfig(r.t.Context(), plugin.CheckConfigRequest{News: inputs})
	if err != nil || len(checked.Failures) > 0 {
		r.t.Fatalf("check configuration: %v %v", err, checked.Failures)
	}
	if _, err := r.provider.Configure(r.t.Context(), plugin.ConfigureRequest{Inputs: checked.Properties}); err != nil {
		r.t.Fatalf("configure: %v", err)
	}
}

func (r *rig) urn(token, name string) resource.URN {
	return resource.NewURN(tokens.QName(r.stack), "shop", "", tokens.Type(token), name)
}

func (r *rig) check(token, name string, in props) (resource.PropertyMap, []plugin.CheckFailure) {
	r.t.Helper()
	res, err := r.provider.Check(r.t.Context(), plugin.CheckRequest{
		URN: r.urn(token, name), News: resource.NewPropertyMapFromMap(in),
	})
	if err != nil {
		r.t.Fatalf("check %s: %v", token, err)
	}
	return res.Properties, res.Failures
}

func (r *rig) tryCreate(token, name string, in props) (*thing, error) {
	r.t.Helper()
	inputs, failures := r.check(token, name, in)
	if len(failures) > 0 {
		r.t.Fatalf("check %s: %v", token, failures)
	}
	th := &thing{urn: r.urn(token, name), inputs: inputs}
	res, err := r.provider.Create(r.t.Context(), plugin.CreateRequest{URN: th.urn, Properties: inputs})
	th.id, th.outputs = res.ID, res.Properties
	return th, err
}

func (r *rig) create(token, name string, in props) *thing {
	r.t.Helper()
	th, err := r.tryCreate(token, name, in)
	if err != nil {
		r.t.Fatalf("create %s: %v", token, err)
	}
	return th
}

func (r *rig) bucket(name string) *thing {
	r.t.Helper()
	return r.create(bucketToken, name, props{"bucket": name, "forceDestroy": true})
}

// refresh reads the thing; false means that it is gone.
func (r *rig) refresh(th *thing) bool {
	r.t.Helper()
	res, err := r.provider.Read(r.t.Context(), plugin.ReadRequest{
		URN: th.urn, ID: th.id, Inputs: th.inputs, State: th.outputs,
	})
	if err != nil {
		r.t.Fatalf("read %s: %v", th.urn, err)
	}
	if res.ID == "" && res.Outputs == nil {
		return false
	}
	th.inputs, th.outputs = res.Inputs, res.Outputs
	return true
}

// diff says what would change, after a refresh: "" for nothing, else the changed inputs, "!" before those that replace.
func (r *rig) diff(th *thing, in props) string {
	r.t.Helper()
	news, failures := r.check(string(th.urn.Type()), th.urn.Name(), in)
	if len(failures) > 0 {
		r.t.Fatalf("check %s: %v", th.urn, failures)
	}
	res, err := r.provider.Diff(r.t.Context(), plugin.DiffRequest{
		URN: th.urn, ID: th.id, OldInputs: th.inputs, OldOutputs: th.outputs, NewInputs: news,
	})
	if err != nil {
		r.t.Fatalf("diff %s: %v", th.urn, err)
	}
	replace := map[resource.PropertyKey]bool{}
	for _, k := range res.ReplaceKeys {
		replace[k] = true
	}
	var out []string
	for _, k := range res.ChangedKeys {
		name := string(k)
		if replace[k] {
			name = "!" + name
		}
		out = append(out, name)
	}
	return strings.Join(out, " ")
}

func (r *rig) update(th *thing, in props) {
	r.t.Helper()
	news, failures := r.check(string(th.urn.Type()), th.urn.Name(), in)
	if len(failures) > 0 {
		r.t.Fatalf("check %s: %v", th.urn, failures)
	}
	res, err := r.provider.Update(r.t.Context(), plugin.UpdateRequest{
		URN: th.urn, ID: th.id, OldInputs: th.inputs, OldOutputs: th.outputs, NewInputs: news,
	})
	if err != nil {
		r.t.Fatalf("update %s: %v", th.urn, err)
	}
	th.inputs, th.outputs = news, res.Properties
}

func (r *rig) tryDelete(th *thing) error {
	r.t.Helper()
	_, err := r.provider.Delete(r.t.Context(), plugin.DeleteRequest{
		URN: th.urn, ID: th.id, Inputs: th.inputs, Outputs: th.outputs,
	})
	return err
}

func (r *rig) delete(th *thing) {
	r.t.Helper()
	if err := r.tryDelete(th); err != nil {
		r.t.Fatalf("delete %s: %v", th.urn, err)
	}
}

func (th *thing) output(key string) string {
	v := th.outputs[resource.PropertyKey(key)]
	for v.IsSecret() {
		v = v.SecretValue().Element
	}
	if !v.IsString() {
		return ""
	}
	return v.StringValue()
}

// unique makes names of this test that no other test uses.
func unique(t *testing.T, name string) string {
	t.Helper()
	sum := sha256.Sum256([]byte(t.Name()))
	return name + "-" + hex.EncodeToString(sum[:5])
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

// must ends the test on an error of its own preparations.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
