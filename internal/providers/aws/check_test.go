package aws

import (
	"strings"
	"testing"

	"plattr.dev/plattr/internal/testutil"
)

// offline is a server that no request must reach.
func offline() *testutil.S3Server {
	const url = "http://127.0.0.1:1"
	return &testutil.S3Server{Endpoint: url, IAMEndpoint: url, Region: "us-east-1", AccessKey: "a", SecretKey: "b"}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason, token string
		in            props
		wantErr       string // empty: it is accepted
	}{
		"Bucket":          {"A bucket needs a name alone.", bucketToken, props{"bucket": "abc"}, ""},
		"BucketLongest":   {"63 characters are S3's limit.", bucketToken, props{"bucket": strings.Repeat("b", 63)}, ""},
		"BucketTooLong":   {"64 are too many.", bucketToken, props{"bucket": strings.Repeat("b", 64)}, "bucket:"},
		"BucketTooShort":  {"2 are too few.", bucketToken, props{"bucket": "ab"}, "bucket:"},
		"BucketCapitals":  {"S3 takes no capitals.", bucketToken, props{"bucket": "Uploads"}, "bucket:"},
		"BucketUnicode":   {"S3 takes ASCII alone.", bucketToken, props{"bucket": "überall"}, "bucket:"},
		"BucketInjection": {"A name is no path.", bucketToken, props{"bucket": "a/../b"}, "bucket:"},
		"BucketDots":      {"No two dots.", bucketToken, props{"bucket": "a..b"}, "bucket:"},
		"BucketUnnamed":   {"No name is made up.", bucketToken, props{}, "bucket: is required"},
		"BucketACL": {
			"An input that is not served is named, never ignored.",
			bucketToken,
			props{"bucket": "abc", "acl": "public-read"},
			`acl: input "acl" is not supported`,
		},
		"BucketReservedTag": {
			"The provider's own tags are its own.",
			bucketToken,
			props{"bucket": "abc", "tags": props{"plattr:key:X": "y"}},
			"tags:",
		},
		"CorsEmpty": {"Without rules there is nothing to set.", corsToken, props{"bucket": "abc", "corsRules": []any{}}, "corsRules:"},
		"CorsMethod": {
			"S3 knows five methods.", corsToken, props{"bucket": "abc", "corsRules": []any{
				props{"allowedMethods": []any{"PATCH"}, "allowedOrigins": []any{"*"}},
			}}, "PATCH",
		},
		"CorsUnknown": {
			"An unknown key in a rule is named too.", corsToken, props{"bucket": "abc", "corsRules": []any{
				props{"allowedMethods": []any{"GET"}, "allowedOrigins": []any{"*"}, "maxAge": 3},
			}}, "maxAge",
		},
		"PolicyObject":   {"A document may be an object.", policyToken, props{"bucket": "abc", "policy": props{"Version": "x"}}, ""},
		"PolicyNoJSON":   {"A document is JSON.", policyToken, props{"bucket": "abc", "policy": "{"}, "policy: is no JSON object"},
		"PolicyMissing":  {"A document is needed.", policyToken, props{"bucket": "abc"}, "policy: is required"},
		"PolicyTooLarge": {"20 kB are S3's limit.", policyToken, props{"bucket": "abc", "policy": `{"a":"` + strings.Repeat("x", 21000) + `"}`}, "policy: has"},
		"VersioningStatus": {
			"There are three states.", versioningToken,
			props{"bucket": "abc", "versioningConfiguration": props{"status": "On"}},
			"versioningConfiguration:",
		},
		"OwnershipRule": {
			"There are three rules.", ownershipToken,
			props{"bucket": "abc", "rule": props{"objectOwnership": "Mine"}},
			"rule:",
		},
		"EncryptionAlgorithm": {
			"The algorithms are S3's.", encryptionToken,
			props{"bucket": "abc", "rules": []any{props{"applyServerSideEncryptionByDefault": props{"sseAlgorithm": "rot13"}}}},
			"rules:",
		},
		"EncryptionEmpty": {"A bucket has one rule.", encryptionToken, props{"bucket": "abc", "rules": []any{}}, "rules:"},
		"BlockNoBucket":   {"Every part needs its bucket.", blockToken, props{}, "bucket: is required"},
		"User":            {"64 characters are IAM's limit.", userToken, props{"name": strings.Repeat("u", 64)}, ""},
		"UserTooLong":     {"65 are too many.", userToken, props{"name": strings.Repeat("u", 65)}, "name:"},
		"UserName":        {"A name has no blanks.", userToken, props{"name": "a b"}, "name:"},
		"UserBoundary":    {"Not served, so named.", userToken, props{"name": "a", "permissionsBoundary": "arn"}, `"permissionsBoundary"`},
		"UserPolicyName":  {"A policy has a name.", userPolicyToken, props{"user": "a", "policy": "{}"}, "name:"},
		"KeyStatus":       {"A key is on or off.", keyToken, props{"user": "a", "status": "Maybe"}, "status:"},
		"KeyUser":         {"A key is somebody's.", keyToken, props{}, "user: is required"},
		"KeyPGP":          {"Not served, so named.", keyToken, props{"user": "a", "pgpKey": "x"}, `"pgpKey"`},
	}
	p := newProvider(t, offline(), "mine")
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := p.Check(t, tc.token, tc.in)
			switch {
			case tc.wantErr == "" && err != nil:
				t.Errorf("%s It is refused: %v", tc.reason, err)
			case tc.wantErr != "" && (err == nil || !strings.Contains(err.Error(), tc.wantErr)):
				t.Errorf("%s Error %v, want one with %q", tc.reason, err, tc.wantErr)
			}
		})
	}
}

func TestConfiguration(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason  string
		in      props
		wantErr string
	}{
		"Complete":    {"What the SDK sends is taken.", settings(offline()), ""},
		"NoRegion":    {"There is no default region.", props{"accessKey": "a", "secretKey": "b"}, "region is required"},
		"HalfKey":     {"A key has two halves.", props{"region": "us-east-1", "accessKey": "a"}, "accessKey and secretKey"},
		"Unsupported": {"A setting that is not served is named.", props{"region": "us-east-1", "assumeRole": `{"roleArn":"x"}`}, "assumeRole"},
		"Endpoint":    {"So is a service that is not.", props{"region": "us-east-1", "endpoints": `[{"sqs":"http://x"}]`}, "sqs"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := testutil.ConfigurationError(t, New(), tc.in)
			switch {
			case tc.wantErr == "" && err != "":
				t.Errorf("%s It is refused: %s", tc.reason, err)
			case !strings.Contains(err, tc.wantErr):
				t.Errorf("%s Error %q, want one with %q", tc.reason, err, tc.wantErr)
			}
		})
	}
}

func TestSamePolicy(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason, a, b string
		want         bool
	}{
		"Space":    {"White space is of no meaning.", `{"a": 1}`, `{"a":1}`, true},
		"Single":   {"A list of one is the one.", `{"Action":["s3:*"]}`, `{"Action":"s3:*"}`, true},
		"Order":    {"The order of a list is of no meaning.", `{"Action":["a","b"]}`, `{"Action":["b","a"]}`, true},
		"Number":   {"More actions are another policy.", `{"Action":["a","b"]}`, `{"Action":["a"]}`, false},
		"Effect":   {"Deny is not Allow.", `{"Effect":"Allow"}`, `{"Effect":"Deny"}`, false},
		"Nonsense": {"What is no JSON is compared as text.", `{`, `{`, true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := samePolicy(tc.a, tc.b); got != tc.want {
				t.Errorf("%s %s and %s: %v", tc.reason, tc.a, tc.b, got)
			}
		})
	}
}

func FuzzSamePolicy(f *testing.F) {
	f.Add(`{"Statement":[{"Action":["a","b"]}]}`, `{"Statement":{"Action":["b","a"]}}`)
	f.Add(`[]`, `[[]]`)
	f.Fuzz(func(t *testing.T, a, b string) {
		if !samePolicy(a, a) {
			t.Errorf("%q differs from itself", a)
		}
		if samePolicy(a, b) != samePolicy(b, a) {
			t.Errorf("%q and %q differ in one direction only", a, b)
		}
	})
}
