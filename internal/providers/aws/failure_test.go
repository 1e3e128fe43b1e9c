package aws

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"

	"plattr.dev/plattr/internal/testutil"
)

func TestUnreachableEndpoint(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + l.Addr().String()
	_ = l.Close() // nothing listens there now
	gone := &testutil.S3Server{Endpoint: url, IAMEndpoint: url, Region: "us-east-1", AccessKey: "a", SecretKey: "b"}
	p := newProvider(t, gone, "mine")
	begin := time.Now()
	_, err = p.Create(t, bucketToken, props{"bucket": "nowhere"})
	wantError(t, err, `bucket "nowhere"`, "S3 at "+url, "cannot be reached", "connection refused")
	_, err = p.Create(t, userToken, props{"name": "nobody"})
	wantError(t, err, `user "nobody"`, "IAM at "+url, "cannot be reached")
	if took := time.Since(begin); took > 15*time.Second {
		t.Errorf("it took %v to say so", took)
	}
}

func TestWrongCredentials(t *testing.T) {
	t.Parallel()
	s := testutil.S3(t)
	for name, wrong := range map[string][2]string{
		"Key": {"AKIAUNKNOWN", s.SecretKey}, "Secret": {s.AccessKey, "planted-wrong-secret"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bad := *s
			bad.AccessKey, bad.SecretKey = wrong[0], wrong[1]
			p := newProvider(t, &bad, "mine")
			_, bucketErr := p.Create(t, bucketToken, props{"bucket": "nobodys-bucket"})
			wantError(t, bucketErr, "S3 at "+s.Endpoint, "does not accept the access key and secret key")
			_, userErr := p.Create(t, userToken, props{"name": "nobody"})
			wantError(t, userErr, "IAM at "+s.IAMEndpoint, "does not accept the access key and secret key")
			if both := bucketErr.Error() + userErr.Error(); strings.Contains(both, wrong[1]) {
				t.Errorf("the secret is in an error: %s", both)
			}
		})
	}
}

// TestCancel cancels a request to a server that accepts connections and says nothing.
func TestCancel(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	url := "http://" + l.Addr().String()
	mute := &testutil.S3Server{Endpoint: url, IAMEndpoint: url, Region: "us-east-1", AccessKey: "a", SecretKey: "b"}
	p := newProvider(t, mute, "mine")
	checked, err := p.Check(t, bucketToken, props{"bucket": "never"})
	if err != nil {
		t.Fatal(err)
	}
	result := make(chan error, 1)
	go func() {
		_, err := p.Provider.Create(context.WithoutCancel(t.Context()), plugin.CreateRequest{
			URN: "urn:pulumi:mine::plattr::" + bucketToken + "::test", Properties: checked,
		})
		result <- err
	}()
	time.Sleep(200 * time.Millisecond)
	if err := p.SignalCancellation(t.Context()); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-result:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("error %v, want context.Canceled", err)
		}
	case <-time.After(2 * time.Second):
		t.Fatal("the request goes on after the cancellation")
	}
}

// TestServerKilled kills the server while a bucket is emptied; the next run finishes the job.
func TestServerKilled(t *testing.T) {
	t.Parallel()
	s := testutil.NewS3(t)
	p := newProvider(t, s, "mine")
	name := unique(t, "killed")
	bucket, user := makeBucket(t, p, name), makeUser(t, p, name)
	key := p.MustCreate(t, keyToken, props{"user": name})
	fill(t, s, name, 300)

	result := make(chan error, 1)
	go func() { result <- bucket.Delete() }()
	time.Sleep(30 * time.Millisecond)
	s.Kill()
	if err := <-result; err != nil { // it may have been quicker
		wantError(t, err, "S3 at "+s.Endpoint)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	if !user.Refresh() || !key.Refresh() {
		t.Error("user or key did not outlive the server")
	}
	remove(t, bucket)
	remove(t, key)
	remove(t, user)
	if bucket.Refresh() || user.Refresh() {
		t.Error("bucket or user is still there")
	}
}

// TestServerRestarts is a server that is away for a moment in the middle of a run: the request is tried again.
func TestServerRestarts(t *testing.T) {
	t.Parallel()
	s := testutil.NewS3(t)
	p := newProvider(t, s, "mine")
	s.Kill()
	started := make(chan error, 1)
	go func() {
		time.Sleep(200 * time.Millisecond)
		started <- s.Start()
	}()
	bucket, err := p.Create(t, bucketToken, props{"bucket": unique(t, "later")})
	if startErr := <-started; startErr != nil {
		t.Fatal(startErr)
	}
	if err != nil {
		t.Fatalf("a restart of the server ended the run: %v", err)
	}
	remove(t, bucket)
}
