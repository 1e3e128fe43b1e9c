// Package pod is what plattr does inside an application's pods: it keeps PostgREST's keys up to date, and migrates in the
// application's image before a release.
package pod

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Program is what plattr is called in the folder that Install fills.
const Program = "plattr"

// Install copies this program into a folder that another container mounts: its image need not have plattr.
func Install(dir string) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	in, err := os.Open(self)
	if err != nil {
		return fmt.Errorf("copy this program: %w", err)
	}
	defer in.Close()
	target := filepath.Join(dir, Program)
	out, err := os.OpenFile(target+".new", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o755) //nolint:gosec // others shall run it
	if err != nil {
		return fmt.Errorf("copy this program: %w", err)
	}
	if _, err := io.Copy(out, in); err != nil {
		out.Close()
		return fmt.Errorf("copy this program: %w", err)
	}
	if err := out.Close(); err != nil {
		return fmt.Errorf("copy this program: %w", err)
	}
	return os.Rename(target+".new", target)
}
