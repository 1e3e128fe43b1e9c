package programs

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/ulikunitz/xz"
)

// maxUnpacked bounds what one archive may become, in bytes: ten times the largest that the table names.
const maxUnpacked = 4 << 30

// unpack writes the archive's content, or that of the one archive in it that matches nested, into dir. No entry gets
// outside dir: os.Root refuses names and links that would lead there.
func unpack(file, dir, nested string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil { // read by the services' user
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close() //nolint:errcheck // only a handle
	u := &unpacker{root: root, left: maxUnpacked}
	switch {
	case hasSuffix(file, ".jar", ".zip", ".whl"):
		return u.zipFile(file, nested)
	default:
		f, err := os.Open(file)
		if err != nil {
			return err
		}
		defer f.Close()
		return u.tarFile(f, file)
	}
}

// unpackSingle writes one entry of a zip archive into dir, under another name.
func unpackSingle(file, dir, entry, name string) error {
	z, err := zip.OpenReader(file)
	if err != nil {
		return err
	}
	defer z.Close() //nolint:errcheck // only read
	r, err := z.Open(entry)
	if err != nil {
		return err
	}
	defer r.Close()                                 //nolint:errcheck // only read
	if err := os.MkdirAll(dir, 0o755); err != nil { // read by the services' user
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close() //nolint:errcheck // only a handle
	return (&unpacker{root: root, left: maxUnpacked}).file(name, 0o755, r)
}

func hasSuffix(name string, suffixes ...string) bool {
	for _, s := range suffixes {
		if strings.HasSuffix(name, s) {
			return true
		}
	}
	return false
}

type unpacker struct {
	root *os.Root
	left int64
}

func (u *unpacker) zipFile(file, nested string) error {
	z, err := zip.OpenReader(file)
	if err != nil {
		return err
	}
	defer z.Close() //nolint:errcheck // only read
	found := false
	for _, e := range z.File {
		if nested == "" {
			err = u.zipEntry(e)
		} else if ok, _ := path.Match(nested, e.Name); ok {
			found = true
			err = u.nestedTar(e)
		}
		if err != nil {
			return fmt.Errorf("%q: %w", e.Name, err)
		}
	}
	if nested != "" && !found {
		return fmt.Errorf("it holds no %s", nested)
	}
	return nil
}

func (u *unpacker) nestedTar(e *zip.File) error {
	r, err := e.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	return u.tarFile(r, e.Name)
}

func (u *unpacker) zipEntry(e *zip.File) error {
	if e.Mode().IsDir() {
		return u.dir(e.Name)
	}
	r, err := e.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	if e.Mode()&fs.ModeSymlink != 0 {
		target, err := io.ReadAll(io.LimitReader(r, 4096))
		if err != nil {
			return err
		}
		return u.link(e.Name, string(target))
	}
	return u.file(e.Name, e.Mode(), r)
}

func (u *unpacker) tarFile(r io.Reader, name string) error {
	r, err := decompress(r, name)
	if err != nil {
		return err
	}
	t := tar.NewReader(r)
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := u.tarEntry(h, t); err != nil {
			return fmt.Errorf("%q: %w", h.Name, err)
		}
	}
}

func decompress(r io.Reader, name string) (io.Reader, error) {
	r = bufio.NewReaderSize(r, 1<<20)
	switch {
	case hasSuffix(name, ".tar.xz", ".txz"):
		return xz.NewReader(r)
	case hasSuffix(name, ".tar.gz", ".tgz"):
		return gzip.NewReader(r)
	default:
		return nil, fmt.Errorf("%s is no archive that plattr knows", filepath.Base(name))
	}
}

func (u *unpacker) tarEntry(h *tar.Header, r io.Reader) error {
	switch h.Typeflag {
	case tar.TypeDir:
		return u.dir(h.Name)
	case tar.TypeReg:
		return u.file(h.Name, h.FileInfo().Mode(), r)
	case tar.TypeSymlink:
		return u.link(h.Name, h.Linkname)
	case tar.TypeLink:
		if err := u.parent(h.Name); err != nil {
			return err
		}
		return u.root.Link(filepath.FromSlash(h.Linkname), filepath.FromSlash(h.Name))
	case tar.TypeXGlobalHeader:
		return nil
	default:
		return fmt.Errorf("entries of type %q are not unpacked", h.Typeflag)
	}
}

func (u *unpacker) dir(name string) error {
	name = strings.TrimSuffix(filepath.FromSlash(name), "/")
	if name == "." || name == "" {
		return nil
	}
	return u.root.MkdirAll(name, 0o755)
}

func (u *unpacker) parent(name string) error { return u.dir(path.Dir(path.Clean(name))) }

func (u *unpacker) file(name string, mode fs.FileMode, r io.Reader) error {
	if err := u.parent(name); err != nil {
		return err
	}
	perm := fs.FileMode(0o644)
	if mode&0o111 != 0 {
		perm = 0o755
	}
	f, err := u.root.OpenFile(filepath.FromSlash(name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return err
	}
	n, err := io.Copy(f, io.LimitReader(r, u.left+1))
	if u.left -= n; err == nil && u.left < 0 {
		err = fmt.Errorf("the archive unpacks to more than %d bytes", int64(maxUnpacked))
	}
	return errors.Join(err, f.Close())
}

// link makes a symbolic link that stays within the tree.
func (u *unpacker) link(name, target string) error {
	inside := path.Join(path.Dir(path.Clean(name)), target)
	if path.IsAbs(target) || !filepath.IsLocal(filepath.FromSlash(inside)) {
		return fmt.Errorf("the link to %q leads out of the archive", target)
	}
	if err := u.parent(name); err != nil {
		return err
	}
	return u.root.Symlink(target, filepath.FromSlash(name))
}
