package aws

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"

	"plattr.dev/plattr/internal/providers/embedded"
)

type corsArgs struct {
	Bucket    string     `json:"bucket"`
	CorsRules []corsRule `json:"corsRules"`
}

type corsRule struct {
	AllowedHeaders []string `json:"allowedHeaders,omitempty"`
	AllowedMethods []string `json:"allowedMethods"`
	AllowedOrigins []string `json:"allowedOrigins"`
	ExposeHeaders  []string `json:"exposeHeaders,omitempty"`
	ID             *string  `json:"id,omitempty"`
	MaxAgeSeconds  *int32   `json:"maxAgeSeconds,omitempty"`
}

// maxCorsRules is S3's limit per bucket.
const maxCorsRules = 100

func corsType() embedded.Resource[*client] {
	return part[corsArgs]{
		token:  "aws:s3/bucketCorsConfigurationV2:BucketCorsConfigurationV2",
		what:   "CORS rules",
		bucket: func(a *corsArgs) *string { return &a.Bucket },
		check:  checkCors,
		equal:  func(key string, a, b any) bool { return key == "corsRules" && sameSets(a, b) },
		put:    putCors,
		get:    getCors,
		absent: []string{"NoSuchCORSConfiguration"},
		remove: func(ctx context.Context, c *client, in corsArgs) error {
			_, err := c.s3.DeleteBucketCors(ctx, &s3.DeleteBucketCorsInput{Bucket: &in.Bucket})
			return err //nolint:wrapcheck // part says what was attempted
		},
	}.resource()
}

func checkCors(in *corsArgs) []embedded.Problem {
	if n := len(in.CorsRules); n == 0 || n > maxCorsRules {
		return []embedded.Problem{{Input: "corsRules", Reason: fmt.Sprintf("has %d rules, not 1 to %d", n, maxCorsRules)}}
	}
	var problems []embedded.Problem
	methods := []string{"GET", "PUT", "POST", "DELETE", "HEAD"}
	for i, rule := range in.CorsRules {
		if len(rule.AllowedMethods) == 0 || len(rule.AllowedOrigins) == 0 {
			problems = append(problems, embedded.Problem{
				Input: "corsRules", Reason: fmt.Sprintf("rule %d names no method or no origin", i),
			})
		}
		for _, m := range rule.AllowedMethods {
			problems = append(problems, oneOf("corsRules", m, methods)...)
		}
	}
	return problems
}

func putCors(ctx context.Context, c *client, in corsArgs) error {
	rules := make([]s3types.CORSRule, 0, len(in.CorsRules))
	for _, r := range in.CorsRules {
		rules = append(rules, s3types.CORSRule{
			AllowedHeaders: r.AllowedHeaders, AllowedMethods: r.AllowedMethods, AllowedOrigins: r.AllowedOrigins,
			ExposeHeaders: r.ExposeHeaders, ID: r.ID, MaxAgeSeconds: r.MaxAgeSeconds,
		})
	}
	_, err := c.s3.PutBucketCors(ctx, &s3.PutBucketCorsInput{
		Bucket: &in.Bucket, CORSConfiguration: &s3types.CORSConfiguration{CORSRules: rules},
	})
	return err //nolint:wrapcheck // part says what was attempted
}

func getCors(ctx context.Context, c *client, bucket string) (corsArgs, error) {
	res, err := c.s3.GetBucketCors(ctx, &s3.GetBucketCorsInput{Bucket: &bucket})
	if err != nil {
		return corsArgs{}, err //nolint:wrapcheck // part says what was attempted
	}
	var out corsArgs
	for _, r := range res.CORSRules {
		rule := corsRule{
			AllowedHeaders: r.AllowedHeaders, AllowedMethods: r.AllowedMethods, AllowedOrigins: r.AllowedOrigins,
			ExposeHeaders: r.ExposeHeaders, MaxAgeSeconds: r.MaxAgeSeconds,
		}
		if r.ID != nil && *r.ID != "" {
			rule.ID = r.ID
		}
		out.CorsRules = append(out.CorsRules, rule)
	}
	return out, nil
}

// sameSets compares two values in which the order of every list is of no meaning.
func sameSets(a, b any) bool { return canonical(a) == canonical(b) }

// canonical is a value as JSON with every list in one order.
func canonical(v any) string {
	switch v := v.(type) {
	case []any:
		items := make([]string, 0, len(v))
		for _, e := range v {
			items = append(items, canonical(e))
		}
		slices.Sort(items)
		return "[" + strings.Join(items, ",") + "]"
	case map[string]any:
		var b strings.Builder
		for _, k := range sortedKeys(v) {
			fmt.Fprintf(&b, "%q:%s,", k, canonical(v[k]))
		}
		return "{" + b.String() + "}"
	default:
		raw, err := json.Marshal(v)
		if err != nil {
			return fmt.Sprintf("%#v", v) // no JSON value; never the case for what an engine sends
		}
		return string(raw)
	}
}
