package engine_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"plattr.dev/plattr/internal/engine"
	"plattr.dev/plattr/internal/engine/store/storetest"
	"plattr.dev/plattr/internal/testutil"
)

// TestStoreSlow: a store that takes a tenth of a second for every request does not slow every step.
func TestStoreSlow(t *testing.T) {
	t.Parallel()
	const latency, resources = 100 * time.Millisecond, 64
	server := testutil.S3(t)
	behind, err := url.Parse(server.Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	var writes, all atomic.Int64
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(behind)
		r.Out.Host = r.In.Host // it is signed
	}}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		all.Add(1)
		if r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, stackKey) {
			writes.Add(1)
		}
		time.Sleep(latency)
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	p := newPlaceIn(t, func(t testing.TB) storetest.Store {
		at := storetest.NewS3(t)
		at.URL = strings.Replace(at.URL, url.QueryEscape(server.Endpoint), url.QueryEscape(front.URL), 1)
		return at
	})
	program := map[string]string{}
	for i := range resources {
		program[fmt.Sprint(i)] = "1"
	}
	up(t, p, "dev", files(program), engine.RunOptions{})
	wantFiles(t, p, program)
	if n := writes.Load(); n > resources/2 {
		t.Errorf("%d resources took %d writes of the state", resources, n)
	}
	all.Store(0)
	writes.Store(0)
	up(t, p, "dev", files(program), engine.RunOptions{})
	if n := all.Load(); writes.Load() > 0 || n > 8 {
		t.Errorf("a run that changes nothing makes %d requests, %d of them to write the state", n, writes.Load())
	}
}

// TestStoreNoCredentials: nothing in the environment, and a key without rights.
func TestStoreNoCredentials(t *testing.T) {
	nothing := filepath.Join(t.TempDir(), "nothing")
	for name, v := range map[string]string{
		"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_SESSION_TOKEN": "", "AWS_PROFILE": "",
		"AWS_SHARED_CREDENTIALS_FILE": nothing, "AWS_CONFIG_FILE": nothing, "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_REGION": "", "AWS_DEFAULT_REGION": "",
	} {
		t.Setenv(name, v)
	}
	at := storetest.NewS3(t)
	bare := newPlaceIn(t, func(testing.TB) storetest.Store { return storetest.Store{URL: at.URL, Raw: at.Raw} })
	_, err := bare.Up(t.Context(), "dev", files(nil), engine.RunOptions{})
	wantOneLine(t, "no credentials", err, "no credentials: set AWS_ACCESS_KEY_ID", "hunter2")

	homeless := newPlaceIn(t, func(testing.TB) storetest.Store { return storetest.Store{URL: "s3://bucket", S3: at.S3} })
	_, err = homeless.Up(t.Context(), "dev", files(nil), engine.RunOptions{})
	wantOneLine(t, "no region", err, "no region: add ?region= to the URL, or set AWS_REGION", "hunter2")

	// The usual sources.
	t.Setenv("AWS_ACCESS_KEY_ID", at.S3.AccessKey)
	t.Setenv("AWS_SECRET_ACCESS_KEY", at.S3.SecretKey)
	t.Setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1") // an application's
	fromEnvironment := newPlaceIn(t, func(testing.TB) storetest.Store { return storetest.Store{URL: at.URL, Raw: at.Raw} })
	up(t, fromEnvironment, "dev", files(map[string]string{"a": "1"}), engine.RunOptions{})
}

func TestStoreAccessDenied(t *testing.T) {
	t.Parallel()
	server := testutil.S3(t)
	options := storetest.S3Client(server).Options()
	users := iam.New(iam.Options{Region: server.Region, BaseEndpoint: &server.IAMEndpoint, Credentials: options.Credentials})
	name := "nobody"
	if _, err := users.CreateUser(t.Context(), &iam.CreateUserInput{UserName: &name}); err != nil {
		t.Fatal(err)
	}
	key, err := users.CreateAccessKey(t.Context(), &iam.CreateAccessKeyInput{UserName: &name})
	if err != nil {
		t.Fatal(err)
	}
	poor := newPlaceIn(t, func(t testing.TB) storetest.Store {
		at := storetest.NewS3(t)
		at.S3 = engine.S3Credentials{AccessKey: *key.AccessKey.AccessKeyId, SecretKey: *key.AccessKey.SecretAccessKey}
		return at
	})
	_, err = poor.Up(t.Context(), "dev", files(nil), engine.RunOptions{})
	wantOneLine(t, "no rights", err, "access denied: the credentials need s3:ListBucket on state-", *key.AccessKey.SecretAccessKey)
}

// TestStoreVersioned: a bucket that keeps old versions, as one for states should.
func TestStoreVersioned(t *testing.T) {
	t.Parallel()
	p := newPlaceIn(t, storetest.NewS3)
	u, err := url.Parse(p.store.URL)
	if err != nil {
		t.Fatal(err)
	}
	client := storetest.S3Client(testutil.S3(t))
	_, err = client.PutBucketVersioning(t.Context(), &awss3.PutBucketVersioningInput{
		Bucket: &u.Host, VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled},
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		up(t, p, "dev", files(map[string]string{"a": "1"}), engine.RunOptions{})
	}
	if _, err := p.Destroy(t.Context(), "dev", engine.RunOptions{Remove: true}); err != nil {
		t.Fatal(err)
	}
	if names, err := p.List(t.Context()); err != nil || len(names) > 0 {
		t.Errorf("list: %v, %v", names, err)
	}
	prefix := strings.TrimPrefix(u.Path, "/") + "/" + lockDir
	left, err := client.ListObjectVersions(t.Context(), &awss3.ListObjectVersionsInput{Bucket: &u.Host, Prefix: &prefix})
	if err != nil || len(left.Versions)+len(left.DeleteMarkers) > 0 {
		t.Errorf("versions of locks left: %v, %v", left, err)
	}
}
