package image

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// Push gives an image to a registry, with the credentials of docker login, and returns its name by digest. reference is
// REGISTRY/NAME:TAG, or REGISTRY/NAME for an image without a tag.
func Push(ctx context.Context, reference string, img v1.Image) (string, error) {
	digest, err := img.Digest()
	if err != nil {
		return "", fmt.Errorf("push image %s: %w", reference, err)
	}
	var ref name.Reference
	if repository, err := name.NewRepository(reference); err == nil {
		ref = repository.Digest(digest.String())
	} else if ref, err = name.NewTag(reference); err != nil {
		return "", fmt.Errorf("push image %s: %w", reference, err)
	}
	if err := remote.Write(ref, img, options(ctx)...); err != nil {
		return "", fmt.Errorf("push image %s: %w", reference, err)
	}
	return ref.Context().Digest(digest.String()).String(), nil
}

// Has tells whether a registry has an image. One that takes no connections may have just been started: it is asked until
// ctx ends.
func Has(ctx context.Context, reference string) (bool, error) {
	ref, err := name.ParseReference(reference)
	if err != nil {
		_, err := Parse(reference)
		return false, err
	}
	for {
		_, err := remote.Head(ref, options(ctx)...)
		if err == nil {
			return true, nil
		}
		if answer, ok := errors.AsType[*transport.Error](err); ok {
			if answer.StatusCode == http.StatusNotFound {
				return false, nil
			}
			return false, explain(ref, err)
		}
		select {
		case <-ctx.Done():
			return false, explain(ref, errors.Join(context.Cause(ctx), err))
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func options(ctx context.Context) []remote.Option {
	return []remote.Option{remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain)}
}
