package testutil

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"plattr.dev/plattr/localdev/lockfile"
	"plattr.dev/plattr/localdev/s3server/s3config"
)

// S3Server is a running endpoint with S3's and IAM's API: the one that laptops get, or moto.
type S3Server struct {
	// Endpoint and IAMEndpoint are URLs; buckets go into the path.
	Endpoint, IAMEndpoint string
	Region                string
	// AccessKey and SecretKey are the administrator's.
	AccessKey, SecretKey string
	// Dir is where the server keeps its data; empty if it keeps none.
	Dir string

	command func() *exec.Cmd
	cmd     *exec.Cmd
	output  *lockedBuffer
	exited  chan struct{}
	pipe    io.Closer
}

// startTimeout is how long a server may take until it answers, on a machine that compiles something else meanwhile.
const startTimeout = time.Minute

//nolint:gochecknoglobals // one server per test binary: to start one costs more than most tests
var sharedS3 = sync.OnceValues(func() (*S3Server, error) {
	dir, err := os.MkdirTemp("", "plattr-s3-")
	if err != nil {
		return nil, err
	}
	s, err := newS3(dir, dir)
	if err != nil {
		return nil, err
	}
	return s, s.Start()
})

// S3 returns the test binary's S3 server, a real one with an IAM API and versions. Tests share it: use names of your
// own. It ends with the test binary.
func S3(t testing.TB) *S3Server {
	t.Helper()
	requireS3(t)
	s, err := sharedS3()
	if err != nil {
		t.Fatalf("start an S3 server: %v", err)
	}
	return s
}

// NewS3 starts an S3 server of the test's own, which may be killed and started again.
func NewS3(t testing.TB) *S3Server {
	t.Helper()
	requireS3(t)
	s, err := newS3(t.TempDir())
	if err == nil {
		err = s.Start()
	}
	if err != nil {
		t.Fatalf("start an S3 server: %v", err)
	}
	t.Cleanup(s.Kill)
	return s
}

func requireS3(t testing.TB) {
	t.Helper()
	Require(t, !testing.Short(), "a real S3 server is not for short tests")
	_, err := exec.LookPath("go")
	Require(t, err == nil, "the S3 server is built with go, which is not on PATH")
}

// newS3 prepares a server on dir; remove are the folders that it takes with it when its parent ends.
func newS3(dir string, remove ...string) (*S3Server, error) {
	program, err := s3Program()
	if err != nil {
		return nil, err
	}
	ports, err := freeAddresses(2)
	if err != nil {
		return nil, err
	}
	config := s3config.Config{
		Dir: filepath.Join(dir, "data"), Address: ports[0], IAMAddress: ports[1],
		AccessKey: "plattr-test-root", SecretKey: "plattr-test-root-secret",
	}
	raw, err := json.Marshal(config)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "s3.json")
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		return nil, err
	}
	args := append([]string{file}, remove...)
	return &S3Server{
		Endpoint: "http://" + config.Address, IAMEndpoint: "http://" + config.IAMAddress, Region: s3config.Region,
		AccessKey: config.AccessKey, SecretKey: config.SecretKey, Dir: config.Dir,
		command: func() *exec.Cmd { return exec.Command(program, args...) },
	}, nil
}

// Start runs the server and returns once both of its APIs answer.
func (s *S3Server) Start() error {
	s.cmd, s.output, s.exited = s.command(), &lockedBuffer{}, make(chan struct{})
	s.cmd.Stdout, s.cmd.Stderr = s.output, s.output
	in, err := s.cmd.StdinPipe() // stays open as long as this process lives
	if err != nil {
		return err
	}
	s.pipe = in
	if err := s.cmd.Start(); err != nil {
		return err
	}
	go func(cmd *exec.Cmd, exited chan struct{}) {
		_ = cmd.Wait()
		close(exited)
	}(s.cmd, s.exited)
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	for _, url := range []string{s.Endpoint, s.IAMEndpoint} {
		if err := s.await(ctx, url); err != nil {
			s.Kill()
			return fmt.Errorf("%w\n%s", err, s.output)
		}
	}
	return nil
}

// await returns when the URL answers, with whatever status.
func (s *S3Server) await(ctx context.Context, url string) error {
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
		if err != nil {
			return err
		}
		res, err := http.DefaultTransport.RoundTrip(req)
		if err == nil {
			return res.Body.Close()
		}
		select {
		case <-s.exited:
			return fmt.Errorf("%s: the server ended", url)
		case <-ctx.Done():
			return fmt.Errorf("%s: no answer: %w", url, err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Kill ends the server as a crash would. Its data stays: Start goes on with it.
func (s *S3Server) Kill() {
	_ = s.cmd.Process.Kill()
	<-s.exited
	_ = s.pipe.Close()
}

// s3Program builds the server's program, or finds it built, and returns its path. It is kept between runs because to
// link it takes seconds.
func s3Program() (string, error) {
	dir, err := toolsDir()
	if err != nil {
		return "", err
	}
	release, err := lockfile.Lock(context.Background(), filepath.Join(dir, "s3gateway.lock"))
	if err != nil {
		return "", err
	}
	defer release()
	program := filepath.Join(dir, "s3gateway")
	// go build leaves a program alone that is up to date.
	cmd := exec.Command("go", "build", "-o", program, "plattr.dev/plattr/internal/testutil/s3gateway")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, out)
	}
	return program, nil
}

// toolsDir is where tests keep what is costly to make.
func toolsDir() (string, error) {
	cache, err := cacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "plattr", "tools")
	return dir, os.MkdirAll(dir, 0o755)
}

// freeAddresses are addresses on the loopback interface that nothing listens on.
func freeAddresses(n int) ([]string, error) {
	out := make([]string, 0, n)
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close() // at the end, so that no two are the same
		out = append(out, l.Addr().String())
	}
	return out, nil
}

// lockedBuffer keeps what a server prints.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
