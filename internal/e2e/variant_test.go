package e2e

import (
	"archive/tar"
	"bytes"
	"io"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"plattr.dev/plattr/internal/testutil"
)

// variant pushes the application's image with more files, or another program to start, and returns its name by digest.
func (a *app) variant(tag string, files map[string]string, entrypoint string) string {
	a.t.Helper()
	ref := func(tag string) name.Reference {
		r, err := name.ParseReference(testutil.Registry + "/" + a.name + ":" + tag)
		a.must(err)
		return r
	}
	img, err := remote.Image(ref("dev"))
	a.must(err)
	if len(files) > 0 {
		img, err = mutate.AppendLayers(img, a.layer(files))
		a.must(err)
	}
	if entrypoint != "" {
		file, err := img.ConfigFile()
		a.must(err)
		config := file.Config
		config.Entrypoint = []string{entrypoint}
		img, err = mutate.Config(img, config)
		a.must(err)
	}
	a.must(remote.Write(ref(tag), img))
	digest, err := img.Digest()
	a.must(err)
	return testutil.Registry + "/" + a.name + "@" + digest.String()
}

func (a *app) must(err error) {
	a.t.Helper()
	if err != nil {
		a.t.Fatal(err)
	}
}

func (a *app) layer(files map[string]string) v1.Layer {
	a.t.Helper()
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	for path, content := range files {
		a.must(w.WriteHeader(&tar.Header{Name: path, Mode: 0o644, Size: int64(len(content))}))
		_, err := w.Write([]byte(content))
		a.must(err)
	}
	a.must(w.Close())
	raw := archive.Bytes()
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(raw)), nil })
	a.must(err)
	return layer
}
