// Package javaserver says how Keycloak and OpenSearch are run as plain processes on loopback: their files, command lines
// and environments. The supervisor of the laptop and the tests start them, both by this one recipe.
package javaserver

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Process is how to start a server. Passwords are in the environment or in files of mode 0600, never among the arguments.
type Process struct {
	Path string
	Args []string // without the name of the program
	Env  []string // to be added to a clean environment
	Dir  string
}

// Java is the JVM that a server runs in.
type Java struct {
	// Program is the executable, of version 21 or later.
	Program string
	// Archive is a file that the JVM keeps its loaded classes in from the first orderly end on, which takes a third off the
	// start. The JVM checks that it fits and makes it anew; it must be in a folder that only the server's user can write to,
	// for it holds code. Empty: none.
	Archive string
	// HeapMB bounds the heap.
	HeapMB int
}

// options are those of both servers: one developer's machine wants a fast start and little memory, not throughput, so
// there is one compiler and a collector without threads of its own.
func (j Java) options(temp string) []string {
	opts := []string{
		"-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:+ExitOnOutOfMemoryError", "-XX:-UsePerfData",
		fmt.Sprintf("-Xmx%dm", j.HeapMB), "-Djava.io.tmpdir=" + temp, "-Dfile.encoding=UTF-8",
		"--enable-native-access=ALL-UNNAMED", "-Duser.language=en", "-Duser.country=US",
	}
	if j.Archive != "" {
		opts = append(opts, "-XX:+AutoCreateSharedArchive", "-XX:SharedArchiveFile="+j.Archive, "-Xlog:cds=off,cds+dynamic=off")
	}
	return opts
}

// folders makes the folders below dir, for the owner alone.
func folders(dir string, names ...string) error {
	for _, name := range names {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o700); err != nil {
			return err
		}
	}
	return nil
}

// link points name to target, in the place of an older link.
func link(target, name string) error {
	if old, err := os.Readlink(name); err == nil && old == target {
		return nil
	}
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Symlink(target, name)
}
