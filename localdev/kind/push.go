package kind

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"strings"
	"time"
)

// pushTimeout bounds a push to the registry of this machine.
const pushTimeout = 2 * time.Minute

// pushed is what is kept of the last push, so that a program of a hundred megabytes is not read at every run.
type pushed struct {
	Path     string    `json:"path"`
	Size     int64     `json:"size"`
	Modified time.Time `json:"modified"`
	// Image is its name by digest.
	Image string `json:"image"`
}

const pushedFile = "plattr-image.json"

// ProgramError says that this plattr cannot run in a cluster.
type ProgramError struct{ Why string }

func (e *ProgramError) Error() string {
	return "plattr itself runs in the cluster, as its S3 server, and this program cannot: " + e.Why
}

// Hint is the next step.
func (e *ProgramError) Hint() string {
	return "set PLATTR_IMAGE_PLATTR to an image of plattr for linux/" + runtime.GOARCH + elsewhere
}

// PlattrImage is the image of plattr, by digest: the setting's, else one that is made of a program and pushed to the registry,
// unless it is there.
//
// It is two requests for each of two blobs and one for their manifest (https://github.com/opencontainers/distribution-spec,
// "Pushing"). The library for it, go-containerregistry, brings Docker's client and newer versions of a dozen modules.
func (c *Cluster) PlattrImage(ctx context.Context, program string) (string, error) {
	if c.Images.Plattr != "" {
		return c.Images.Plattr, nil
	}
	info, err := os.Stat(program)
	if err != nil {
		return "", err
	}
	address, err := c.RegistryAddress()
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, pushTimeout)
	defer cancel()
	now := pushed{Path: program, Size: info.Size(), Modified: info.ModTime().UTC()}
	var last pushed
	if err := c.dir.ReadJSON(pushedFile, &last); err != nil {
		return "", err
	}
	now.Image = last.Image
	r := registry{address: address, repository: "plattr"}
	if last == now && strings.HasPrefix(last.Image, address+"/") {
		if there, err := r.has(ctx, "manifests", digestOf(last.Image)); err != nil || there {
			return last.Image, err
		}
	}
	if now.Image, err = r.pushProgram(ctx, program); err != nil {
		return "", fmt.Errorf("push the image of plattr to %s: %w", address, err)
	}
	return now.Image, c.dir.WriteJSON(pushedFile, now)
}

func digestOf(image string) string { return image[strings.LastIndex(image, "@")+1:] }

// KnownPlattrImage is what PlattrImage returned last for the program as it is now; empty if that must be looked at.
func (c *Cluster) KnownPlattrImage(program string) string {
	if c.Images.Plattr != "" {
		return c.Images.Plattr
	}
	info, err := os.Stat(program)
	var last pushed
	if err != nil || c.dir.ReadJSON(pushedFile, &last) != nil {
		return ""
	}
	if last.Path != program || last.Size != info.Size() || !last.Modified.Equal(info.ModTime()) {
		return ""
	}
	return last.Image
}

// runsInLinux refuses a program that needs another system, or libraries that an empty image has not.
func runsInLinux(program string) error {
	if runtime.GOOS != "linux" {
		return &ProgramError{"it is made for " + runtime.GOOS}
	}
	f, err := elf.Open(program)
	if err != nil {
		return &ProgramError{err.Error()}
	}
	defer f.Close() //nolint:errcheck // it was only read
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return &ProgramError{"it is linked with libraries of this machine"}
		}
	}
	return nil
}

// registry is a repository of a registry without sign-in.
type registry struct{ address, repository string }

func (r registry) url(parts ...string) string {
	return "http://" + r.address + "/v2/" + r.repository + "/" + strings.Join(parts, "/")
}

const (
	typeManifest = "application/vnd.oci.image.manifest.v1+json"
	typeConfig   = "application/vnd.oci.image.config.v1+json"
	// typeLayer is not compressed: it goes from one disk to the same disk.
	typeLayer = "application/vnd.oci.image.layer.v1.tar"
)

// blob is a part of an image.
type blob struct {
	MediaType string `json:"mediaType"`
	Digest    string `json:"digest"`
	Size      int    `json:"size"`

	data []byte
}

func newBlob(mediaType string, data []byte) blob {
	sum := sha256.Sum256(data)
	return blob{mediaType, "sha256:" + hex.EncodeToString(sum[:]), len(data), data}
}

// pushProgram makes an image of a program alone and returns its name by digest.
func (r registry) pushProgram(ctx context.Context, program string) (string, error) {
	if err := runsInLinux(program); err != nil {
		return "", err
	}
	data, err := layerOf(program)
	if err != nil {
		return "", err
	}
	layer := newBlob(typeLayer, data)
	config, err := json.Marshal(map[string]any{
		"architecture": runtime.GOARCH, "os": "linux",
		"config": map[string]any{"Entrypoint": []string{"/usr/local/bin/plattr"}, "User": "10001", "Env": []string{"PATH=/usr/local/bin", "HOME=/tmp"}},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{layer.Digest}},
	})
	if err != nil {
		return "", fmt.Errorf("write the image's configuration: %w", err)
	}
	configBlob := newBlob(typeConfig, config)
	manifest, err := json.Marshal(map[string]any{
		"schemaVersion": 2, "mediaType": typeManifest, "config": configBlob, "layers": []blob{layer},
	})
	if err != nil {
		return "", fmt.Errorf("write the image's manifest: %w", err)
	}
	for _, b := range []blob{layer, configBlob} {
		if err := r.pushBlob(ctx, b); err != nil {
			return "", err
		}
	}
	m := newBlob(typeManifest, manifest)
	if err := r.send(ctx, http.MethodPut, r.url("manifests", m.Digest), m, nil); err != nil {
		return "", err
	}
	return r.address + "/" + r.repository + "@" + m.Digest, nil
}

// layerOf is an archive of the program, with the certificates of this machine and a folder for temporary files.
func layerOf(program string) ([]byte, error) {
	data, err := os.ReadFile(program)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	put := func(name string, mode int64, content []byte) {
		_ = w.WriteHeader(&tar.Header{Name: name, Mode: mode, Size: int64(len(content)), Format: tar.FormatUSTAR})
		_, _ = w.Write(content) // to memory
	}
	_ = w.WriteHeader(&tar.Header{Name: "tmp/", Typeflag: tar.TypeDir, Mode: 0o1777})
	if certificates, err := os.ReadFile("/etc/ssl/certs/ca-certificates.crt"); err == nil {
		put("etc/ssl/certs/ca-certificates.crt", 0o644, certificates)
	}
	put("usr/local/bin/plattr", 0o755, data)
	return out.Bytes(), w.Close()
}

func (r registry) pushBlob(ctx context.Context, b blob) error {
	there, err := r.has(ctx, "blobs", b.Digest)
	if err != nil || there {
		return err
	}
	var place string
	err = r.send(ctx, http.MethodPost, r.url("blobs", "uploads")+"/", blob{}, func(resp *http.Response) error {
		location, err := resp.Location()
		if err != nil {
			return fmt.Errorf("begin the upload: %w", err)
		}
		query := location.Query()
		query.Set("digest", b.Digest)
		location.RawQuery = query.Encode()
		place = location.String()
		return nil
	})
	if err != nil {
		return err
	}
	b.MediaType = "application/octet-stream"
	return r.send(ctx, http.MethodPut, place, b, nil)
}

// has asks for a blob or a manifest. A registry that has just been started may not answer yet.
func (r registry) has(ctx context.Context, kind, digest string) (bool, error) {
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodHead, r.url(kind, digest), nil)
		if err != nil {
			return false, fmt.Errorf("ask the registry: %w", err)
		}
		req.Header.Set("Accept", typeManifest)
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			_ = resp.Body.Close()
			return resp.StatusCode == http.StatusOK, nil
		}
		select {
		case <-ctx.Done():
			return false, fmt.Errorf("ask the registry: %w", errors.Join(context.Cause(ctx), err))
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (r registry) send(ctx context.Context, method, url string, b blob, then func(*http.Response) error) error {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(b.data))
	if err != nil {
		return fmt.Errorf("ask the registry: %w", err)
	}
	if b.MediaType != "" {
		req.Header.Set("Content-Type", b.MediaType)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("ask the registry: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode >= http.StatusBadRequest {
		said, _ := io.ReadAll(io.LimitReader(resp.Body, 300))
		return fmt.Errorf("%s: %s", resp.Status, strings.TrimSpace(string(said)))
	}
	if then != nil {
		return then(resp)
	}
	return nil
}
