package services

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"plattr.dev/plattr/localdev/ports"
	"plattr.dev/plattr/localdev/s3server/s3config"
)

// ServeS3 is plattr's hidden command for the S3 server's process.
const ServeS3 = "serve-s3"

func prepareS3(ctx context.Context, p Place, s Spec) (Command, error) {
	secrets, err := p.State.Secrets(ctx)
	if err != nil {
		return Command{}, err
	}
	raw, err := json.Marshal(s3config.Config{
		Dir: p.State.Join("s3"), Address: s.Address(ports.S3), IAMAddress: s.Address(ports.S3IAM),
		WebAddress: s.Address(ports.S3Console), AccessKey: secrets.S3AccessKey, SecretKey: secrets.S3SecretKey,
	})
	if err != nil {
		return Command{}, fmt.Errorf("write the S3 server's configuration: %w", err)
	}
	file := filepath.Join(p.Dir, "s3.json")
	if err := writeIfChanged(file, raw); err != nil {
		return Command{}, fmt.Errorf("write the S3 server's configuration: %w", err)
	}
	// The collector works harder for a small process: it serves one developer.
	env := append(cleanEnv(p.Dir), "GOMEMLIMIT=96MiB", "GOGC=50")
	return Command{Args: []string{ServeS3, file}, Env: env, Dir: p.Dir}, nil
}

// readyS3 lists the buckets and the users with the root key, by signed requests.
func readyS3(ctx context.Context, p Place, s Spec) error {
	secrets, err := p.State.Secrets(ctx)
	if err != nil {
		return err
	}
	key := aws.Credentials{AccessKeyID: secrets.S3AccessKey, SecretAccessKey: secrets.S3SecretKey}
	if err := signed(ctx, key, "s3", http.MethodGet, s.Address(ports.S3), ""); err != nil {
		return fmt.Errorf("list the buckets: %w", err)
	}
	if err := signed(ctx, key, "iam", http.MethodPost, s.Address(ports.S3IAM), "Action=ListUsers&Version=2010-05-08"); err != nil {
		return fmt.Errorf("list the users: %w", err)
	}
	return nil
}

// signed sends one request with an AWS signature, version 4.
func signed(ctx context.Context, key aws.Credentials, service, method, address, body string) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+address+"/", strings.NewReader(body))
	if err != nil {
		return fmt.Errorf("ask the server: %w", err)
	}
	sum := sha256.Sum256([]byte(body))
	hash := hex.EncodeToString(sum[:])
	req.Header.Set("X-Amz-Content-Sha256", hash)
	if body != "" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if err := v4.NewSigner().SignHTTP(ctx, key, req, hash, service, s3config.Region, time.Now()); err != nil {
		return fmt.Errorf("sign a request: %w", err)
	}
	return expectOK(req)
}
