package programs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// versionTimeout bounds a program's answer to --version.
const versionTimeout = 10 * time.Second

var versionPattern = regexp.MustCompile(`\b[0-9]+(\.[0-9]+)*\b`)

// fromSetting looks where the user said. set is false when the user said nothing.
func (f *finder) fromSetting(ctx context.Context, e Entry) (p Program, set bool, err error) {
	path := f.getenv(e.Setting)
	if path == "" {
		return Program{}, false, nil
	}
	dir := path
	switch info, err := os.Stat(path); {
	case err != nil:
		return Program{}, true, &SettingError{e, path, err}
	case !info.IsDir():
		dir = filepath.Dir(path)
	case !isExecutable(filepath.Join(dir, e.Executables[0])):
		dir = filepath.Join(dir, "bin") // an installation's folder is as good as its bin
	}
	p, err = inspect(ctx, e, dir)
	if err == nil && majorOf(p.Version) < e.Major {
		err = fmt.Errorf("it is version %s, plattr needs %d or later", p.Version, e.Major)
	}
	if err != nil {
		return Program{}, true, &SettingError{e, path, err}
	}
	p.Origin = e.Setting
	return p, true, nil
}

// SettingError says that a setting names a program that cannot be used.
type SettingError struct {
	Entry Entry
	Path  string
	Err   error
}

func (e *SettingError) Error() string {
	return fmt.Sprintf("%s=%s: %v", e.Entry.Setting, e.Path, e.Err)
}
func (e *SettingError) Unwrap() error { return e.Err }

// Hint is the next step.
func (e *SettingError) Hint() string {
	return fmt.Sprintf("unset %s, or set it to %s %d or later", e.Entry.Setting, e.Entry.Title, e.Entry.Major)
}

// fromMachine looks on PATH and where systems install the program.
func (f *finder) fromMachine(ctx context.Context, e Entry) (Program, error) {
	var dirs []string
	for _, pattern := range e.Known {
		found, err := filepath.Glob(pattern)
		if err != nil {
			return Program{}, fmt.Errorf("the known folder %s: %w", pattern, err)
		}
		dirs = append(dirs, found...)
	}
	if found, err := f.lookPath(e.Executables[0]); err == nil {
		if real, err := filepath.EvalSymlinks(found); err == nil {
			found = real // its companions lie beside the file, not beside the link
		}
		dirs = append([]string{filepath.Dir(found)}, dirs...)
	}
	if home := f.getenv(e.Home); e.Home != "" && home != "" {
		dirs = append([]string{filepath.Join(home, "bin")}, dirs...)
	}
	err := errors.New("none is installed")
	for _, dir := range dirs {
		if !isExecutable(filepath.Join(dir, e.Executables[0])) {
			continue
		}
		p, inspectErr := inspect(ctx, e, dir)
		if inspectErr != nil {
			err = inspectErr
			continue
		}
		if !e.fits(majorOf(p.Version)) {
			err = fmt.Errorf("%s is version %s", p.Bin, p.Version)
			continue
		}
		p.Origin = "installed"
		return p, nil
	}
	return Program{}, err
}

func (e Entry) fits(major int) bool { return major == e.Major || e.NewerOnPath && major > e.Major }

// inspect checks that a folder holds the program whole and asks it for its version.
func inspect(ctx context.Context, e Entry, dir string) (Program, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return Program{}, fmt.Errorf("find the folder of %s: %w", e.Title, err)
	}
	for _, name := range e.Executables {
		if !isExecutable(filepath.Join(dir, name)) {
			return Program{}, fmt.Errorf("%s has no executable %s", dir, name)
		}
	}
	bin := filepath.Join(dir, e.Executables[0])
	ctx, cancel := context.WithTimeout(ctx, versionTimeout)
	defer cancel()
	out, err := exec.CommandContext(ctx, bin, "--version").Output() // the user's own program
	if err != nil {
		return Program{}, fmt.Errorf("ask %s for its version: %w", bin, err)
	}
	version := versionPattern.FindString(string(out))
	if version == "" {
		return Program{}, fmt.Errorf("%s says no version: %.80q", bin, strings.TrimSpace(string(out)))
	}
	return Program{Name: e.Name, Version: version, Dir: dir, Bin: bin}, nil
}

func majorOf(version string) int {
	major, _, _ := strings.Cut(version, ".")
	n, err := strconv.Atoi(major)
	if err != nil {
		return 0
	}
	return n
}

func isExecutable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0
}
