package image_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"plattr.dev/plattr/internal/image"
)

// push puts an image of a user into a real registry, in this process.
func push(t *testing.T, address, repository, user string) v1.Hash {
	t.Helper()
	img, err := mutate.Config(empty.Image, v1.Config{User: user})
	if err != nil {
		t.Fatal(err)
	}
	ref, err := name.ParseReference(address + "/" + repository)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(ref, img); err != nil {
		t.Fatal(err)
	}
	digest, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

func TestResolve(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(registry.New())
	t.Cleanup(server.Close)
	address := strings.TrimPrefix(server.URL, "http://")
	for user, want := range map[string]int{
		"": image.DefaultUser, "root": image.DefaultUser, "node": image.DefaultUser, "0": image.DefaultUser, "1000": 0, "1000:node": 0,
	} {
		digest := push(t, address, "shop:1", user)
		pinned := address + "/shop@" + digest.String()
		for _, reference := range []string{address + "/shop:1", pinned} {
			got, err := image.Resolve(t.Context(), reference)
			if err != nil || got.Reference != pinned || got.User != want {
				t.Errorf("user %q, %s: %+v, %v", user, reference, got, err)
			}
		}
	}
	for reference, want := range map[string]string{
		address + "/shop:2": "has no image " + address + "/shop:2: push it first",
		address + "/other@sha256:" + strings.Repeat("0", 64): "push it first",
		"127.0.0.1:1/shop:1": "registry 127.0.0.1:1 cannot be asked",
		"Shop:1":             `"Shop:1" is no image`,
	} {
		if _, err := image.Resolve(t.Context(), reference); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", reference, err, want)
		}
	}
	if got := image.Short("x/y@sha256:0123456789"); got != "0123456" {
		t.Errorf("Short: %s", got)
	}
}
