package aws

import (
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"

	"plattr.dev/plattr/internal/testutil"
)

// TestGauge holds what is counted: current objects, up to a bound.
func TestGauge(t *testing.T) {
	t.Parallel()
	s := testutil.S3(t)
	p := newProvider(t, s, "gauge")
	name := unique(t, "gauge")
	bucket := makeBucket(t, p, name)
	t.Cleanup(func() { remove(t, bucket) })
	keys := Config{
		Region: s.Region, AccessKey: s.AccessKey, SecretKey: s.SecretKey, S3UsePathStyle: true, Endpoints: []Endpoint{{S3: s.Endpoint}},
	}
	gauge := openGauge(t, keys)
	measure := func(most int) Content {
		t.Helper()
		found, err := gauge.Measure(t.Context(), name, most)
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	if got := measure(10); got != (Content{}) {
		t.Errorf("an empty bucket: %+v", got)
	}
	for _, key := range []string{"a", "b/c", "b/d"} {
		if _, err := admin(s).PutObject(t.Context(), &s3.PutObjectInput{Bucket: &name, Key: &key, Body: strings.NewReader("12345")}); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(Content{Objects: 3, Bytes: 15}, measure(3)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(Content{Objects: 2, Bytes: 10, More: true}, measure(2)); diff != "" {
		t.Error(diff)
	}
	if _, err := gauge.Measure(t.Context(), name+"x", 2); !errors.Is(err, ErrNoBucket) {
		t.Errorf("no bucket: %v", err)
	}
	wrong := keys
	wrong.SecretKey += "x"
	if _, err := openGauge(t, wrong).Measure(t.Context(), name, 2); !IsRefused(err) {
		t.Errorf("a wrong key: %v", err)
	}
}

// TestGaugeWithoutIdentity is not parallel: it changes the environment.
func TestGaugeWithoutIdentity(t *testing.T) {
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"} {
		t.Setenv(name, "")
	}
	t.Setenv("AWS_CONFIG_FILE", t.TempDir()+"/config")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", t.TempDir()+"/credentials")
	if _, err := NewGauge(t.Context(), Config{Region: "eu-central-1", SkipMetadataApiCheck: true}); !errors.Is(err, ErrNoIdentity) {
		t.Errorf("%v", err)
	}
}

func openGauge(t *testing.T, cfg Config) *Gauge {
	t.Helper()
	g, err := NewGauge(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	return g
}
