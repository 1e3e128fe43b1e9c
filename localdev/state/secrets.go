package state

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
)

// Secrets are this machine's administrator passwords. They are random, made once, and never shown.
type Secrets struct {
	DatabaseAdmin string `json:"databaseAdmin"` // password of the role that makes the apps' databases and roles
	// DatabaseSuper is the superuser's password where the server is in a cluster; elsewhere only its socket lets him in.
	DatabaseSuper string `json:"databaseSuper"`
	S3AccessKey   string `json:"s3AccessKey"`
	S3SecretKey   string `json:"s3SecretKey"`

	KeycloakDatabase string `json:"keycloakDatabase"` // password of the role that owns Keycloak's database
	KeycloakAdmin    string `json:"keycloakAdmin"`    // password of user admin, for people
	KeycloakClient   string `json:"keycloakClient"`   // secret of client plattr, for plattr
	RedisAdmin       string `json:"redisAdmin"`       // password of user plattr in every application's Redis
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
	if s.S3AccessKey == "" {
		s.S3AccessKey = "PLATTR" + rand.Text()[:14] // access keys have 20 characters
	}
	for _, field := range s.fields() {
		if *field == "" {
			*field = rand.Text() + rand.Text()
		}
	}
	if err := d.WriteJSON(secretsFile, s); err != nil {
		return Secrets{}, fmt.Errorf("keep this machine's passwords: %w", err)
	}
	return s, nil
}

func (s *Secrets) fields() []*string {
	return []*string{
		&s.DatabaseAdmin, &s.DatabaseSuper, &s.S3AccessKey, &s.S3SecretKey,
		&s.KeycloakDatabase, &s.KeycloakAdmin, &s.KeycloakClient, &s.RedisAdmin,
	}
}

func (s *Secrets) complete() bool {
	return !slices.ContainsFunc(s.fields(), func(field *string) bool { return *field == "" })
}
