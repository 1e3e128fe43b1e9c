package aws

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"plattr.dev/plattr/internal/providers/embedded"
)

// maxBucketPolicy is S3's limit in bytes.
const maxBucketPolicy = 20 * 1024

type bucketPolicyArgs struct {
	Bucket string `json:"bucket"`
	// Policy is a document as JSON text; an object is accepted and made to text.
	Policy any `json:"policy"`
}

func bucketPolicyType() embedded.Resource[*client] {
	return part[bucketPolicyArgs]{
		token:  "aws:s3/bucketPolicy:BucketPolicy",
		what:   "policy",
		bucket: func(a *bucketPolicyArgs) *string { return &a.Bucket },
		check: func(a *bucketPolicyArgs) []embedded.Problem {
			return checkPolicy(&a.Policy, maxBucketPolicy)
		},
		equal: samePolicyInput,
		put: func(ctx context.Context, c *client, in bucketPolicyArgs) error {
			_, err := c.s3.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{
				Bucket: &in.Bucket, Policy: aws.String(policyText(in.Policy)),
			})
			return err //nolint:wrapcheck // part says what was attempted
		},
		get: func(ctx context.Context, c *client, bucket string) (bucketPolicyArgs, error) {
			res, err := c.s3.GetBucketPolicy(ctx, &s3.GetBucketPolicyInput{Bucket: &bucket})
			if err != nil {
				return bucketPolicyArgs{}, err //nolint:wrapcheck // part says what was attempted
			}
			return bucketPolicyArgs{Policy: aws.ToString(res.Policy)}, nil
		},
		absent: []string{"NoSuchBucketPolicy"},
		remove: func(ctx context.Context, c *client, in bucketPolicyArgs) error {
			_, err := c.s3.DeleteBucketPolicy(ctx, &s3.DeleteBucketPolicyInput{Bucket: &in.Bucket})
			return err //nolint:wrapcheck // part says what was attempted
		},
	}.resource()
}

// checkPolicy makes text of a policy and finds what no server would accept.
func checkPolicy(policy *any, limit int) []embedded.Problem {
	text, ok := (*policy).(string)
	if !ok {
		raw, err := json.Marshal(*policy)
		if err != nil || *policy == nil {
			return []embedded.Problem{{Input: "policy", Reason: "is required"}}
		}
		text = string(raw)
	}
	*policy = text
	var document map[string]any
	if err := json.Unmarshal([]byte(text), &document); err != nil {
		return []embedded.Problem{{Input: "policy", Reason: fmt.Sprintf("is no JSON object: %v", err)}}
	}
	if len(text) > limit {
		return []embedded.Problem{{Input: "policy", Reason: fmt.Sprintf("has %d bytes, more than %d", len(text), limit)}}
	}
	return nil
}

func policyText(policy any) string {
	text, _ := policy.(string) // checkPolicy made it a string
	return text
}

func samePolicyInput(key string, a, b any) bool {
	return key == "policy" && samePolicy(policyText(a), policyText(b))
}

// samePolicy compares two policy documents by meaning: white space, the order of lists and whether a single value is
// in a list make no difference.
func samePolicy(a, b string) bool {
	var da, db any
	if json.Unmarshal([]byte(a), &da) != nil || json.Unmarshal([]byte(b), &db) != nil {
		return a == b
	}
	return sameSets(unwrap(da), unwrap(db))
}

// unwrap replaces lists of one by the one, at every depth.
func unwrap(v any) any {
	switch v := v.(type) {
	case []any:
		if len(v) == 1 {
			return unwrap(v[0])
		}
		out := make([]any, 0, len(v))
		for _, e := range v {
			out = append(out, unwrap(e))
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[k] = unwrap(e)
		}
		return out
	default:
		return v
	}
}
