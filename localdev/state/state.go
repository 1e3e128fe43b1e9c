// Package state is the folder in which the local runtime keeps what outlives a command: data, secrets, ports, the list
// of applications. Everything in it is for its owner only (0700, 0600), and every file is replaced atomically.
package state

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"plattr.dev/plattr/localdev/lockfile"
)

// marker is the file that tells a state folder from any other, so that Destroy cannot delete something else.
const marker = ".plattr-state"

// rootPath is the state folder when root runs plattr, and the home of the user who then runs the services.
const rootPath = "/var/lib/plattr"

// Dir is an open state folder.
type Dir struct {
	Path string // absolute
	// Run holds the sockets. It is Path/run, or a folder in /tmp where that would be too long for a socket's path.
	Run string
	// Service is the user who runs the services; nil: the one who runs plattr.
	Service *User
}

// FolderError says that the state folder cannot be used, and how to get one that can.
type FolderError struct {
	Path string
	Err  error
	Next string
}

func (e *FolderError) Error() string { return fmt.Sprintf("the state folder %s: %v", e.Path, e.Err) }
func (e *FolderError) Unwrap() error { return e.Err }

// Hint is the next step.
func (e *FolderError) Hint() string { return e.Next }

const elsewhere = "set PLATTR_STATE_DIR to a folder that you may write to"

// Path says where the state folder is: PLATTR_STATE_DIR, for root /var/lib/plattr, else $XDG_STATE_HOME/plattr or
// ~/.local/state/plattr.
func Path(getenv func(string) string) (string, error) { return pathOf(getenv, os.Geteuid() == 0) }

func pathOf(getenv func(string) string, root bool) (string, error) {
	if dir := getenv("PLATTR_STATE_DIR"); dir != "" {
		return filepath.Abs(dir)
	}
	if root {
		return rootPath, nil
	}
	if dir := getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "plattr"), nil
	}
	if home := getenv("HOME"); filepath.IsAbs(home) {
		return filepath.Join(home, ".local", "state", "plattr"), nil
	}
	return "", &FolderError{
		Path: "(none)", Err: errors.New("HOME is not set"), Next: "set HOME, or PLATTR_STATE_DIR to a folder that you may write to",
	}
}

// Open makes the state folder if it is missing and checks that it is ours alone.
func Open(ctx context.Context, getenv func(string) string) (Dir, error) {
	path, err := Path(getenv)
	if err != nil {
		return Dir{}, err
	}
	d := Dir{Path: path}
	if os.Geteuid() == 0 {
		if d.Service, err = serviceUser(ctx, getenv); err != nil {
			return Dir{}, err
		}
	}
	if err := d.prepare(); err != nil {
		return Dir{}, err
	}
	return d, nil
}

// Existing opens a state folder that Open made, for the service user's own processes. It changes nothing.
func Existing(path string) (Dir, error) {
	if _, err := os.Stat(filepath.Join(path, marker)); err != nil {
		return Dir{}, &FolderError{path, fmt.Errorf("it was not made by plattr: %w", err), elsewhere}
	}
	d := Dir{Path: path}
	d.Run = runDir(path, os.Geteuid())
	return d, nil
}

func (d *Dir) prepare() error {
	wrap := func(err error) error { return &FolderError{d.Path, err, elsewhere} }
	if err := os.MkdirAll(d.Path, 0o755); err != nil { // parents; the folder itself is closed below
		return wrap(err)
	}
	entries, err := os.ReadDir(d.Path)
	if err != nil {
		return wrap(err)
	}
	if _, err := os.Stat(filepath.Join(d.Path, marker)); err != nil {
		if len(entries) > 0 {
			return wrap(errors.New("it holds files that are not plattr's"))
		}
		if err := d.makeMine(); err != nil {
			return wrap(err)
		}
	}
	if err := d.onlyMine(d.Path); err != nil {
		return wrap(err)
	}
	if err := d.reachable(); err != nil {
		return wrap(err)
	}
	d.Run = runDir(d.Path, d.UID())
	if err := d.MkdirAll(d.Run); err != nil {
		return wrap(err)
	}
	return d.onlyMine(d.Run)
}

// makeMine marks a new, empty folder.
func (d *Dir) makeMine() error {
	if err := os.Chmod(d.Path, 0o700); err != nil { // a folder
		return err
	}
	if err := d.give(d.Path); err != nil {
		return err
	}
	return d.WriteFile(marker, []byte("The local runtime of plattr keeps its state here.\n"))
}

// onlyMine refuses a folder that another user owns or can enter.
func (d *Dir) onlyMine(path string) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	owner := int(info.Sys().(*syscall.Stat_t).Uid)
	switch {
	case !info.IsDir():
		return fmt.Errorf("%s is not a folder", path)
	case owner != d.UID():
		return fmt.Errorf("%s belongs to user %d, not to user %d, who runs the services", path, owner, d.UID())
	case info.Mode().Perm()&0o077 != 0:
		if err := os.Chmod(path, 0o700); err != nil { // a folder
			return err
		}
	}
	return nil
}

// reachable finds a parent folder that the service user may not enter.
func (d *Dir) reachable() error {
	if d.Service == nil {
		return nil
	}
	for dir := filepath.Dir(d.Path); ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			return err
		}
		s := info.Sys().(*syscall.Stat_t)
		enter := info.Mode().Perm()&0o001 != 0 || s.Uid == d.Service.UID && info.Mode().Perm()&0o100 != 0 ||
			s.Gid == d.Service.GID && info.Mode().Perm()&0o010 != 0
		if !enter {
			return fmt.Errorf("user %s, who runs the services, may not enter %s", d.Service.Name, dir)
		}
		if dir == filepath.Dir(dir) {
			return nil
		}
	}
}

// UID is the user who runs the services.
func (d *Dir) UID() int {
	if d.Service != nil {
		return int(d.Service.UID)
	}
	return os.Geteuid()
}

// GID is the group of the user who runs the services.
func (d *Dir) GID() int {
	if d.Service != nil {
		return int(d.Service.GID)
	}
	return os.Getegid()
}

// give makes the service user the owner of a file that root made.
func (d *Dir) give(path string) error {
	if d.Service == nil {
		return nil
	}
	return os.Lchown(path, int(d.Service.UID), int(d.Service.GID))
}

// maxSocket is the longest path that a socket of this folder may get: sun_path holds 108 bytes on Linux and 104 on
// macOS, and PostgreSQL's name and that of its lock file take up to 20.
const maxSocket = 104 - 1 - len("/.s.PGSQL.65535.lock")

func runDir(path string, uid int) string {
	run := filepath.Join(path, "run")
	if len(run) <= maxSocket {
		return run
	}
	sum := sha256.Sum256([]byte(path))
	return "/tmp/plattr-" + strconv.Itoa(uid) + "-" + hex.EncodeToString(sum[:6])
}

// Join returns a path in the folder.
func (d Dir) Join(elem ...string) string { return filepath.Join(append([]string{d.Path}, elem...)...) }

// MkdirAll makes a folder for the owner only.
func (d Dir) MkdirAll(path string) error {
	missing := []string{}
	for p := path; ; p = filepath.Dir(p) {
		if _, err := os.Stat(p); err == nil || p == filepath.Dir(p) {
			break
		}
		missing = append(missing, p)
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return err
	}
	for _, p := range missing {
		if err := d.give(p); err != nil {
			return err
		}
	}
	return nil
}

// WriteFile replaces a file of the folder: a reader finds the old content or the new one, also after a crash.
func (d Dir) WriteFile(name string, data []byte) error {
	path := d.Join(name)
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // 0600
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer os.Remove(f.Name()) //nolint:errcheck // gone after the rename
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = d.give(f.Name())
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// ReadJSON reads a file of the folder into v, and leaves v as it is if there is none.
func (d Dir) ReadJSON(name string, v any) error {
	raw, err := os.ReadFile(d.Join(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(raw, v)
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", d.Join(name), err)
	}
	return nil
}

// WriteJSON replaces a file of the folder with v.
func (d Dir) WriteJSON(name string, v any) error {
	raw, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("write %s: %w", d.Join(name), err)
	}
	return d.WriteFile(name, append(raw, '\n'))
}

// Lock keeps other plattr commands from changing the files of the folder until release is called.
func (d Dir) Lock(ctx context.Context) (release func(), err error) {
	release, err = lockfile.Lock(ctx, d.Join("state.lock"))
	if err != nil {
		return nil, fmt.Errorf("use the state folder: %w", err)
	}
	return release, nil
}

// Destroy deletes the folder with everything in it.
func (d Dir) Destroy() error {
	if _, err := os.Stat(d.Join(marker)); err != nil {
		return &FolderError{d.Path, fmt.Errorf("it was not made by plattr: %w", err), elsewhere}
	}
	if !filepath.IsAbs(d.Run) || filepath.Dir(d.Run) != d.Path {
		if err := os.RemoveAll(d.Run); err != nil {
			return fmt.Errorf("delete the sockets: %w", err)
		}
	}
	// The marker goes last: a Destroy that was killed can be done again.
	entries, err := os.ReadDir(d.Path)
	if err != nil {
		return fmt.Errorf("delete the state: %w", err)
	}
	for _, e := range entries {
		if e.Name() == marker {
			continue
		}
		if err := os.RemoveAll(d.Join(e.Name())); err != nil {
			return fmt.Errorf("delete the state: %w", err)
		}
	}
	if err := os.RemoveAll(d.Path); err != nil {
		return fmt.Errorf("delete the state: %w", err)
	}
	return nil
}
