package aws

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"golang.org/x/sync/errgroup"

	"plattr.dev/plattr/internal/testutil"
)

// fill puts more objects into a bucket than a page holds, some with versions and delete markers, under names of every
// kind, and begins an upload that nobody ends.
func fill(t *testing.T, s *testutil.S3Server, bucket string, objects int) {
	t.Helper()
	c := admin(s) // one: each has connections of its own
	group, ctx := errgroup.WithContext(t.Context())
	group.SetLimit(16)
	put := func(key string) func() error {
		body := "x"
		if strings.HasSuffix(key, "/") {
			body = "" // versitygw makes a folder of it
		}
		return func() error {
			_, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: strings.NewReader(body)})
			return err
		}
	}
	for i := range objects {
		group.Go(put(fmt.Sprintf("many/%04d", i)))
	}
	for _, key := range oddKeys() {
		group.Go(put(key))
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		key := fmt.Sprintf("many/%04d", i)
		if _, err := c.PutObject(t.Context(), &s3.PutObjectInput{
			Bucket: &bucket, Key: &key, Body: strings.NewReader("second version"),
		}); err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			if _, err := c.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &bucket, Key: &key}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := c.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{
		Bucket: &bucket, Key: aws.String("film.mp4"),
	}); err != nil {
		t.Fatal(err)
	}
}

func oddKeys() []string {
	return []string{
		"ä/ö ü.txt", "日本語/写真.png", "emoji-🎉", "a b+c&d=e?f#g%20h", "<xml>&amp;\"quotes\"'", "deep/1/2/3/4/5/6/7/8/9",
		"folder/", strings.Repeat("k", 200),
	}
}

func TestDeleteFullBucket(t *testing.T) {
	t.Parallel()
	s := testutil.S3(t)
	for name, versioned := range map[string]bool{"Plain": false, "Versioned": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, name := newProvider(t, s, "full"), unique(t, "full")
			bucket := makeBucket(t, p, name)
			if versioned {
				p.MustCreate(t, versioningToken, props{
					"bucket": name, "versioningConfiguration": props{"status": "Enabled"},
				})
			}
			fill(t, s, name, 1100)

			kept := props{"bucket": name, "forceDestroy": false}
			change(t, bucket, kept)
			wantError(t, bucket.Delete(), name, "set forceDestroy")
			same(t, bucket, kept)

			change(t, bucket, props{"bucket": name, "forceDestroy": true})
			remove(t, bucket)
			if bucket.Refresh() {
				t.Error("the bucket is still there")
			}
			remove(t, bucket)
			makeBucket(t, p, name) // nothing of it is in the way of a new one
			res, err := admin(s).ListObjectVersions(t.Context(), &s3.ListObjectVersionsInput{Bucket: &name})
			if err != nil || len(res.Versions)+len(res.DeleteMarkers) > 0 {
				t.Errorf("a new bucket holds %v %v: %v", res.Versions, res.DeleteMarkers, err)
			}
		})
	}
}

// TestFoldersOfKilledServer is what a versitygw leaves that was killed while it removed the last object of a folder.
func TestFoldersOfKilledServer(t *testing.T) {
	t.Parallel()
	s := testutil.S3(t)
	p, name := newProvider(t, s, "full"), unique(t, "folders")
	bucket := makeBucket(t, p, name)
	for _, folder := range []string{"a/b/c", "a/d", "e"} {
		if err := os.MkdirAll(filepath.Join(s.Dir, "buckets", name, folder), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	remove(t, bucket)
	if bucket.Refresh() {
		t.Error("the bucket is still there")
	}
}
