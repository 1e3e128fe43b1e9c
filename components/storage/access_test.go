package storage_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"golang.org/x/sync/errgroup"

	"plattr.dev/plattr/components/storage"
	"plattr.dev/plattr/internal/providers/aws"
	"plattr.dev/plattr/internal/testutil"
)

// deployed is a component on a real server.
type deployed struct {
	*testutil.Applied

	buckets        map[string]string
	key, secret    string
	server         *testutil.S3Server
	secretIsSecret bool
}

// deploy applies the component in the name of a stack.
func deploy(t *testing.T, s *testutil.S3Server, stack string, args storage.Args) *deployed {
	t.Helper()
	provider := testutil.NewProvider(t, aws.New(), stack, map[string]any{
		"region": s.Region, "accessKey": s.AccessKey, "secretKey": s.SecretKey, "s3UsePathStyle": "true",
		"endpoints": fmt.Sprintf(`[{"s3":%q,"iam":%q}]`, s.Endpoint, s.IAMEndpoint),
	})
	d := &deployed{server: s}
	applied, err := testutil.Apply(t, stack, map[string]*testutil.Provider{"aws": provider}, func(ctx *pulumi.Context) error {
		c, err := storage.New(ctx, "shop", &args)
		if err != nil {
			return err
		}
		pulumi.All(c.Buckets, c.AccessKey, c.SecretKey).ApplyT(func(all []any) error {
			d.buckets, d.key, d.secret = all[0].(map[string]string), all[1].(string), all[2].(string)
			return nil
		})
		d.secretIsSecret = pulumi.IsSecret(c.SecretKey)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	d.Applied = applied
	return d
}

// client is an S3 client of the application; without a key, of anybody.
func (d *deployed) client(anonymous bool) *s3.Client {
	o := s3.Options{
		Region: d.server.Region, BaseEndpoint: awssdk.String(d.server.Endpoint), UsePathStyle: true, RetryMaxAttempts: 1,
		Credentials: awssdk.AnonymousCredentials{},
	}
	if !anonymous {
		o.Credentials = credentials.NewStaticCredentialsProvider(d.key, d.secret, "")
	}
	return s3.New(o)
}

func put(ctx context.Context, c *s3.Client, bucket, key, body string) error {
	_, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: strings.NewReader(body)})
	return err
}

func get(ctx context.Context, c *s3.Client, bucket, key string) (string, error) {
	res, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	return string(raw), err
}

// unique makes names that no other test uses, nor another run of this one, not longer than a bucket's may be.
func unique(t *testing.T, name string) string {
	t.Helper()
	return "plattr-local-" + strings.ToLower(rand.Text()[:10]) + "-" + name
}

func laptop(t *testing.T, app string) storage.Args {
	t.Helper()
	return storage.Args{
		Buckets: []storage.Bucket{
			{Name: "uploads", BucketName: unique(t, app+"-uploads")},
			{Name: "photos", BucketName: unique(t, app+"-photos"), Public: true},
		},
		User: unique(t, app), ForceDestroy: true, Capabilities: storage.Capabilities{OwnershipControls: true},
	}
}

// TestApplicationKey is what an application may do with its key, and each thing that it may not.
func TestApplicationKey(t *testing.T) {
	t.Parallel()
	s := testutil.S3(t)
	mine, theirs := deploy(t, s, "mine", laptop(t, "mine")), deploy(t, s, "theirs", laptop(t, "theirs"))
	if !mine.secretIsSecret {
		t.Error("the secret key is no secret of the program")
	}
	c, own, other := mine.client(false), mine.buckets["uploads"], theirs.buckets["uploads"]
	if err := put(t.Context(), theirs.client(false), other, "a", "theirs"); err != nil {
		t.Fatal(err)
	}

	for _, key := range []string{"a.txt", "ä/ö ü.txt", "日本語/写真.png", "emoji-🎉", "a b+c&d=e?f#g%20h", strings.Repeat("k", 200)} {
		if err := put(t.Context(), c, own, key, key); err != nil {
			t.Errorf("put %q: %v", key, err)
		}
		if got, err := get(t.Context(), c, own, key); err != nil || got != key {
			t.Errorf("get %q: %q %v", key, got, err)
		}
	}
	list, err := c.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &own})
	if err != nil || len(list.Contents) != 6 {
		t.Errorf("list: %v %v", list, err)
	}
	if err := multipart(t.Context(), c, own, "film.mp4"); err != nil {
		t.Errorf("multipart upload: %v", err)
	}
	if _, err := c.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &own, Key: awssdk.String("a.txt")}); err != nil {
		t.Errorf("delete: %v", err)
	}

	refused := map[string]func(ctx context.Context) error{
		"GetOfOther": func(ctx context.Context) error { _, err := get(ctx, c, other, "a"); return err },
		"PutToOther": func(ctx context.Context) error { return put(ctx, c, other, "b", "b") },
		"ListOther": func(ctx context.Context) error {
			_, err := c.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &other})
			return err
		},
		"DeleteOfOther": func(ctx context.Context) error {
			_, err := c.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &other, Key: awssdk.String("a")})
			return err
		},
		"CopyFromOther": func(ctx context.Context) error {
			_, err := c.CopyObject(ctx, &s3.CopyObjectInput{
				Bucket: &own, Key: awssdk.String("stolen"), CopySource: awssdk.String(other + "/a"),
			})
			return err
		},
		"CreateBucket": func(ctx context.Context) error {
			_, err := c.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: awssdk.String(own + "-2")})
			return err
		},
		"DeleteBucket": func(ctx context.Context) error {
			_, err := c.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: &own})
			return err
		},
		"OpenBucket": func(ctx context.Context) error {
			_, err := c.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: &own, Policy: awssdk.String("{}")})
			return err
		},
		"TagBucket": func(ctx context.Context) error {
			_, err := c.DeleteBucketTagging(ctx, &s3.DeleteBucketTaggingInput{Bucket: &own})
			return err
		},
		"MakeUser": func(ctx context.Context) error {
			_, err := mine.iam().CreateUser(ctx, &iam.CreateUserInput{UserName: awssdk.String("more")})
			return err
		},
		"MakeKey": func(ctx context.Context) error {
			_, err := mine.iam().CreateAccessKey(ctx, &iam.CreateAccessKeyInput{})
			return err
		},
	}
	for name, try := range refused {
		if err := try(t.Context()); err == nil || !strings.Contains(err.Error(), "AccessDenied") {
			t.Errorf("%s: %v, want AccessDenied", name, err)
		}
	}
	all, err := c.ListBuckets(t.Context(), &s3.ListBucketsInput{})
	if err == nil && strings.Contains(fmt.Sprint(bucketNames(all)), other) {
		t.Errorf("the application sees another's bucket: %v", bucketNames(all))
	}
}

func (d *deployed) iam() *iam.Client {
	return iam.New(iam.Options{
		Region: d.server.Region, BaseEndpoint: awssdk.String(d.server.IAMEndpoint), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(d.key, d.secret, ""),
	})
}

func bucketNames(res *s3.ListBucketsOutput) []string {
	var out []string
	for _, b := range res.Buckets {
		out = append(out, awssdk.ToString(b.Name))
	}
	return out
}

func multipart(ctx context.Context, c *s3.Client, bucket, key string) error {
	up, err := c.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: &bucket, Key: &key})
	if err != nil {
		return err
	}
	part, err := c.UploadPart(ctx, &s3.UploadPartInput{
		Bucket: &bucket, Key: &key, UploadId: up.UploadId, PartNumber: awssdk.Int32(1), Body: strings.NewReader("one part"),
	})
	if err != nil {
		return err
	}
	_, err = c.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
		Bucket: &bucket, Key: &key, UploadId: up.UploadId,
		MultipartUpload: &s3types.CompletedMultipartUpload{
			Parts: []s3types.CompletedPart{{PartNumber: awssdk.Int32(1), ETag: part.ETag}},
		},
	})
	return err
}

// TestWithoutKey is what anybody may do with a public bucket, and not with a private one.
func TestWithoutKey(t *testing.T) {
	t.Parallel()
	d := deploy(t, testutil.S3(t), "public", laptop(t, "shop"))
	photos, uploads, anybody := d.buckets["photos"], d.buckets["uploads"], d.client(true)
	for _, b := range []string{photos, uploads} {
		if err := put(t.Context(), d.client(false), b, "a.txt", "hello"); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := get(t.Context(), anybody, photos, "a.txt"); err != nil || got != "hello" {
		t.Errorf("public object: %q %v", got, err)
	}
	if _, err := get(t.Context(), anybody, uploads, "a.txt"); err == nil {
		t.Error("a private object was read without a key")
	}
	if _, err := anybody.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &photos}); err == nil {
		t.Error("a public bucket was listed without a key")
	}
	if err := put(t.Context(), anybody, photos, "b.txt", "x"); err == nil {
		t.Error("a public bucket was written without a key")
	}
}

// TestPresigned is what a browser gets from an application: a URL that needs no key.
func TestPresigned(t *testing.T) {
	t.Parallel()
	d := deploy(t, testutil.S3(t), "presigned", laptop(t, "shop"))
	bucket, key := d.buckets["uploads"], "für dich/写真.txt"
	signer := s3.NewPresignClient(d.client(false))
	upload, err := signer.PresignPutObject(t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		t.Fatal(err)
	}
	if status, body := request(t, http.MethodPut, upload.URL, nil, "from a browser"); status != http.StatusOK {
		t.Fatalf("upload: %d %s", status, body)
	}
	download, err := signer.PresignGetObject(t.Context(), &s3.GetObjectInput{Bucket: &bucket, Key: &key},
		s3.WithPresignExpires(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	if status, body := request(t, http.MethodGet, download.URL, nil, ""); status != http.StatusOK || body != "from a browser" {
		t.Errorf("download: %d %s", status, body)
	}
	bad := strings.Replace(download.URL, "X-Amz-Signature=", "X-Amz-Signature=0", 1)
	if status, _ := request(t, http.MethodGet, bad, nil, ""); status != http.StatusForbidden {
		t.Errorf("download with a wrong signature: %d", status)
	}
}

// TestPreflight asks what a browser asks before it uploads to another origin.
func TestPreflight(t *testing.T) {
	t.Parallel()
	args := laptop(t, "shop")
	args.AllowedOrigins = []string{"http://localhost:3000"}
	s := testutil.S3(t)
	strict := deploy(t, s, "strict", args)
	open := deploy(t, s, "open", laptop(t, "open"))
	cases := map[string]struct {
		bucket, origin string
		want           int
	}{
		"Own":     {strict.buckets["uploads"], "http://localhost:3000", http.StatusOK},
		"Foreign": {strict.buckets["uploads"], "https://evil.example", http.StatusForbidden},
		"Open":    {open.buckets["uploads"], "https://any.example", http.StatusOK},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			header := http.Header{}
			header.Set("Origin", tc.origin)
			header.Set("Access-Control-Request-Method", http.MethodPut)
			header.Set("Access-Control-Request-Headers", "content-type")
			status, body := request(t, http.MethodOptions, s.Endpoint+"/"+tc.bucket+"/a.txt", header, "")
			if status != tc.want {
				t.Errorf("preflight from %s: %d %s", tc.origin, status, body)
			}
		})
	}
}

func request(t *testing.T, method, url string, header http.Header, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	maps.Copy(req.Header, header)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(raw)
}

// TestManyStacks deploys and removes twenty applications at once, and looks at the server for what is left.
func TestManyStacks(t *testing.T) {
	t.Parallel()
	s := testutil.S3(t)
	prefix := unique(t, "app")
	var group errgroup.Group
	for i := range 20 {
		stack := fmt.Sprintf("stack-%d", i)
		args := storage.Args{
			User: fmt.Sprintf("%s-%d", prefix, i), ForceDestroy: true,
			Buckets: []storage.Bucket{
				{Name: "a", BucketName: fmt.Sprintf("%s-%d-a", prefix, i), Versioned: true},
				{Name: "b", BucketName: limit(fmt.Sprintf("%s-%d-b-", prefix, i), 63), Public: true},
			},
		}
		group.Go(func() error {
			d := deploy(t, s, stack, args)
			if err := put(t.Context(), d.client(false), d.buckets["b"], "x", "y"); err != nil {
				return fmt.Errorf("%s: %w", stack, err)
			}
			if drift := d.Drift(t); len(drift) > 0 {
				return fmt.Errorf("%s: a second run would change %v", stack, drift)
			}
			d.Destroy(t)
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	root := &deployed{server: s, key: s.AccessKey, secret: s.SecretKey}
	all, err := root.client(false).ListBuckets(t.Context(), &s3.ListBucketsInput{Prefix: &prefix})
	if err != nil || len(all.Buckets) > 0 {
		t.Errorf("buckets left: %v %v", bucketNames(all), err)
	}
	users, err := root.iam().ListUsers(t.Context(), &iam.ListUsersInput{})
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range users.Users {
		if strings.HasPrefix(awssdk.ToString(u.UserName), prefix) {
			t.Errorf("user %s is left", awssdk.ToString(u.UserName))
		}
	}
}

// limit fills a name up to a length.
func limit(name string, n int) string { return name + strings.Repeat("x", n-len(name)) }

// TestSecondRun applies twice, as after a run that was killed before it wrote its state.
func TestSecondRun(t *testing.T) {
	t.Parallel()
	s, args := testutil.S3(t), laptop(t, "shop")
	first := deploy(t, s, "twice", args)
	second := deploy(t, s, "twice", args)
	if err := put(t.Context(), second.client(false), second.buckets["uploads"], "a", "b"); err != nil {
		t.Errorf("the key of the second run: %v", err)
	}
	if err := put(t.Context(), first.client(false), first.buckets["uploads"], "a", "b"); err == nil {
		t.Error("the key of the first run, which no state knows, still works")
	}
	if drift := second.Drift(t); len(drift) > 0 {
		t.Errorf("a third run would change %v", drift)
	}
}
