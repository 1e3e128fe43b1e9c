package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	cri "k8s.io/cri-api/pkg/apis"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	criclient "k8s.io/cri-client/pkg"
)

// crictl stands in for the two calls of crictl that Kind makes in a node: "inspecti IMAGE" (kind load) and "images" (kind
// export logs).
func crictl() int {
	if err := runCrictl(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "crictl:", err)
		return 1
	}
	return 0
}

func runCrictl(ctx context.Context, args []string) error {
	images, err := criclient.NewRemoteImageService("unix:///run/containerd/containerd.sock", 10*time.Second, nil, nil)
	if err != nil {
		return fmt.Errorf("connect to containerd: %w", err)
	}
	switch {
	case len(args) == 2 && args[0] == "inspecti":
		return inspect(ctx, images, args[1])
	case len(args) == 1 && args[0] == "images":
		return list(ctx, images)
	}
	return errors.New("usage: crictl {images | inspecti IMAGE}")
}

func inspect(ctx context.Context, images cri.ImageManagerService, name string) error {
	answer, err := images.ImageStatus(ctx, &runtimeapi.ImageSpec{Image: name}, false)
	if err != nil {
		return fmt.Errorf("inspect %s: %w", name, err)
	}
	image := answer.GetImage()
	if image == nil {
		return fmt.Errorf("no such image %q present", name) // Kind looks for these words
	}
	err = json.NewEncoder(os.Stdout).Encode(map[string]any{"status": map[string]any{
		"id": image.GetId(), "repoTags": image.GetRepoTags(), "repoDigests": image.GetRepoDigests(),
		"size": strconv.FormatUint(image.GetSize(), 10),
	}})
	if err != nil {
		return fmt.Errorf("write the answer: %w", err)
	}
	return nil
}

func list(ctx context.Context, images cri.ImageManagerService) error {
	all, err := images.ListImages(ctx, nil)
	if err != nil {
		return fmt.Errorf("list images: %w", err)
	}
	for _, image := range all {
		fmt.Fprintln(os.Stdout, image.GetId(), image.GetSize(), image.GetRepoTags())
	}
	return nil
}
