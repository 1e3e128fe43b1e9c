package aws

import (
	"reflect"
	"strings"
	"testing"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/iam"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/s3"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"plattr.dev/plattr/internal/testutil"
)

// TestOfficialNames holds every input and output equal to one of the official SDK, by name.
func TestOfficialNames(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		official      pulumi.Input // the SDK's arguments
		resource      any          // the SDK's resource
		inputs, state any
	}{
		"Bucket":      {s3.BucketV2Args{}, s3.BucketV2{}, bucketArgs{}, bucketState{}},
		"Cors":        {s3.BucketCorsConfigurationV2Args{}, s3.BucketCorsConfigurationV2{}, corsArgs{}, corsArgs{}},
		"CorsRule":    {s3.BucketCorsConfigurationV2CorsRuleArgs{}, nil, corsRule{}, nil},
		"Policy":      {s3.BucketPolicyArgs{}, s3.BucketPolicy{}, bucketPolicyArgs{}, bucketPolicyArgs{}},
		"Block":       {s3.BucketPublicAccessBlockArgs{}, s3.BucketPublicAccessBlock{}, publicAccessBlockArgs{}, publicAccessBlockArgs{}},
		"Versioning":  {s3.BucketVersioningV2Args{}, s3.BucketVersioningV2{}, versioningArgs{}, versioningArgs{}},
		"Version":     {s3.BucketVersioningV2VersioningConfigurationArgs{}, nil, versioningConfiguration{}, nil},
		"Ownership":   {s3.BucketOwnershipControlsArgs{}, s3.BucketOwnershipControls{}, ownershipArgs{}, ownershipArgs{}},
		"Rule":        {s3.BucketOwnershipControlsRuleArgs{}, nil, ownershipRule{}, nil},
		"Encryption":  {s3.BucketServerSideEncryptionConfigurationV2Args{}, s3.BucketServerSideEncryptionConfigurationV2{}, encryptionArgs{}, encryptionArgs{}},
		"EncryptRule": {s3.BucketServerSideEncryptionConfigurationV2RuleArgs{}, nil, encryptionRule{}, nil},
		"EncryptBy": {
			s3.BucketServerSideEncryptionConfigurationV2RuleApplyServerSideEncryptionByDefaultArgs{}, nil, encryptionDefault{}, nil,
		},
		"User":       {iam.UserArgs{}, iam.User{}, userArgs{}, userState{}},
		"UserPolicy": {iam.UserPolicyArgs{}, iam.UserPolicy{}, userPolicyArgs{}, userPolicyState{}},
		"AccessKey":  {iam.AccessKeyArgs{}, iam.AccessKey{}, accessKeyArgs{}, accessKeyState{}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			known := testutil.FieldTags(tc.official.ElementType(), "pulumi")
			for _, input := range testutil.FieldTags(reflect.TypeOf(tc.inputs), "json") {
				if !contains(known, input) {
					t.Errorf("the official SDK has no input %q; it has %v", input, known)
				}
			}
			if tc.resource == nil {
				return
			}
			known = testutil.FieldTags(reflect.TypeOf(tc.resource), "pulumi")
			for _, output := range testutil.FieldTags(reflect.TypeOf(tc.state), "json") {
				if !contains(known, output) {
					t.Errorf("the official SDK has no output %q; it has %v", output, known)
				}
			}
		})
	}
}

func contains(list []string, s string) bool {
	return strings.Contains(" "+strings.Join(list, " ")+" ", " "+s+" ")
}
