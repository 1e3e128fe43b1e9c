package programs_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"plattr.dev/plattr/internal/testutil"
	"plattr.dev/plattr/localdev/programs"
)

// TestFindTheRealOnes takes the programs of this machine, or downloads them through the registries' clients.
func TestFindTheRealOnes(t *testing.T) {
	t.Parallel()
	java, err := programs.Find(t.Context(), "java")
	testutil.Require(t, err == nil, fmt.Sprint(err))
	home := filepath.Dir(java.Dir)
	for _, e := range programs.Table() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			p, err := programs.Find(t.Context(), e.Name)
			testutil.Require(t, err == nil, fmt.Sprint(err))
			for _, name := range e.Executables {
				cmd := exec.CommandContext(t.Context(), p.Path(name), "--version")
				cmd.Env = append(os.Environ(), "JAVA_HOME="+home, "OPENSEARCH_JAVA_HOME="+home)
				out, err := cmd.Output()
				if err != nil || !strings.Contains(string(out), p.Version) {
					t.Errorf("%s says %q, %v; want %s", p.Path(name), out, err, p.Version)
				}
			}
		})
	}
}
