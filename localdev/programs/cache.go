package programs

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"

	"golang.org/x/sync/errgroup"
)

// CacheDir returns plattr's cache folder: PLATTR_CACHE_DIR, or /var/cache/plattr for root, because the services run
// as another user who may not enter root's home, or $XDG_CACHE_HOME/plattr, or ~/.cache/plattr.
func CacheDir(getenv func(string) string) (string, error) { return cacheDir(getenv, os.Geteuid() == 0) }

func cacheDir(getenv func(string) string, root bool) (string, error) {
	if dir := getenv("PLATTR_CACHE_DIR"); dir != "" {
		return filepath.Abs(dir)
	}
	if root {
		return "/var/cache/plattr", nil
	}
	if dir := getenv("XDG_CACHE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "plattr"), nil
	}
	if home := getenv("HOME"); filepath.IsAbs(home) {
		return filepath.Join(home, ".cache", "plattr"), nil
	}
	return "", errors.New("the cache has no place: HOME is not set (nor XDG_CACHE_HOME or PLATTR_CACHE_DIR)")
}

// cache is a folder of unpacked programs:
//
//	NAME-VERSION-OS-ARCH/        the tree, with its manifest (NAME-VERSION-REVISION-..., where it is prepared)
//	NAME-VERSION-OS-ARCH.lock    held while the tree is looked at or made
//	NAME-VERSION-OS-ARCH.new/    what a download has so far
//	digests.json                 digests that were recorded at a first download
type cache struct{ dir string }

// manifestName is the file in a tree that tells what it must hold.
const manifestName = ".plattr.json"

// manifest is what is checked before a tree is used. A tree of which a power failure kept only a part does not pass,
// so nothing has to be synced to the disk one file at a time.
type manifest struct {
	Source  string                  `json:"source"`
	SHA256  string                  `json:"sha256"` // of the downloaded file
	Version string                  `json:"version"`
	Bin     string                  `json:"bin"`
	Files   map[string]manifestFile `json:"files"`
}

type manifestFile struct {
	SHA256 string      `json:"sha256,omitempty"`
	Link   string      `json:"link,omitempty"`
	Mode   fs.FileMode `json:"mode,omitempty"`
}

func openCache(dir string) (cache, error) {
	c := cache{filepath.Join(dir, "programs")}
	if err := os.MkdirAll(c.dir, 0o755); err != nil { // services run as another user read it
		return cache{}, fmt.Errorf("make the cache: %w", err)
	}
	for _, d := range []string{dir, c.dir} {
		if err := onlyMine(d); err != nil {
			return cache{}, err
		}
	}
	return c, nil
}

// onlyMine refuses a folder into which another user could put a program that we then run.
func onlyMine(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("check the cache: %w", err)
	}
	owner := info.Sys().(*syscall.Stat_t).Uid
	if int(owner) != os.Geteuid() && owner != 0 {
		return &UnsafeError{dir, fmt.Sprintf("belongs to user %d", owner)}
	}
	if info.Mode().Perm()&0o022 != 0 {
		return &UnsafeError{dir, fmt.Sprintf("can be written by others (mode %04o)", info.Mode().Perm())}
	}
	return nil
}

// UnsafeError says that another user could change the programs in the cache.
type UnsafeError struct{ Dir, Reason string }

func (e *UnsafeError) Error() string { return fmt.Sprintf("the cache %s %s", e.Dir, e.Reason) }

// Hint is the command that mends it.
func (e *UnsafeError) Hint() string {
	return "chmod go-w " + e.Dir + ", or set PLATTR_CACHE_DIR to another folder"
}

func treeName(e Entry, p Platform) string {
	name := e.Name + "-" + e.Version
	if e.Revision != "" {
		name += "-" + e.Revision
	}
	return name + "-" + p.OS + "-" + p.Arch
}

func (c cache) tree(e Entry, p Platform) string     { return filepath.Join(c.dir, treeName(e, p)) }
func (c cache) incoming(e Entry, p Platform) string { return c.tree(e, p) + ".new" }
func (c cache) lockPath(e Entry, p Platform) string { return c.tree(e, p) + ".lock" }

// load returns the program in the cache if it is whole, and comes from a source that the table still names.
func (c cache) load(e Entry, p Platform) (Program, bool) {
	dir := c.tree(e, p)
	raw, err := os.ReadFile(filepath.Join(dir, manifestName))
	if err != nil {
		return Program{}, false
	}
	var m manifest
	if json.Unmarshal(raw, &m) != nil || !m.allowed(e.sources(p)) || m.verify(dir) != nil {
		return Program{}, false
	}
	bin := filepath.Join(dir, filepath.FromSlash(m.Bin))
	return Program{
		Name: e.Name, Version: m.Version, Dir: bin, Bin: filepath.Join(bin, e.Executables[0]), Origin: "cache, from " + m.Source,
	}, true
}

// allowed tells whether the tree was made from a file that the table pins, or does not pin.
func (m manifest) allowed(sources []Source) bool {
	for _, s := range sources {
		if s.Coordinate == m.Source && (s.SHA256 == "" || s.SHA256 == m.SHA256) {
			return true
		}
	}
	return false
}

// verify compares every file with the manifest.
func (m manifest) verify(dir string) error {
	var g errgroup.Group
	g.SetLimit(runtime.NumCPU())
	for name, want := range m.Files {
		g.Go(func() error {
			got, err := describe(filepath.Join(dir, filepath.FromSlash(name)))
			if err == nil && got != want {
				err = fmt.Errorf("%s is not what was unpacked", name)
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return fmt.Errorf("check the cache: %w", err)
	}
	return nil
}

func describe(path string) (manifestFile, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return manifestFile{}, err
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		target, err := os.Readlink(path)
		return manifestFile{Link: target}, err
	}
	sum, err := digest(path)
	return manifestFile{SHA256: sum, Mode: info.Mode().Perm()}, err
}

func digest(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("read %s: %w", path, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// describeTree makes the list of files of a manifest.
func describeTree(dir string) (map[string]manifestFile, error) {
	files := map[string]manifestFile{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		files[filepath.ToSlash(rel)], err = describe(path)
		return err
	})
	return files, err
}

// ChangedError says that a download is not the file that it should be.
type ChangedError struct {
	Source, Want, Got string
	Record            string // the file that holds Want, if it was recorded at the first download
}

func (e *ChangedError) Error() string {
	return fmt.Sprintf("%s has SHA-256 %s, expected %s: it was changed and is not used", e.Source, e.Got, e.Want)
}

// Hint says how to accept a change that is meant to be.
func (e *ChangedError) Hint() string {
	if e.Record == "" {
		return "report it: the digest is pinned in plattr"
	}
	return "if the change is meant to be, delete its line in " + e.Record
}

// isFinal tells errors after which no other source may be tried in silence.
func isFinal(err error) bool {
	var changed *ChangedError
	var space *spaceError
	return errors.As(err, &changed) || errors.As(err, &space)
}

// trust checks a download against the pinned digest or, where there is none, the one of the first download.
func (c cache) trust(s Source, sum string) error {
	if s.SHA256 != "" {
		if s.SHA256 != sum {
			return &ChangedError{Source: s.Coordinate, Want: s.SHA256, Got: sum}
		}
		return nil
	}
	path := filepath.Join(c.dir, "digests.json")
	release, err := lockDigests(path)
	if err != nil {
		return err
	}
	defer release()
	seen := map[string]string{}
	raw, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(raw, &seen)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read the recorded digests %s: %w", path, err)
	}
	if want, ok := seen[s.Coordinate]; ok {
		if want != sum {
			return &ChangedError{Source: s.Coordinate, Want: want, Got: sum, Record: path}
		}
		return nil
	}
	seen[s.Coordinate] = sum
	raw, err = json.MarshalIndent(seen, "", "  ")
	if err != nil {
		return fmt.Errorf("record the digest of %s: %w", s.Coordinate, err)
	}
	return replaceFile(path, raw, 0o644)
}
