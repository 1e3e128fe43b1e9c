package aws

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"
)

// emptyWorkers is how many batches of a page's size (1,000 objects) are deleted at once.
const emptyWorkers = 4

// emptyBucket deletes every version, delete marker and multipart upload in progress.
func (c *client) emptyBucket(ctx context.Context, bucket string) error {
	group, groupCtx := errgroup.WithContext(ctx) // which ends with the group
	group.SetLimit(emptyWorkers)
	listed := c.eachPage(groupCtx, bucket, func(batch []s3types.ObjectIdentifier) {
		group.Go(func() error { return c.deleteObjects(groupCtx, bucket, batch) })
	})
	if err := group.Wait(); err != nil {
		return err //nolint:wrapcheck // the first failure of deleteObjects; it also ended the listing
	}
	if listed != nil {
		return listed
	}
	return c.abortUploads(ctx, bucket)
}

// eachPage calls use with what each page lists. A server without versions is asked for objects.
func (c *client) eachPage(ctx context.Context, bucket string, use func([]s3types.ObjectIdentifier)) error {
	pages := s3.NewListObjectVersionsPaginator(c.s3, &s3.ListObjectVersionsInput{Bucket: &bucket})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if is(err, "NotImplemented") {
			return c.eachObjectPage(ctx, bucket, use)
		}
		if isNoBucket(err) {
			return nil
		}
		if err != nil {
			return c.fail(err, "list the versions in bucket %q", bucket)
		}
		batch := make([]s3types.ObjectIdentifier, 0, len(page.Versions)+len(page.DeleteMarkers))
		for _, v := range page.Versions {
			batch = append(batch, s3types.ObjectIdentifier{Key: v.Key, VersionId: v.VersionId})
		}
		for _, m := range page.DeleteMarkers {
			batch = append(batch, s3types.ObjectIdentifier{Key: m.Key, VersionId: m.VersionId})
		}
		if len(batch) > 0 {
			use(batch)
		}
	}
	return nil
}

func (c *client) eachObjectPage(ctx context.Context, bucket string, use func([]s3types.ObjectIdentifier)) error {
	pages := s3.NewListObjectsV2Paginator(c.s3, &s3.ListObjectsV2Input{Bucket: &bucket})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return c.fail(err, "list the objects in bucket %q", bucket)
		}
		batch := make([]s3types.ObjectIdentifier, 0, len(page.Contents))
		for _, o := range page.Contents {
			batch = append(batch, s3types.ObjectIdentifier{Key: o.Key})
		}
		if len(batch) > 0 {
			use(batch)
		}
	}
	return nil
}

func (c *client) deleteObjects(ctx context.Context, bucket string, batch []s3types.ObjectIdentifier) error {
	res, err := c.s3.DeleteObjects(ctx, &s3.DeleteObjectsInput{
		Bucket: &bucket, Delete: &s3types.Delete{Objects: batch, Quiet: aws.Bool(true)},
	})
	if isNoBucket(err) {
		return nil
	}
	if err != nil {
		return c.fail(err, "delete %d objects in bucket %q", len(batch), bucket)
	}
	if len(res.Errors) > 0 {
		first := res.Errors[0]
		return fmt.Errorf("delete %d objects in bucket %q: %d were refused, first %q: %s: %s", len(batch), bucket,
			len(res.Errors), aws.ToString(first.Key), aws.ToString(first.Code), aws.ToString(first.Message))
	}
	return nil
}

func (c *client) abortUploads(ctx context.Context, bucket string) error {
	pages := s3.NewListMultipartUploadsPaginator(c.s3, &s3.ListMultipartUploadsInput{Bucket: &bucket})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if is(err, "NotImplemented") || isNoBucket(err) {
			return nil
		}
		if err != nil {
			return c.fail(err, "list the uploads in bucket %q", bucket)
		}
		for _, u := range page.Uploads {
			_, err := c.s3.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{
				Bucket: &bucket, Key: u.Key, UploadId: u.UploadId,
			})
			if err != nil && !is(err, "NoSuchUpload") && !isNoBucket(err) {
				return c.fail(err, "abort the upload of %q in bucket %q", aws.ToString(u.Key), bucket)
			}
		}
	}
	return nil
}

// removeFolders removes empty folders below a prefix, which ends in a slash or is empty. S3 has none, but versitygw
// keeps objects in directories: if it is killed after it removed the last object of one, the directory stays, is
// listed as a common prefix alone and keeps the bucket from being deleted. Such a folder goes with an object of its
// name.
func (c *client) removeFolders(ctx context.Context, bucket, prefix string) error {
	pages := s3.NewListObjectsV2Paginator(c.s3, &s3.ListObjectsV2Input{
		Bucket: &bucket, Prefix: &prefix, Delimiter: aws.String("/"),
	})
	leaf := true
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if isNoBucket(err) {
			return nil
		}
		if err != nil {
			return c.fail(err, "list the folders in bucket %q", bucket)
		}
		for _, folder := range page.CommonPrefixes {
			leaf = false
			if err := c.removeFolders(ctx, bucket, aws.ToString(folder.Prefix)); err != nil {
				return err
			}
		}
	}
	if !leaf || prefix == "" {
		return nil
	}
	put, err := c.s3.PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: &prefix})
	if err == nil {
		_, err = c.s3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &bucket, Key: &prefix, VersionId: put.VersionId})
	}
	if err != nil && !isNoBucket(err) {
		return c.fail(err, "remove the empty folder %q in bucket %q", prefix, bucket)
	}
	return nil
}
