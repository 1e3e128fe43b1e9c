package aws

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"plattr.dev/plattr/internal/providers/embedded"
)

type encryptionArgs struct {
	Bucket string           `json:"bucket"`
	Rules  []encryptionRule `json:"rules"`
}

type encryptionRule struct {
	Default          *encryptionDefault `json:"applyServerSideEncryptionByDefault,omitempty"`
	BucketKeyEnabled *bool              `json:"bucketKeyEnabled,omitempty"`
}

type encryptionDefault struct {
	KmsMasterKeyID *string `json:"kmsMasterKeyId,omitempty"`
	SseAlgorithm   string  `json:"sseAlgorithm"`
}

func encryptionType() embedded.Resource[*client] {
	return part[encryptionArgs]{
		token: "aws:s3/bucketServerSideEncryptionConfigurationV2:BucketServerSideEncryptionConfigurationV2",
		what:  "encryption",
		bucket: func(a *encryptionArgs) *string {
			return &a.Bucket
		},
		check:  checkEncryption,
		equal:  func(key string, a, b any) bool { return key == "rules" && sameSets(a, b) },
		put:    putEncryption,
		get:    getEncryption,
		absent: []string{"ServerSideEncryptionConfigurationNotFoundError"},
		remove: func(ctx context.Context, c *client, in encryptionArgs) error {
			_, err := c.s3.DeleteBucketEncryption(ctx, &s3.DeleteBucketEncryptionInput{Bucket: &in.Bucket})
			return err //nolint:wrapcheck // part says what was attempted
		},
	}.resource()
}

func checkEncryption(in *encryptionArgs) []embedded.Problem {
	if len(in.Rules) != 1 || in.Rules[0].Default == nil {
		return []embedded.Problem{{Input: "rules", Reason: "must be one rule with applyServerSideEncryptionByDefault"}}
	}
	return oneOf("rules", in.Rules[0].Default.SseAlgorithm, s3types.ServerSideEncryption("").Values())
}

func putEncryption(ctx context.Context, c *client, in encryptionArgs) error {
	rules := make([]s3types.ServerSideEncryptionRule, 0, len(in.Rules))
	for _, r := range in.Rules {
		rules = append(rules, s3types.ServerSideEncryptionRule{
			BucketKeyEnabled: r.BucketKeyEnabled,
			ApplyServerSideEncryptionByDefault: &s3types.ServerSideEncryptionByDefault{
				SSEAlgorithm:   s3types.ServerSideEncryption(r.Default.SseAlgorithm),
				KMSMasterKeyID: r.Default.KmsMasterKeyID,
			},
		})
	}
	_, err := c.s3.PutBucketEncryption(ctx, &s3.PutBucketEncryptionInput{
		Bucket:                            &in.Bucket,
		ServerSideEncryptionConfiguration: &s3types.ServerSideEncryptionConfiguration{Rules: rules},
	})
	return err //nolint:wrapcheck // part says what was attempted
}

func getEncryption(ctx context.Context, c *client, bucket string) (encryptionArgs, error) {
	res, err := c.s3.GetBucketEncryption(ctx, &s3.GetBucketEncryptionInput{Bucket: &bucket})
	if err != nil {
		return encryptionArgs{}, err //nolint:wrapcheck // part says what was attempted
	}
	var out encryptionArgs
	if res.ServerSideEncryptionConfiguration == nil {
		return out, embedded.ErrGone
	}
	for _, r := range res.ServerSideEncryptionConfiguration.Rules {
		rule := encryptionRule{BucketKeyEnabled: r.BucketKeyEnabled}
		if d := r.ApplyServerSideEncryptionByDefault; d != nil {
			rule.Default = &encryptionDefault{KmsMasterKeyID: d.KMSMasterKeyID, SseAlgorithm: string(d.SSEAlgorithm)}
		}
		out.Rules = append(out.Rules, rule)
	}
	return out, nil
}
