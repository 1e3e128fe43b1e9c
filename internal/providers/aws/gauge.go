package aws

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// What can be wrong with a question that has no other answer.
var (
	// ErrNoBucket says that a bucket does not exist.
	ErrNoBucket = errors.New("there is no such bucket")
	// ErrNoIdentity says that no credentials were given, and that this machine has none of its own.
	ErrNoIdentity = errors.New("this machine has no identity on AWS: set AWS_PROFILE, or log in with `aws sso login`")
)

// Gauge tells how much is in buckets, and changes nothing.
type Gauge struct{ client *client }

// Content is what is in a bucket: its current objects, without versions before them.
type Content struct {
	Objects int
	Bytes   int64
	// More says that there are more objects than were counted.
	More bool
}

// NewGauge returns a Gauge as a configuration says. Without keys in it the machine's own identity is looked for; that there is
// none is ErrNoIdentity. Close it.
func NewGauge(ctx context.Context, cfg Config) (*Gauge, error) {
	c, err := newClient(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if cfg.AccessKey == "" {
		if _, err := c.s3.Options().Credentials.Retrieve(ctx); err != nil && ctx.Err() == nil {
			c.close()
			return nil, ErrNoIdentity
		}
	}
	return &Gauge{c}, nil
}

// Close ends idle connections.
func (g *Gauge) Close() { g.client.close() }

// page is how many objects a server lists at once.
const page = 1000

// Measure counts the objects of a bucket, and stops at most, or with the page after it. When the context ends after
// the first page, it is what was counted until then. A bucket that is not there is ErrNoBucket.
func (g *Gauge) Measure(ctx context.Context, bucket string, most int) (Content, error) {
	var found Content
	pages := s3.NewListObjectsV2Paginator(g.client.s3, &s3.ListObjectsV2Input{
		Bucket: &bucket, MaxKeys: aws.Int32(int32(min(most, page))), //nolint:gosec // bounded on this line
	})
	for pages.HasMorePages() {
		if found.Objects >= most {
			found.More = true
			break
		}
		listed, err := pages.NextPage(ctx)
		switch {
		case isNoBucket(err):
			return Content{}, ErrNoBucket
		case err != nil && ctx.Err() != nil && found.Objects > 0:
			found.More = true
			return found, nil
		case err != nil:
			return Content{}, g.client.fail(err, "list the objects in bucket %q", bucket)
		}
		for _, o := range listed.Contents {
			found.Objects++
			found.Bytes += aws.ToInt64(o.Size)
		}
	}
	return found, nil
}

// IsRefused tells the answer of a server that does not know a key, or does not let it do this.
func IsRefused(err error) bool {
	return is(err, "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidClientTokenId", "UnrecognizedClientException", "AccessDenied", "Forbidden",
		"ExpiredToken")
}
