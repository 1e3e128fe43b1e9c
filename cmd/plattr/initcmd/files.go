package initcmd

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/diff"

	"plattr.dev/plattr/internal/config"
)

// ignored is what git must not see: the environment files hold passwords.
const ignored = ".plattr/"

// file is one line of what was written.
type file struct {
	Path   string `json:"path"`
	Action string `json:"action"`
	Detail string `json:"detail,omitempty"`
}

// write is a file that shall get a content.
type write struct {
	file
	content []byte
}

// planFiles returns what has to be written, in this order: the application's
// file comes last, so that it never stands there without its .gitignore.
func planFiles(path string, before, after []byte) ([]write, error) {
	dir := filepath.Dir(path)
	var plan []write
	ignore, err := planIgnore(filepath.Join(dir, ".gitignore"))
	if err != nil {
		return nil, err
	}
	plan = append(plan, ignore...)
	schema, err := planSchema(filepath.Join(dir, filepath.FromSlash(config.SchemaPath)))
	if err != nil {
		return nil, err
	}
	plan = append(plan, schema...)
	switch {
	case before == nil:
		plan = append(plan, write{file{Path: path, Action: "created"}, after})
	case !bytes.Equal(before, after):
		plan = append(plan, write{file{Path: path, Action: "changed"}, after})
	}
	return plan, nil
}

func planIgnore(path string) ([]write, error) {
	have, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("init: %w", err)
	}
	for line := range strings.Lines(string(have)) {
		if strings.Trim(strings.TrimSpace(line), "/") == strings.Trim(ignored, "/") {
			return nil, nil
		}
	}
	action := "created"
	if err == nil {
		action = "changed"
	}
	content := slices.Clone(have)
	if len(content) > 0 && !bytes.HasSuffix(content, []byte("\n")) {
		content = append(content, '\n')
	}
	return []write{{file{Path: path, Action: action, Detail: ignored}, append(content, ignored+"\n"...)}}, nil
}

func planSchema(path string) ([]write, error) {
	schema, err := config.Schema()
	if err != nil {
		return nil, fmt.Errorf("init: %w", err)
	}
	have, err := os.ReadFile(path)
	switch {
	case err == nil && bytes.Equal(have, schema):
		return nil, nil
	case err == nil:
		return []write{{file{Path: path, Action: "changed", Detail: "for editors"}, schema}}, nil
	case errors.Is(err, fs.ErrNotExist):
		return []write{{file{Path: path, Action: "created", Detail: "for editors"}, schema}}, nil
	default:
		return nil, fmt.Errorf("init: %w", err)
	}
}

// apply writes the files and returns them with the application's file first.
func apply(plan []write) ([]file, error) {
	files := make([]file, 0, len(plan))
	for _, w := range plan {
		if err := replace(w.Path, w.content); err != nil {
			return nil, fmt.Errorf("init: write %s: %w", w.Path, err)
		}
		files = append(files, w.file)
	}
	slices.Reverse(files)
	return files, nil
}

// replace writes a file beside its place and renames it, so that a killed run
// leaves either the old content or the new. A link is followed, the mode kept.
func replace(path string, content []byte) error {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	mode := fs.FileMode(0o644)
	if info, err := os.Stat(path); err == nil {
		mode = info.Mode().Perm()
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".plattr-*")
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// showDiff prints what would change, in the form of diff -u.
func (o *options) showDiff(before, after []byte) {
	paint := o.ErrPaint()
	lines := strings.Split(strings.TrimRight(string(diff.Diff("plattr.yaml", before, "plattr.yaml", after)), "\n"), "\n")
	for _, line := range lines[1:] {
		switch {
		case strings.HasPrefix(line, "+"):
			line = paint.Green(line)
		case strings.HasPrefix(line, "-"):
			line = paint.Red(line)
		}
		o.Infof("%s", line)
	}
}
