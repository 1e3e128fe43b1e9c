package programs

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// ArchiveDir returns the folder in which Java servers that run as user uid keep archives of their classes. It is made if
// it is missing, and is that user's alone, because what is in it is code.
func ArchiveDir(getenv func(string) string, uid, gid int) (string, error) {
	cache, err := CacheDir(getenv)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(cache, 0o755); err != nil { // services run as another user read what is in it
		return "", fmt.Errorf("make the cache: %w", err)
	}
	if err := onlyMine(cache); err != nil {
		return "", err
	}
	parent := filepath.Join(cache, "archives")
	dir := filepath.Join(parent, strconv.Itoa(uid))
	if err := os.MkdirAll(parent, 0o755); err != nil { // the user must get to the folder below
		return "", fmt.Errorf("make the folder of archives: %w", err)
	}
	if err := onlyMine(parent); err != nil {
		return "", err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !os.IsExist(err) {
		return "", fmt.Errorf("make the folder of archives: %w", err)
	}
	if uid != os.Geteuid() {
		if err := os.Lchown(dir, uid, gid); err != nil {
			return "", fmt.Errorf("make the folder of archives: %w", err)
		}
	}
	if info, err := os.Lstat(dir); err != nil || !info.IsDir() || info.Mode().Perm()&0o077 != 0 {
		return "", &UnsafeError{dir, "is not a folder of one user alone"}
	}
	return dir, nil
}

// ArchiveName is the name of a server's archive. An archive fits one class path in one build of Java: the JVM neither uses
// nor renews one of another class path, so the places of both programs are in the name.
func ArchiveName(server, java Program) string {
	places := sha256.Sum256([]byte(server.Dir + "\n" + java.Bin))
	return fmt.Sprintf("%s-%s-java-%s-%x.jsa", server.Name, server.Version, java.Version, places[:4])
}
