// Package programs finds the executables of the local services: in a setting, on PATH, in the cache, in a package
// registry or on the project's release page, in this order. Table says it for every service, version, system and
// architecture.
package programs

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"plattr.dev/plattr/localdev/lockfile"
)

// Title is what people call a program of the table.
func Title(name string) string {
	e, _ := lookup(Table(), name)
	return e.Title
}

// Program is a service's executable that is ready to run on this machine.
type Program struct {
	Name    string // as in Table
	Version string // as the executable says, for example 17.5
	Dir     string // the folder that holds its executables
	Bin     string // path of the main executable
	Origin  string // where it was found, in the user's words
}

// Path returns the path of another executable of the same program, for example initdb.
func (p Program) Path(executable string) string { return filepath.Join(p.Dir, executable) }

// Progress tells what a Find that takes longer is doing.
type Progress struct {
	Name   string // as in Table
	Source string // the package or URL
	Phase  Phase
	Done   int64 // bytes so far; 0 if the source does not tell
	Total  int64 // bytes in all; 0 if unknown
}

// Phase is a step of a download.
type Phase string

// The phases in their order.
const (
	Downloading Phase = "downloading"
	Unpacking   Phase = "unpacking"
	Preparing   Phase = "preparing"
)

// Option changes where Find looks.
type Option func(*finder)

// WithCache uses the folder dir in place of the one that CacheDir names.
func WithCache(dir string) Option { return func(f *finder) { f.cache = dir } }

// WithProgress calls report while something is downloaded or unpacked.
func WithProgress(report func(Progress)) Option { return func(f *finder) { f.report = report } }

// WithTable looks in table in place of Table.
func WithTable(table []Entry) Option { return func(f *finder) { f.table = table } }

// WithEnv reads settings through getenv in place of os.Getenv.
func WithEnv(getenv func(string) string) Option { return func(f *finder) { f.getenv = getenv } }

// WithHTTPClient downloads through client.
func WithHTTPClient(client *http.Client) Option { return func(f *finder) { f.http = client } }

// WithDownload tells whether anything may be downloaded; it may if this is left out.
func WithDownload(allowed bool) Option { return func(f *finder) { f.offline = !allowed } }

// finder is one call of Find.
type finder struct {
	offline  bool
	table    []Entry
	cache    string
	getenv   func(string) string
	lookPath func(string) (string, error)
	http     *http.Client
	report   func(Progress)
	platform Platform
}

// Find returns the program called name, downloading it if no place on this machine has it. It is safe to call from
// several processes at once, and a call that is killed leaves nothing that a later one would take for a program.
// The error is a *NotFoundError when every source was tried in vain.
func Find(ctx context.Context, name string, opts ...Option) (Program, error) {
	f := &finder{
		table: Table(), getenv: os.Getenv, lookPath: exec.LookPath, http: downloadClient(),
		report: func(Progress) {}, platform: Platform{runtime.GOOS, runtime.GOARCH},
	}
	for _, o := range opts {
		o(f)
	}
	e, ok := lookup(f.table, name)
	if !ok {
		return Program{}, fmt.Errorf("program %q is not in the table of programs", name)
	}
	if f.cache == "" {
		dir, err := CacheDir(f.getenv)
		if err != nil {
			return Program{}, err
		}
		f.cache = dir
	}
	return f.find(ctx, e)
}

func (f *finder) find(ctx context.Context, e Entry) (Program, error) {
	if p, set, err := f.fromSetting(ctx, e); set {
		return p, err
	}
	missing := &NotFoundError{Entry: e, Platform: f.platform}
	if !e.OwnOnly {
		p, err := f.fromMachine(ctx, e)
		if err == nil {
			return p, nil
		}
		missing.add("PATH", err)
	}

	sources := e.sources(f.platform)
	if len(sources) == 0 {
		return Program{}, missing
	}
	c, err := openCache(f.cache)
	if err != nil {
		return Program{}, err
	}
	if p, ok := c.load(e, f.platform); ok { // trees come and go whole, so reading needs no lock, nor the right to take it
		return p, nil
	}
	if f.offline {
		missing.add("cache", errors.New("it is not there, and nothing may be downloaded"))
		return Program{}, missing
	}
	release, err := lockfile.Lock(ctx, c.lockPath(e, f.platform))
	if err != nil {
		return Program{}, fmt.Errorf("find %s: %w", e.Title, err)
	}
	defer release()
	if p, ok := c.load(e, f.platform); ok {
		return p, nil
	}
	for _, s := range sources {
		p, err := f.fetch(ctx, c, e, s)
		if err == nil {
			return p, nil
		}
		if ctx.Err() != nil || isFinal(err) {
			return Program{}, err
		}
		missing.add(s.Coordinate, err)
	}
	return Program{}, missing
}

// NotFoundError says that no source had the program, and what each of them answered.
type NotFoundError struct {
	Entry    Entry
	Platform Platform
	Tried    []string
}

func (e *NotFoundError) add(source string, err error) {
	e.Tried = append(e.Tried, fmt.Sprintf("%s: %v", source, err))
}

func (e *NotFoundError) Error() string {
	msg := fmt.Sprintf("%s %s for %s was not found", e.Entry.Title, e.Entry.Version, e.Platform)
	if len(e.Tried) > 0 {
		msg += " (" + strings.Join(e.Tried, "; ") + ")"
	}
	return msg
}

// Hint names the package to install, or the setting that points to the program.
func (e *NotFoundError) Hint() string {
	return fmt.Sprintf("%s, or set %s to one that you have", e.Entry.Install, e.Entry.Setting)
}

// Downloadable tells whether there is a source for this platform that may still be tried.
func (e *NotFoundError) Downloadable() bool { return len(e.Entry.sources(e.Platform)) > 0 }

// downloadClient gives up on a server that does not answer; the download itself may take as long as bytes arrive.
func downloadClient() *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.ResponseHeaderTimeout = 20 * time.Second
	t.TLSHandshakeTimeout = 10 * time.Second
	return &http.Client{Transport: t}
}
