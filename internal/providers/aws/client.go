package aws

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// The limits of one request. A server that is being restarted is back within the retries; one that is gone is
// reported after a few seconds.
const (
	dialTimeout    = 3 * time.Second
	requestTimeout = time.Minute
	maxBackoff     = time.Second
	defaultRetries = 5
)

// Config is the part of the official provider's configuration that is supported.
type Config struct {
	// Region is required, as AWS has no default.
	Region string `json:"region,omitempty"`
	// AccessKey, SecretKey and Token are the credentials. Without them the AWS SDK's usual sources are asked:
	// environment, shared files, web identity, instance metadata.
	AccessKey string `json:"accessKey,omitempty"`
	SecretKey string `json:"secretKey,omitempty"`
	Token     string `json:"token,omitempty"`
	// Profile names a section of the shared files.
	Profile string `json:"profile,omitempty"`
	// Endpoints replaces AWS's own endpoints; the last entry that names a service wins.
	Endpoints []Endpoint `json:"endpoints,omitempty"`
	// S3UsePathStyle puts the bucket's name into the path, which servers without wildcard DNS need.
	S3UsePathStyle bool `json:"s3UsePathStyle,omitempty"`
	// MaxRetries is how often a failed request is tried again; default 5.
	MaxRetries *int `json:"maxRetries,omitempty"`
	// SkipMetadataApiCheck leaves the instance metadata service alone.
	SkipMetadataApiCheck bool `json:"skipMetadataApiCheck,omitempty"`
	// The other checks of the official plugin are never made here, so both values are accepted.
	SkipCredentialsValidation bool `json:"skipCredentialsValidation,omitempty"`
	SkipRegionValidation      bool `json:"skipRegionValidation,omitempty"`
	SkipRequestingAccountID   bool `json:"skipRequestingAccountId,omitempty"`
}

// Endpoint is the URLs of services.
type Endpoint struct {
	S3  string `json:"s3,omitempty"`
	IAM string `json:"iam,omitempty"`
}

// client is both services, and what their errors need to name.
type client struct {
	s3     *s3.Client
	iam    *iam.Client
	region string
	http   *http.Client
	at     map[string]string // service ID -> endpoint
	keys   keyedMutex        // one key of a user at a time
}

func newClient(ctx context.Context, cfg Config) (*client, error) {
	if cfg.Region == "" {
		return nil, errors.New("region is required")
	}
	c := &client{region: cfg.Region, http: newHTTPClient(), at: map[string]string{}}
	for _, e := range cfg.Endpoints {
		if e.S3 != "" {
			c.at[s3.ServiceID] = e.S3
		}
		if e.IAM != "" {
			c.at[iam.ServiceID] = e.IAM
		}
	}
	shared, err := c.config(ctx, cfg)
	if err != nil {
		return nil, err
	}
	c.s3 = s3.NewFromConfig(shared, func(o *s3.Options) {
		o.BaseEndpoint = c.endpoint(s3.ServiceID)
		o.UsePathStyle = cfg.S3UsePathStyle
	})
	c.iam = iam.NewFromConfig(shared, func(o *iam.Options) { o.BaseEndpoint = c.endpoint(iam.ServiceID) })
	return c, nil
}

func (c *client) endpoint(service string) *string {
	if url, ok := c.at[service]; ok {
		return &url
	}
	return nil
}

// config is what both services share. With a key of its own the provider reads neither the environment nor files: an
// application's variables in the shell (AWS_ENDPOINT_URL_S3) must not redirect it.
func (c *client) config(ctx context.Context, cfg Config) (aws.Config, error) {
	out := aws.Config{Region: cfg.Region}
	switch {
	case (cfg.AccessKey == "") != (cfg.SecretKey == ""):
		return out, errors.New("accessKey and secretKey belong together")
	case cfg.AccessKey != "":
		out.Credentials = aws.NewCredentialsCache(
			credentials.NewStaticCredentialsProvider(cfg.AccessKey, cfg.SecretKey, cfg.Token))
	default:
		metadata := imds.ClientDefaultEnableState
		if cfg.SkipMetadataApiCheck {
			metadata = imds.ClientDisabled
		}
		loaded, err := config.LoadDefaultConfig(ctx, config.WithRegion(cfg.Region),
			config.WithSharedConfigProfile(cfg.Profile), config.WithEC2IMDSClientEnableState(metadata))
		if err != nil {
			return out, fmt.Errorf("find AWS credentials: %w", err)
		}
		out = loaded
	}
	out.HTTPClient = c.http
	out.Retryer = func() aws.Retryer { return newRetryer(cfg.MaxRetries) }
	// Checksums beyond what an operation requires are unknown to other servers than AWS's.
	out.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
	out.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
	return out, nil
}

// newRetryer tries again what a moment later may work, the conflicts of two requests on one bucket or user included.
func newRetryer(retries *int) aws.Retryer {
	n := defaultRetries
	if retries != nil {
		n = max(*retries, 0)
	}
	standard := retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = n + 1
		o.MaxBackoff = maxBackoff
	})
	return retry.AddWithErrorCodes(standard, "OperationAborted", "ConcurrentModification", "EntityTemporarilyUnmodifiable")
}

func newHTTPClient() *http.Client {
	dialer := &net.Dialer{Timeout: dialTimeout}
	return &http.Client{
		Timeout: requestTimeout,
		Transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			DialContext:         dialer.DialContext,
			TLSHandshakeTimeout: dialTimeout,
			MaxIdleConnsPerHost: 16,
			IdleConnTimeout:     30 * time.Second,
			ForceAttemptHTTP2:   true,
		},
		// A signature is for one host: a redirect is an answer to report, not to follow.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func (c *client) close() { c.http.CloseIdleConnections() }

// keyedMutex is one lock per key. Keys are few (users of a stack) and live as long as the provider.
type keyedMutex struct{ locks sync.Map }

func (k *keyedMutex) lock(key string) (unlock func()) {
	l, _ := k.locks.LoadOrStore(key, &sync.Mutex{})
	mu := l.(*sync.Mutex) // nothing else is stored
	mu.Lock()
	return mu.Unlock
}
