// Package storetest makes real, empty stores for tests of what keeps stacks.
package storetest

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/jackc/pgx/v5"

	"plattr.dev/plattr/internal/engine/lock"
	"plattr.dev/plattr/internal/engine/store"
	"plattr.dev/plattr/internal/engine/store/file"
	"plattr.dev/plattr/internal/engine/store/postgres"
	"plattr.dev/plattr/internal/engine/store/s3"
	"plattr.dev/plattr/internal/testutil"
)

// Store is a real, empty place for stacks.
type Store struct {
	// URL is the state URL.
	URL string
	// S3 are the credentials of a bucket.
	S3 s3.Credentials
	// Raw reads and writes its objects without a lock.
	Raw interface {
		store.Reader
		Apply(ctx context.Context, l *lock.Lock, changes ...store.Change) error
	}
	// Age makes an object so much older by the store's clock. A directory has none.
	Age func(t testing.TB, key string, d time.Duration)
}

// Stores are what makes a place of each kind.
func Stores() map[string]func(t testing.TB) Store {
	return map[string]func(t testing.TB) Store{"File": NewFile, "S3": NewS3, "Postgres": NewPostgres}
}

// NewFile is a directory that does not exist yet.
func NewFile(t testing.TB) Store {
	t.Helper()
	u := &url.URL{Scheme: "file", Path: filepath.Join(t.TempDir(), "state")}
	raw, err := file.Open(u)
	if err != nil {
		t.Fatal(err)
	}
	return Store{URL: u.String(), Raw: raw, Age: func(testing.TB, string, time.Duration) {}}
}

// NewS3 is a prefix in a new bucket of the test binary's server.
func NewS3(t testing.TB) Store {
	t.Helper()
	server := testutil.S3(t)
	bucket := "state-" + strings.ToLower(rand.Text())
	client := S3Client(server)
	if _, err := client.CreateBucket(t.Context(), &awss3.CreateBucketInput{Bucket: &bucket}); err != nil {
		t.Fatal(err)
	}
	u := &url.URL{Scheme: "s3", Host: bucket, Path: "/team/plattr", RawQuery: url.Values{
		"region": {server.Region}, "endpoint": {server.Endpoint},
	}.Encode()}
	keys := s3.Credentials{AccessKey: server.AccessKey, SecretKey: server.SecretKey}
	raw, err := s3.Open(u, keys)
	if err != nil {
		t.Fatal(err)
	}
	return Store{URL: u.String(), S3: keys, Raw: raw, Age: func(t testing.TB, key string, d time.Duration) {
		t.Helper()
		object := filepath.Join(server.Dir, "buckets", bucket, "team/plattr", key)
		then := time.Now().Add(-d)
		if err := os.Chtimes(object, then, then); err != nil {
			t.Fatal(err)
		}
	}}
}

// S3Client is a client of the server's administrator.
func S3Client(server *testutil.S3Server) *awss3.Client {
	return awss3.New(awss3.Options{
		Region: server.Region, BaseEndpoint: &server.Endpoint, UsePathStyle: true,
		Credentials: aws.NewCredentialsCache(
			credentials.NewStaticCredentialsProvider(server.AccessKey, server.SecretKey, "")),
	})
}

// NewPostgres is a new database of the test binary's server, of an administrator who is no superuser.
func NewPostgres(t testing.TB) Store {
	t.Helper()
	server := testutil.Postgres(t)
	return NewPostgresOn(t, server)
}

// NewPostgresOn is a new database of a server.
func NewPostgresOn(t testing.TB, server *testutil.PostgresServer) Store {
	t.Helper()
	database := "state_" + strings.ToLower(rand.Text())
	admin := server.Connect(t, server.AdminURL("postgres"))
	if _, err := admin.Exec(t.Context(), "CREATE DATABASE "+pgx.Identifier{database}.Sanitize()); err != nil {
		t.Fatal(err)
	}
	at := server.AdminURL(database)
	u, err := url.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := postgres.Open(u)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(raw.Close)
	return Store{URL: at, Raw: raw, Age: func(t testing.TB, key string, d time.Duration) {
		t.Helper()
		c := server.Connect(t, at)
		tag, err := c.Exec(t.Context(), "UPDATE plattr_state.pulumi_state SET updated_at = updated_at - $2::interval WHERE key = $1",
			database+"/"+key, fmt.Sprintf("%f seconds", d.Seconds()))
		if err != nil || tag.RowsAffected() != 1 {
			t.Fatalf("age %s: %v, %v", key, tag, err)
		}
	}}
}
