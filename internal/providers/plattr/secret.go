package plattr

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"

	"plattr.dev/plattr/internal/providers/embedded"
)

// Sizes of a generated value in bytes of randomness.
const (
	defaultLength = 32
	minLength     = 16
	maxLength     = 256
)

// SecretArgs are the inputs of plattr:index:Secret.
type SecretArgs struct {
	// Length is in bytes of randomness; 32 when left out. Another length counts for the next value only.
	Length *int `json:"length,omitempty"`
	// Initial is the value while Generation is empty; random when left out.
	Initial string `json:"initial,omitempty"`
	// Generation names the value: another name makes a new, random value. Nothing else ever does.
	Generation string `json:"generation,omitempty"`
}

// SecretState is what is kept of a secret. It lives in the state alone, encrypted.
type SecretState struct {
	SecretArgs

	// Value is made of letters, digits, - and _, unless it is an Initial one.
	Value string `json:"value"`
}

func secretType() *embedded.Type[client, SecretArgs, SecretState] {
	return &embedded.Type[client, SecretArgs, SecretState]{
		Token:  "plattr:index:Secret",
		Secret: []string{"value", "initial"},
		Check: func(a *SecretArgs) []embedded.Problem {
			if a.Length == nil {
				a.Length = new(defaultLength)
			}
			if *a.Length < minLength || *a.Length > maxLength {
				return []embedded.Problem{{
					Input: "length", Reason: fmt.Sprintf("%d is not between %d and %d", *a.Length, minLength, maxLength),
				}}
			}
			return nil
		},
		Create: func(_ context.Context, _ client, op embedded.Op, a SecretArgs) (string, SecretState, error) {
			value, err := newValue(a)
			return op.URN.Name(), SecretState{SecretArgs: a, Value: value}, err
		},
		Read: func(_ context.Context, _ client, op embedded.Op, id string, s SecretState) (SecretState, error) {
			if op.Import {
				return s, fmt.Errorf("secret %s cannot be imported: its value is in no other place than the state", id)
			}
			return s, nil
		},
		Update: func(_ context.Context, _ client, _ embedded.Op, _ string, old SecretState, a SecretArgs) (SecretState, error) {
			next := SecretState{SecretArgs: a, Value: old.Value}
			var err error
			if a.Generation != old.Generation {
				next.Value, err = newValue(a)
			}
			return next, err
		},
		Delete: func(context.Context, client, embedded.Op, string, SecretState) error { return nil },
	}
}

func newValue(a SecretArgs) (string, error) {
	if a.Generation == "" && a.Initial != "" {
		return a.Initial, nil
	}
	raw := make([]byte, *a.Length)
	if _, err := rand.Read(raw); err != nil {
		return "", fmt.Errorf("make a secret: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(raw), nil
}
