// Package image names images by their digest, looks at what they say of themselves, and pushes them.
package image

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// DefaultUser is who runs where an image names no number: pods may not be root, and a name says nothing to a kubelet.
const DefaultUser = 10001

// Image is what a registry says.
type Image struct {
	// Reference names it by digest.
	Reference string
	// User is who must be told to run it: 0 where the image names a number itself.
	User int
}

// Short is a digest as people read it: its first seven characters.
func Short(reference string) string {
	_, digest, ok := strings.Cut(reference, "@sha256:")
	if !ok {
		return reference
	}
	return digest[:min(7, len(digest))]
}

// Parse checks the form of a reference, and tells whether it names a digest.
func Parse(reference string) (pinned bool, err error) {
	ref, err := name.ParseReference(reference)
	if err != nil {
		return false, fmt.Errorf("%q is no image: write REGISTRY/NAME@sha256:DIGEST, or a tag, which is pinned to its digest now", reference)
	}
	_, pinned = ref.(name.Digest)
	return pinned, nil
}

// Resolve asks the registry for an image, with the credentials of docker login. One that it does not have is an error.
func Resolve(ctx context.Context, reference string) (Image, error) {
	ref, err := name.ParseReference(reference)
	if err != nil {
		_, err := Parse(reference)
		return Image{}, err
	}
	descriptor, err := remote.Get(ref, append(options(ctx), remote.WithPlatform(v1.Platform{OS: "linux", Architecture: "amd64"}))...)
	if err != nil {
		return Image{}, explain(ref, err)
	}
	img, err := descriptor.Image()
	if err != nil {
		return Image{}, explain(ref, err)
	}
	file, err := img.ConfigFile()
	if err != nil {
		return Image{}, explain(ref, err)
	}
	return Image{Reference: ref.Context().Name() + "@" + descriptor.Digest.String(), User: user(file.Config.User)}, nil
}

// user tells who must be told to run an image whose own user is this.
func user(own string) int {
	own, _, _ = strings.Cut(own, ":")
	if n, err := strconv.Atoi(own); err == nil && n > 0 {
		return 0
	}
	return DefaultUser
}

// explain says what a registry did not give, and what to do.
func explain(ref name.Reference, err error) error {
	registry := ref.Context().RegistryStr()
	answer, ok := errors.AsType[*transport.Error](err)
	switch {
	case !ok:
		return fmt.Errorf("registry %s cannot be asked for image %s: %w", registry, ref, err)
	case answer.StatusCode == http.StatusNotFound:
		return fmt.Errorf("registry %s has no image %s: push it first, or check its name", registry, ref)
	case answer.StatusCode == http.StatusUnauthorized || answer.StatusCode == http.StatusForbidden:
		return fmt.Errorf("registry %s does not let you read image %s: docker login %s", registry, ref, registry)
	default:
		return fmt.Errorf("registry %s has no answer for image %s: %w", registry, ref, err)
	}
}
