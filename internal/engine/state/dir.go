// Package state keeps stacks in a directory, in the layout of Pulumi's own file backend (version 1, with projects), so
// that the stock CLI can read and continue every stack. Files are replaced, never changed in place; a state that was
// torn in the middle of a write is read from the newest copy that is whole.
package state

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"

	"plattr.dev/plattr/internal/engine/folder"
)

// ErrNoStack is returned for a stack that the directory does not hold.
var ErrNoStack = errors.New("no such stack")

const (
	bookkeeping = ".pulumi"
	metaFile    = "meta.yaml"
	metaContent = "version: 1\n"
	fileMode    = 0o600
)

// Dir is a directory of stacks.
type Dir struct {
	root string
}

// Ref names one stack: its project and its own name.
type Ref struct {
	Project string
	Stack   string
}

// String returns the full name, as Pulumi writes it into checkpoints.
func (r Ref) String() string { return "organization/" + r.Project + "/" + r.Stack }

// ParseRef reads "stack", "project/stack" or "organization/project/stack"; project is the default one.
func ParseRef(project, name string) (Ref, error) {
	parts := strings.Split(name, "/")
	ref := Ref{Project: project, Stack: parts[len(parts)-1]}
	switch {
	case len(parts) == 2:
		ref.Project = parts[0]
	case len(parts) == 3 && parts[0] == "organization":
		ref.Project = parts[1]
	case len(parts) != 1:
		return Ref{}, fmt.Errorf("stack name %q: want stack, project/stack or organization/project/stack", name)
	}
	if _, err := tokens.ParseStackName(ref.Stack); err != nil || ref.Stack == "." || ref.Stack == ".." {
		return Ref{}, fmt.Errorf("stack name %q: use letters, digits, hyphens, underscores and dots only", name)
	}
	if err := tokens.ValidateProjectName(ref.Project); err != nil || ref.Project == "." || ref.Project == ".." {
		return Ref{}, fmt.Errorf("project name %q: use letters, digits, hyphens, underscores and dots only", ref.Project)
	}
	return ref, nil
}

// Open returns the directory behind a file:// URL and makes it when it is absent, readable by its owner only.
func Open(rawURL string) (*Dir, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, fmt.Errorf("state URL: %w", err)
	}
	if u.Scheme != "file" || (u.Host != "" && u.Host != "localhost") || !filepath.IsAbs(u.Path) {
		return nil, fmt.Errorf("state URL %s: want file:// and an absolute path", u.Redacted())
	}
	d := &Dir{root: filepath.Clean(u.Path)}
	meta := d.path(metaFile)
	switch _, err := os.Stat(meta); {
	case err == nil:
		return d, nil
	case !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("open state directory: %w", err)
	}
	if err := write(meta, []byte(metaContent), false); err != nil {
		return nil, fmt.Errorf("make state directory: %w", err)
	}
	return d, nil
}

// Root returns the directory's path.
func (d *Dir) Root() string { return d.root }

// URL returns the directory as a file:// URL.
func (d *Dir) URL() string { return (&url.URL{Scheme: "file", Path: d.root}).String() }

// LockDir is where the locks of a stack lie, ours and the stock CLI's.
func (d *Dir) LockDir(ref Ref) string { return d.path("locks", "organization", ref.Project, ref.Stack) }

// MutexFile is the file whose operating system lock makes taking a stack's lock atomic on one host.
func (d *Dir) MutexFile(ref Ref) string { return d.path("plattr", ref.Project, ref.Stack+".lock") }

func (d *Dir) path(elem ...string) string {
	return filepath.Join(append([]string{d.root, bookkeeping}, elem...)...)
}

func (d *Dir) stackFile(ref Ref) string { return d.path("stacks", ref.Project, ref.Stack+".json") }

func (d *Dir) historyDir(ref Ref) string { return d.path("history", ref.Project, ref.Stack) }

func (d *Dir) backupDir(ref Ref) string { return d.path("backups", ref.Project, ref.Stack) }

// List returns the stacks of a project, sorted by name; with an empty project, of all.
func (d *Dir) List(project string) ([]Ref, error) {
	if project == "" {
		project = "*"
	} else if err := tokens.ValidateProjectName(project); err != nil {
		return nil, fmt.Errorf("list stacks of project %q: %w", project, err)
	}
	files, err := filepath.Glob(d.path("stacks", project, "*.json"))
	if err != nil {
		return nil, fmt.Errorf("list stacks: %w", err)
	}
	refs := make([]Ref, 0, len(files))
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".json")
		if ref, err := ParseRef(filepath.Base(filepath.Dir(f)), name); err == nil {
			refs = append(refs, ref)
		}
	}
	return refs, nil
}

// Exists says whether the directory holds the stack, whole or torn.
func (d *Dir) Exists(ref Ref) (bool, error) {
	_, err := os.Stat(d.stackFile(ref))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for stack %s: %w", ref.Stack, err)
	}
	return true, nil
}

// Remove deletes a stack with its history, its backups and the folders that are empty then.
func (d *Dir) Remove(ref Ref) error {
	file := d.stackFile(ref)
	var errs []error
	for _, f := range []string{file, file + ".bak", file + ".attrs", file + ".bak.attrs"} {
		if err := os.Remove(f); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	for _, dir := range []string{d.historyDir(ref), d.backupDir(ref)} {
		errs = append(errs, os.RemoveAll(dir))
	}
	errs = append(errs, d.Sweep(ref))
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("remove stack %s: %w", ref.Stack, err)
	}
	for _, dir := range []string{filepath.Dir(file), filepath.Dir(d.historyDir(ref)), filepath.Dir(d.backupDir(ref))} {
		_ = os.Remove(dir) // the project's folder goes with its last stack; another stack's files keep it
	}
	return nil
}

// Sweep deletes what writes of killed processes left. The caller holds the stack's lock.
func (d *Dir) Sweep(ref Ref) error {
	prefix := tempPrefix(d.stackFile(ref))
	files, err := filepath.Glob(filepath.Join(filepath.Dir(d.stackFile(ref)), prefix+"*"))
	if err != nil {
		return fmt.Errorf("sweep stack %s: %w", ref.Stack, err)
	}
	for _, f := range files {
		// Digits alone follow: else it is the temporary file of a stack whose name begins like ours.
		if strings.Trim(strings.TrimPrefix(filepath.Base(f), prefix), "0123456789") != "" {
			continue
		}
		if err := os.Remove(f); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("sweep stack %s: %w", ref.Stack, err)
		}
	}
	return nil
}

// Rename gives a stack another name, with its history and backups.
func (d *Dir) Rename(from, to Ref) error {
	if ok, err := d.Exists(to); err != nil || ok {
		return errors.Join(err, fmt.Errorf("rename stack %s: %s exists", from.Stack, to.Stack))
	}
	moves := [][2]string{
		{d.historyDir(from), d.historyDir(to)},
		{d.backupDir(from), d.backupDir(to)},
		{d.stackFile(from) + ".bak", d.stackFile(to) + ".bak"},
		{d.stackFile(from), d.stackFile(to)}, // last: until then the old name is the stack
	}
	for _, m := range moves {
		if err := folder.Make(filepath.Dir(m[1])); err != nil {
			return fmt.Errorf("rename stack %s: %w", from.Stack, err)
		}
		if err := os.Rename(m[0], m[1]); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("rename stack %s: %w", from.Stack, err)
		}
	}
	return nil
}
