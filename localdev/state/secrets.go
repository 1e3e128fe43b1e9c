package state

import (
	"context"
	"crypto/rand"
	"fmt"
)

// Secrets are this machine's administrator passwords. They are random, made once, and never shown.
type Secrets struct {
	DatabaseAdmin string `json:"databaseAdmin"` // password of the role that makes the apps' databases and roles
	S3AccessKey   string `json:"s3AccessKey"`
	S3SecretKey   string `json:"s3SecretKey"`
}

const secretsFile = "secrets.json"

// Secrets returns the secrets, making those that are missing.
func (d Dir) Secrets(ctx context.Context) (Secrets, error) {
	var s Secrets
	if err := d.ReadJSON(secretsFile, &s); err != nil {
		return Secrets{}, err
	}
	if s.complete() {
		return s, nil
	}
	release, err := d.Lock(ctx)
	if err != nil {
		return Secrets{}, err
	}
	defer release()
	if err := d.ReadJSON(secretsFile, &s); err != nil { // another command may have made them
		return Secrets{}, err
	}
	if s.complete() {
		return s, nil
	}
	for _, field := range []*string{&s.DatabaseAdmin, &s.S3AccessKey, &s.S3SecretKey} {
		if *field == "" {
			*field = rand.Text() + rand.Text()
		}
	}
	s.S3AccessKey = "PLATTR" + s.S3AccessKey[:14] // access keys have 20 characters
	if err := d.WriteJSON(secretsFile, s); err != nil {
		return Secrets{}, fmt.Errorf("keep this machine's passwords: %w", err)
	}
	return s, nil
}

func (s Secrets) complete() bool {
	return s.DatabaseAdmin != "" && s.S3AccessKey != "" && s.S3SecretKey != ""
}
