// Package envfile reads and writes environment files that a shell can source and dotenv libraries can read, with the
// same result.
package envfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Dir is the folder beside plattr.yaml that holds an application's environment files.
const Dir = ".plattr"

// Var is one variable.
type Var struct{ Name, Value string }

// Path returns the file that plattr writes for an application at every `plattr dev`.
func Path(dir, app string) string { return filepath.Join(dir, Dir, app+".env") }

// SetPath returns the file that keeps what `plattr env set` has set for an application.
func SetPath(dir, app string) string { return filepath.Join(dir, Dir, app+".set.env") }

// Format writes the variables in their order. Values are quoted so that sh and dotenv libraries read the same:
//
//	no ', of any content     '...'   nothing means anything in it
//	with ', but no $ ` \ "    "..."   nothing of it means anything there either
//	with both                 "..."   with \ before $ ` \ ", which sh, Ruby, Go and Python undo, but Node's dotenv does not
func Format(vars []Var) ([]byte, error) {
	var b strings.Builder
	b.WriteString("# Written by plattr: a change is lost at the next run. Keep your own with plattr env set NAME=VALUE.\n")
	for _, v := range vars {
		if err := CheckName(v.Name); err != nil {
			return nil, err
		}
		if strings.ContainsRune(v.Value, 0) {
			return nil, fmt.Errorf("variable %s: a value cannot hold a NUL character", v.Name)
		}
		b.WriteString("export " + v.Name + "=" + quote(v.Value) + "\n")
	}
	return []byte(b.String()), nil
}

func quote(v string) string {
	if !strings.Contains(v, "'") {
		return "'" + v + "'"
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`, "`", "\\`").Replace(v) + `"`
}

// CheckName refuses what is no name of a variable in every shell.
func CheckName(name string) error {
	for i, r := range name {
		letter := r == '_' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z'
		if !letter && (i == 0 || r < '0' || r > '9') {
			return fmt.Errorf("%q is not a name for a variable: letters, digits and _, not beginning with a digit", name)
		}
	}
	if name == "" {
		return errors.New("a variable has no name")
	}
	return nil
}

// Write replaces the file with the variables, 0600, whole or not at all, making its folder.
func Write(path string, vars []Var) error {
	raw, err := Format(vars)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return &WriteError{path, err}
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // 0600
	if err != nil {
		return &WriteError{path, err}
	}
	defer os.Remove(f.Name()) //nolint:errcheck // gone after the rename
	_, err = f.Write(raw)
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return &WriteError{path, err}
	}
	return nil
}

// WriteError says that an environment file could not be written.
type WriteError struct {
	Path string
	Err  error
}

func (e *WriteError) Error() string { return fmt.Sprintf("write %s: %v", e.Path, e.Err) }
func (e *WriteError) Unwrap() error { return e.Err }

// Hint is the next step.
func (e *WriteError) Hint() string {
	return "make room on the disk, and check that you may write to " + filepath.Dir(e.Path)
}

// Read returns the variables of a file, none if there is no file. A name that comes twice has its last value.
func Read(path string) ([]Var, error) {
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	vars, err := Parse(string(raw))
	if err != nil {
		return nil, fmt.Errorf("%s:%w", path, err)
	}
	return vars, nil
}

// Change sets and removes variables in a file that people may edit too, and keeps the order of the others.
func Change(path string, set []Var, unset []string) error {
	vars, err := Read(path)
	if err != nil {
		return err
	}
	for _, v := range set {
		i := slices.IndexFunc(vars, func(o Var) bool { return o.Name == v.Name })
		if i < 0 {
			vars = append(vars, v)
		} else {
			vars[i].Value = v.Value
		}
	}
	vars = slices.DeleteFunc(vars, func(v Var) bool { return slices.Contains(unset, v.Name) })
	return Write(path, vars)
}

// Remove deletes the file that plattr wrote for an application, and the folder if nothing else is in it. What a person set
// stays.
func Remove(dir, app string) error {
	if err := os.Remove(Path(dir, app)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("delete the environment file: %w", err)
	}
	_ = os.Remove(filepath.Join(dir, Dir)) // another application's files may be in it
	return nil
}
