// Package s3 is the store of stacks in a bucket of S3, or of a server with S3's API: the stock CLI finds there what it
// would have written itself. Locks rest on conditional writes, which the server must know.
package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"golang.org/x/sync/errgroup"

	"plattr.dev/plattr/internal/engine/lock"
	"plattr.dev/plattr/internal/engine/store"
)

const (
	// attempts is how often a request is made before its error is one; a server that is restarted is back by then.
	attempts   = 5
	maxBackoff = time.Second
	// dialTimeout and requestTimeout bound one attempt.
	dialTimeout    = 3 * time.Second
	requestTimeout = 30 * time.Second
	// anyRegion is what servers other than AWS's are told when nobody says.
	anyRegion = "us-east-1"
	// parallel is how many changes are made at once.
	parallel = 16
)

// Credentials are a key of the bucket. Without one the AWS SDK's usual sources are asked: environment, shared files,
// web identity, instance metadata.
type Credentials struct {
	AccessKey, SecretKey, SessionToken string
}

// Store is a prefix in a bucket. It is safe for concurrent use.
type Store struct {
	at   location
	keys Credentials

	mu     sync.Mutex
	client *s3.Client
	probed bool // the server is known to honour conditions
}

// Open reads an s3:// URL. No server is asked before the first operation.
func Open(u *url.URL, keys Credentials) (*Store, error) {
	at, err := parse(u)
	if err != nil {
		return nil, err
	}
	if (keys.AccessKey == "") != (keys.SecretKey == "") {
		return nil, fmt.Errorf("state %s: access key and secret key belong together", at)
	}
	return &Store{at: at, keys: keys}, nil
}

// URL returns the URL for the stock CLI.
func (s *Store) URL() string { return s.at.stock() }

// Environment are variables with which the stock CLI can open [Store.URL].
func (s *Store) Environment() map[string]string {
	if s.keys.AccessKey == "" {
		return nil
	}
	env := map[string]string{"AWS_ACCESS_KEY_ID": s.keys.AccessKey, "AWS_SECRET_ACCESS_KEY": s.keys.SecretKey}
	if s.keys.SessionToken != "" {
		env["AWS_SESSION_TOKEN"] = s.keys.SessionToken
	}
	return env
}

// open makes the client, once. The environment's AWS_ENDPOINT_URL is an application's and not asked.
func (s *Store) open(ctx context.Context) (*s3.Client, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client != nil {
		return s.client, nil
	}
	options := []func(*config.LoadOptions) error{
		config.WithSharedConfigProfile(s.at.profile), config.WithHTTPClient(newHTTPClient()),
		config.WithRetryer(newRetryer),
		// Checksums beyond what an operation requires are unknown to other servers than AWS's.
		config.WithRequestChecksumCalculation(aws.RequestChecksumCalculationWhenRequired),
		config.WithResponseChecksumValidation(aws.ResponseChecksumValidationWhenRequired),
	}
	if s.at.region != "" {
		options = append(options, config.WithRegion(s.at.region))
	}
	if s.keys.AccessKey != "" {
		options = append(options, config.WithCredentialsProvider(
			credentials.NewStaticCredentialsProvider(s.keys.AccessKey, s.keys.SecretKey, s.keys.SessionToken)))
	}
	shared, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("state %s: find AWS credentials: %w", s.at, err)
	}
	if shared.Region == "" && s.at.endpoint != "" {
		shared.Region = anyRegion
	}
	if shared.Region == "" {
		return nil, fmt.Errorf("state %s: no region: add ?region= to the URL, or set AWS_REGION", s.at)
	}
	shared.BaseEndpoint = nil
	s.client = s3.NewFromConfig(shared, func(o *s3.Options) {
		o.UsePathStyle = s.at.pathStyle
		if s.at.endpoint != "" {
			o.BaseEndpoint = aws.String(s.at.endpoint)
		}
	})
	return s.client, nil
}

func newRetryer() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts, o.MaxBackoff = attempts, maxBackoff
	})
}

// newHTTPClient is the SDK's own, which knows AWS_CA_BUNDLE and follows no redirect of a signed request.
func newHTTPClient() *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().WithTimeout(requestTimeout).
		WithDialerOptions(func(d *net.Dialer) { d.Timeout = dialTimeout }).
		WithTransportOptions(func(t *http.Transport) {
			t.TLSHandshakeTimeout, t.MaxIdleConnsPerHost = dialTimeout, parallel
		})
}

// object is the name of a key in the bucket.
func (s *Store) object(key string) *string { return aws.String(s.at.prefix + key) }

// Read returns the content of an object.
func (s *Store) Read(ctx context.Context, key string) ([]byte, error) {
	o, err := s.get(ctx, key)
	return o.content, err
}

// object with its content.
type found struct {
	store.Object
	content []byte
}

func (s *Store) get(ctx context.Context, key string) (found, error) {
	client, err := s.open(ctx)
	if err != nil {
		return found{}, err
	}
	out, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: &s.at.bucket, Key: s.object(key)})
	if err != nil {
		return found{}, s.explain(err, "read", key)
	}
	defer func() { _ = out.Body.Close() }()
	raw, err := io.ReadAll(out.Body)
	if err != nil {
		return found{}, s.explain(err, "read", key)
	}
	return found{describe(out.ETag, out.LastModified, out.ResultMetadata), raw}, nil
}

// Stat describes an object.
func (s *Store) Stat(ctx context.Context, key string) (store.Object, error) {
	client, err := s.open(ctx)
	if err != nil {
		return store.Object{}, err
	}
	out, err := client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &s.at.bucket, Key: s.object(key)})
	if err != nil {
		return store.Object{}, s.explain(err, "read", key)
	}
	return describe(out.ETag, out.LastModified, out.ResultMetadata), nil
}

// describe tells the age by the server's clock, which is the same for every host.
func describe(tag *string, modified *time.Time, metadata resultMetadata) store.Object {
	o := store.Object{Version: aws.ToString(tag), Modified: aws.ToTime(modified), Age: store.NoClock}
	if now, ok := middleware.GetServerTime(metadata); ok && modified != nil {
		o.Age = max(0, now.Sub(*modified))
	}
	return o
}

// List returns the keys that begin with prefix; S3 sorts them.
func (s *Store) List(ctx context.Context, prefix string) ([]string, error) {
	client, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	var keys []string
	pages := s3.NewListObjectsV2Paginator(client, &s3.ListObjectsV2Input{Bucket: &s.at.bucket, Prefix: s.object(prefix)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, s.explain(err, "list", prefix)
		}
		for _, o := range page.Contents {
			keys = append(keys, strings.TrimPrefix(aws.ToString(o.Key), s.at.prefix))
		}
	}
	return keys, nil
}

// Apply makes the changes at once, and the last one when all others are made. Under a lock nothing is written after the
// lock was lost.
func (s *Store) Apply(ctx context.Context, l *lock.Lock, changes ...store.Change) error {
	if l != nil {
		if err := l.Err(); err != nil {
			return err
		}
		guarded, cancel := l.Guard(ctx)
		defer cancel()
		ctx = guarded
	}
	err := s.applyAll(ctx, changes)
	if l != nil && err != nil && l.Err() != nil {
		return l.Err()
	}
	return err
}

func (s *Store) applyAll(ctx context.Context, changes []store.Change) error {
	if len(changes) == 0 {
		return nil
	}
	client, err := s.open(ctx)
	if err != nil {
		return err
	}
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for _, c := range changes[:len(changes)-1] {
		group.Go(func() error { return s.apply(gctx, client, c) })
	}
	if err := group.Wait(); err != nil {
		return err //nolint:wrapcheck // ours
	}
	return s.apply(ctx, client, changes[len(changes)-1])
}

func (s *Store) apply(ctx context.Context, client *s3.Client, c store.Change) error {
	var err error
	switch {
	case c.Delete:
		_, err = client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &s.at.bucket, Key: s.object(c.Key)})
		if err = s.explain(err, "delete", c.Key); errors.Is(err, store.ErrAbsent) {
			err = nil
		}
	case c.From != "":
		if err = s.copy(ctx, client, c); errors.Is(err, store.ErrAbsent) {
			err = nil
		}
	default:
		_, err = s.put(ctx, client, &s3.PutObjectInput{Key: s.object(c.Key)}, c.Data)
		err = s.explain(err, "write", c.Key)
	}
	return err
}

// copy lets the server copy an object, or does it itself where the server has no copies.
func (s *Store) copy(ctx context.Context, client *s3.Client, c store.Change) error {
	source := (&url.URL{Path: s.at.bucket + "/" + *s.object(c.From)}).EscapedPath()
	_, err := client.CopyObject(ctx, &s3.CopyObjectInput{Bucket: &s.at.bucket, Key: s.object(c.Key), CopySource: &source})
	if !is(err, "InvalidRequest", "NotImplemented") {
		return s.explain(err, "write", c.Key)
	}
	o, err := s.get(ctx, c.From)
	if err != nil {
		return err
	}
	_, err = s.put(ctx, client, &s3.PutObjectInput{Key: s.object(c.Key)}, o.content)
	return s.explain(err, "write", c.Key)
}

// written is an object as it was written: its tag and, in a bucket that keeps versions, the version's ID.
type written struct{ tag, version string }

// put writes an object. The conditions are the caller's.
func (s *Store) put(ctx context.Context, client *s3.Client, in *s3.PutObjectInput, data []byte) (written, error) {
	in.Bucket, in.Body = &s.at.bucket, bytes.NewReader(data)
	in.ContentType = aws.String("application/json")
	out, err := client.PutObject(ctx, in)
	if err != nil {
		return written{}, err //nolint:wrapcheck // explained by the caller
	}
	return written{tag: aws.ToString(out.ETag), version: aws.ToString(out.VersionId)}, nil
}
