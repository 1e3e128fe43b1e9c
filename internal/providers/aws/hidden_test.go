package aws

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"plattr.dev/plattr/internal/testutil"
)

// TestHiddenInputs holds the inputs to what the bridge of the official plugin makes of them, so that a state written
// under one is continued under the other without a replacement.
// Source: pulumi-terraform-bridge, pkg/tfbridge/schema.go, and the defaults in the schemas of terraform-provider-aws.
func TestHiddenInputs(t *testing.T) {
	t.Parallel()
	none := []any{}
	cases := map[string]struct {
		token    string
		in, want props
	}{
		"Bucket": {
			bucketToken,
			props{"bucket": "abc", "tags": props{"a": "b"}},
			props{"__defaults": []any{"forceDestroy"}, "bucket": "abc", "forceDestroy": false, "tags": props{"a": "b"}},
		},
		"Cors": {
			corsToken,
			props{"bucket": "abc", "corsRules": []any{
				props{"allowedMethods": []any{"GET"}, "allowedOrigins": []any{"*"}},
			}},
			props{"__defaults": none, "bucket": "abc", "corsRules": []any{
				props{"__defaults": none, "allowedMethods": []any{"GET"}, "allowedOrigins": []any{"*"}},
			}},
		},
		"Versioning": {
			versioningToken,
			props{"bucket": "abc", "versioningConfiguration": props{"status": "Enabled"}},
			props{
				"__defaults": none, "bucket": "abc",
				"versioningConfiguration": props{"__defaults": none, "status": "Enabled"},
			},
		},
		"Block": {
			blockToken,
			props{"bucket": "abc", "blockPublicAcls": true},
			props{
				"__defaults": []any{"blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets"}, "bucket": "abc",
				"blockPublicAcls": true, "blockPublicPolicy": false, "ignorePublicAcls": false,
				"restrictPublicBuckets": false,
			},
		},
		"User": {
			userToken,
			props{"name": "abc"},
			props{"__defaults": []any{"forceDestroy", "path"}, "name": "abc", "forceDestroy": false, "path": "/"},
		},
		"AccessKey": {
			keyToken, props{"user": "abc"}, props{"__defaults": []any{"status"}, "user": "abc", "status": "Active"},
		},
	}
	p := newProvider(t, offline(), "mine")
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := p.Check(t, tc.token, tc.in)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got.Mappable()); diff != "" {
				t.Errorf("inputs (-want +got):\n%s", diff)
			}
		})
	}
}

// TestHiddenOutputs: the official plugin finds its time-outs and the ID among the outputs.
func TestHiddenOutputs(t *testing.T) {
	t.Parallel()
	p, name := newProvider(t, testutil.S3(t), "mine"), unique(t, "hidden")
	bucket := makeBucket(t, p, name)
	for key, want := range map[string]string{
		"id": name, "bucket": name, "arn": "arn:aws:s3:::" + name, "region": "us-east-1", "__meta": timeouts,
		"bucketRegionalDomainName": name + ".s3.us-east-1.amazonaws.com",
	} {
		if got := bucket.Output(key); got != want {
			t.Errorf("output %s is %v, want %s", key, got, want)
		}
	}
}
