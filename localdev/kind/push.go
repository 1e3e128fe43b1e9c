package kind

import (
	"archive/tar"
	"bytes"
	"context"
	"debug/elf"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"plattr.dev/plattr/internal/image"
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
	repository := address + "/plattr"
	if last == now && strings.HasPrefix(last.Image, repository+"@") {
		if there, err := image.Has(ctx, last.Image); err != nil || there {
			return last.Image, err
		}
	}
	img, err := imageOf(program)
	if err != nil {
		return "", err
	}
	if now.Image, err = image.Push(ctx, repository, img); err != nil {
		return "", err
	}
	return now.Image, c.dir.WriteJSON(pushedFile, now)
}

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

// imageOf is an image of a program alone.
func imageOf(program string) (v1.Image, error) {
	if err := runsInLinux(program); err != nil {
		return nil, err
	}
	data, err := layerOf(program)
	if err != nil {
		return nil, err
	}
	oci := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	img, err := mutate.ConfigFile(oci, &v1.ConfigFile{
		Architecture: runtime.GOARCH, OS: "linux",
		Config: v1.Config{
			Entrypoint: []string{"/usr/local/bin/plattr"}, User: strconv.Itoa(image.DefaultUser),
			Env: []string{"PATH=/usr/local/bin", "HOME=/tmp"},
		},
	})
	if err == nil { // it is not compressed: it goes from one disk to the same disk
		img, err = mutate.AppendLayers(img, static.NewLayer(data, types.OCIUncompressedLayer))
	}
	if err != nil {
		return nil, fmt.Errorf("make the image of plattr: %w", err)
	}
	return img, nil
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
