package platform

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"plattr.dev/plattr/internal/config"
)

// Secrets finds what references name. Its functions are replaced in tests.
type Secrets struct {
	// Getenv is os.Getenv.
	Getenv func(string) string
	// Dir is where relative paths begin.
	Dir string
	// Kubernetes reads a Secret of the environment's cluster.
	Kubernetes func(ctx context.Context, namespace, name string) (map[string][]byte, error)
	// AWS reads a secret of AWS Secrets Manager.
	AWS func(ctx context.Context, arn string) (string, error)
}

// Get returns the secret that a reference names. Errors name the reference, and never hold anything of the secret.
func (s Secrets) Get(ctx context.Context, r config.Reference) (string, error) {
	value, err := s.get(ctx, string(r))
	if err == nil && value == "" {
		err = errors.New("it is empty")
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w", r, err)
	}
	return value, nil
}

func (s Secrets) get(ctx context.Context, r string) (string, error) {
	scheme, rest, _ := strings.Cut(r, ":")
	switch scheme {
	case "env":
		value := s.Getenv(rest)
		if value == "" {
			return "", errors.New("the environment variable is not set")
		}
		return value, nil
	case "file":
		return s.file(rest)
	case "k8s":
		return s.kubernetes(ctx, rest)
	case "awssm":
		return s.aws(ctx, rest)
	default:
		return "", errors.New("is no reference")
	}
}

// maxSecret is the largest file that is read as a secret, in bytes.
const maxSecret = 1 << 20

func (s Secrets) file(path string) (string, error) {
	if !filepath.IsAbs(path) {
		path = filepath.Join(s.Dir, path)
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if info.Size() > maxSecret {
		return "", errors.New("the file is too large for a secret")
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	return strings.TrimSuffix(strings.TrimSuffix(string(raw), "\n"), "\r"), nil
}

func (s Secrets) kubernetes(ctx context.Context, r string) (string, error) {
	object, key, _ := strings.Cut(r, "#")
	namespace, name, _ := strings.Cut(object, "/")
	data, err := s.Kubernetes(ctx, namespace, name)
	if err != nil {
		return "", err
	}
	value, ok := data[key]
	if !ok {
		return "", fmt.Errorf("the Secret has no key %s", key)
	}
	return string(value), nil
}

func (s Secrets) aws(ctx context.Context, r string) (string, error) {
	arn, key, inside := strings.Cut(r, "#")
	value, err := s.AWS(ctx, arn)
	if err != nil || !inside {
		return value, err
	}
	fields, err := jsonFields(value)
	if err != nil {
		return "", err
	}
	if fields[key] == "" {
		return "", fmt.Errorf("the secret has no key %s", key)
	}
	return fields[key], nil
}

// jsonFields are the texts of a secret that is a JSON object. Errors show nothing of it.
func jsonFields(text string) (map[string]string, error) {
	var values map[string]any
	if json.Unmarshal([]byte(text), &values) != nil {
		return nil, errors.New("the secret is no JSON object")
	}
	out := map[string]string{}
	for name, v := range values {
		if s, ok := v.(string); ok {
			out[name] = s
		}
	}
	return out, nil
}

// credentials are a user and a password; none were asked for where both results are empty.
func (s Secrets) credentials(ctx context.Context, c config.PlatformCredentials) (user, password string, err error) {
	switch {
	case c.Both != "":
		text, err := s.Get(ctx, c.Both)
		if err != nil {
			return "", "", err
		}
		fields, err := jsonFields(text)
		if err != nil {
			return "", "", fmt.Errorf("%s: %w", c.Both, err)
		}
		if fields["username"] == "" || fields["password"] == "" {
			return "", "", fmt.Errorf("%s: the secret has no username and password", c.Both)
		}
		return fields["username"], fields["password"], nil
	case c.User != "":
		password, err := s.Get(ctx, c.Password)
		return c.User, password, err
	default:
		return "", "", nil
	}
}
