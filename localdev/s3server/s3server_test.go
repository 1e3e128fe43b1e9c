package s3server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

// TestMain lets the test binary be the server's process.
func TestMain(m *testing.M) {
	if file := os.Getenv("PLATTR_TEST_SERVE_S3"); file != "" {
		if err := Main(context.Background(), []string{file}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// serve starts a server on dir and waits until it answers.
func serve(t *testing.T, dir string) (Config, *exec.Cmd) {
	t.Helper()
	c := Config{
		Dir: dir, Address: freeAddress(t), IAMAddress: freeAddress(t), WebAddress: freeAddress(t),
		AccessKey: "root-key", SecretKey: "root-secret",
	}
	raw, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "s3.json")
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^$") // this test binary
	cmd.Env = append(os.Environ(), "PLATTR_TEST_SERVE_S3="+file)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	root := s3Client(c, c.AccessKey, c.SecretKey)
	deadline := time.Now().Add(15 * time.Second)
	for {
		_, err := root.ListBuckets(t.Context(), &s3.ListBucketsInput{}, func(o *s3.Options) { o.RetryMaxAttempts = 1 })
		if err == nil {
			return c, cmd
		}
		if time.Now().After(deadline) {
			t.Fatalf("the server does not answer: %v", err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func s3Client(c Config, key, secret string) *s3.Client {
	return s3.New(s3.Options{
		BaseEndpoint: aws.String("http://" + c.Address), Region: Region, UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(key, secret, ""),
	})
}

func iamClient(c Config) *iam.Client {
	return iam.New(iam.Options{
		BaseEndpoint: aws.String("http://" + c.IAMAddress), Region: Region,
		Credentials: credentials.NewStaticCredentialsProvider(c.AccessKey, c.SecretKey, ""),
	})
}

func code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return fmt.Sprint(err)
}

func TestAnAppsKeyReachesItsBucketsOnly(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	c, _ := serve(t, t.TempDir())
	root := s3Client(c, c.AccessKey, c.SecretKey)
	for _, b := range []string{"mine", "other"} {
		if _, err := root.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &b}); err != nil {
			t.Fatal(err)
		}
	}
	users := iamClient(c)
	if _, err := users.CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String("app")}); err != nil {
		t.Fatal(err)
	}
	_, err := users.PutUserPolicy(ctx, &iam.PutUserPolicyInput{
		UserName: aws.String("app"), PolicyName: aws.String("buckets"), PolicyDocument: aws.String(`{"Version":"2012-10-17",
		"Statement":[{"Effect":"Allow","Action":"s3:*","Resource":["arn:aws:s3:::mine","arn:aws:s3:::mine/*"]}]}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	key, err := users.CreateAccessKey(ctx, &iam.CreateAccessKeyInput{UserName: aws.String("app")})
	if err != nil {
		t.Fatal(err)
	}
	app := s3Client(c, *key.AccessKey.AccessKeyId, *key.AccessKey.SecretAccessKey)
	put := func(bucket string) error {
		_, err := app.PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: aws.String("a/b"), Body: strings.NewReader("x")})
		return err
	}
	if err := put("mine"); err != nil {
		t.Errorf("put in its own bucket: %v", err)
	}
	_, err = app.CopyObject(ctx, &s3.CopyObjectInput{
		Bucket: aws.String("mine"), Key: aws.String("copy"), CopySource: aws.String("mine/a/b"),
	})
	if err != nil {
		t.Errorf("copy in its own bucket: %v", err)
	}
	if got := code(put("other")); got != "AccessDenied" {
		t.Errorf("put in another's bucket: %s", got)
	}
	if _, err := app.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String("third")}); code(err) != "AccessDenied" {
		t.Errorf("create a bucket: %v", err)
	}
	_, err = users.DeleteAccessKey(ctx, &iam.DeleteAccessKeyInput{UserName: aws.String("app"), AccessKeyId: key.AccessKey.AccessKeyId})
	if err != nil {
		t.Fatal(err)
	}
	if err := put("mine"); err == nil {
		t.Error("a deleted key still works")
	}
}

func TestVersionsAndDataOutliveTheProcess(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	// Longer than a socket's path may be.
	dir := filepath.Join(t.TempDir(), strings.Repeat("long-folder-name/", 8))
	c, cmd := serve(t, dir)
	root := s3Client(c, c.AccessKey, c.SecretKey)
	bucket := aws.String("kept")
	if _, err := root.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket}); err != nil {
		t.Fatal(err)
	}
	for _, body := range []string{"one", "two"} {
		_, err := root.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{Bucket: bucket, VersioningConfiguration: versioned()})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := root.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: aws.String("k"), Body: strings.NewReader(body)}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := iamClient(c).CreateUser(ctx, &iam.CreateUserInput{UserName: aws.String("kept")}); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Kill(); err != nil { // no goodbye: the sockets stay behind
		t.Fatal(err)
	}
	_ = cmd.Wait()

	c, cmd = serve(t, dir)
	root = s3Client(c, c.AccessKey, c.SecretKey)
	out, err := root.ListObjectVersions(ctx, &s3.ListObjectVersionsInput{Bucket: bucket})
	if err != nil || len(out.Versions) != 2 {
		t.Errorf("after a restart: %d versions, %v; want 2", len(out.Versions), err)
	}
	if _, err := iamClient(c).GetUser(ctx, &iam.GetUserInput{UserName: aws.String("kept")}); err != nil {
		t.Errorf("after a restart: %v", err)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("SIGTERM: %v, want a clean end", err)
	}
}

func TestAnUnfinishedBucketIsNotInTheWay(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c, cmd := serve(t, dir)
	root := s3Client(c, c.AccessKey, c.SecretKey)
	whole := &s3.CreateBucketInput{Bucket: aws.String("whole")}
	if _, err := root.CreateBucket(t.Context(), whole); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	for _, name := range []string{"cut-off", "of-a-person/with-a-file"} { // as a kill within CreateBucket leaves it
		if err := os.MkdirAll(filepath.Join(dir, "buckets", name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	c, _ = serve(t, dir)
	root = s3Client(c, c.AccessKey, c.SecretKey)
	if _, err := root.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("cut-off")}); err != nil {
		t.Errorf("the name of an unfinished bucket is not free: %v", err)
	}
	if _, err := root.HeadBucket(t.Context(), &s3.HeadBucketInput{Bucket: aws.String("whole")}); err != nil {
		t.Errorf("an empty bucket is gone: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "buckets", "of-a-person", "with-a-file")); err != nil {
		t.Errorf("a folder that is not empty is gone: %v", err)
	}
}

func TestTheConsoleAnswers(t *testing.T) {
	t.Parallel()
	c, _ := serve(t, t.TempDir())
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+c.WebAddress+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("the console answers %s", resp.Status)
	}
}

func TestMainRefusesABadConfiguration(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "s3.json")
	if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{"NoFile": nil, "Missing": {file + "x"}, "Broken": {file}} {
		if err := Main(t.Context(), args); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func versioned() *types.VersioningConfiguration {
	return &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled}
}
