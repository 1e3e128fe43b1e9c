package image_test

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"plattr.dev/plattr/internal/image"
)

// push puts an image of a user into a registry.
func push(t *testing.T, reference, user string) string {
	t.Helper()
	img, err := mutate.Config(empty.Image, v1.Config{User: user})
	if err != nil {
		t.Fatal(err)
	}
	pinned, err := image.Push(t.Context(), reference, img)
	if err != nil {
		t.Fatal(err)
	}
	return pinned
}

// newRegistry is a real registry, in this process, and its address.
func newRegistry(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

func TestResolve(t *testing.T) {
	t.Parallel()
	address := newRegistry(t)
	for user, want := range map[string]int{
		"": image.DefaultUser, "root": image.DefaultUser, "node": image.DefaultUser, "0": image.DefaultUser, "1000": 0, "1000:node": 0,
	} {
		pinned := push(t, address+"/shop:1", user)
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

// TestPush gives images with and without a tag to a registry that is started meanwhile.
func TestPush(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	absent := address + "/plattr@sha256:" + strings.Repeat("0", 64)
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	early, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if there, err := image.Has(early, absent); err == nil || !strings.Contains(err.Error(), "cannot be asked") {
		t.Errorf("without a registry: %v, %v", there, err)
	}
	server := &http.Server{Handler: registry.New(registry.Logger(log.New(io.Discard, "", 0))), ReadHeaderTimeout: time.Minute}
	t.Cleanup(func() { _ = server.Close() })
	time.AfterFunc(300*time.Millisecond, func() {
		if l, err := net.Listen("tcp", address); err == nil {
			_ = server.Serve(l)
		}
	})
	if there, err := image.Has(t.Context(), absent); err != nil || there {
		t.Errorf("an image that is not there: %v, %v", there, err)
	}
	for _, reference := range []string{address + "/plattr", address + "/plattr:1"} {
		pinned := push(t, reference, reference)
		if there, err := image.Has(t.Context(), pinned); err != nil || !there || !strings.HasPrefix(pinned, address+"/plattr@sha256:") {
			t.Errorf("%s became %s: there %v, %v", reference, pinned, there, err)
		}
	}
	if _, err := image.Resolve(t.Context(), address+"/plattr:latest"); err == nil || !strings.Contains(err.Error(), "has no image") {
		t.Errorf("an image without a tag got one: %v", err)
	}
	if _, err := image.Push(t.Context(), "Shop:1", empty.Image); err == nil || !strings.Contains(err.Error(), "Shop:1") {
		t.Errorf("push to a name that is none: %v", err)
	}
}
