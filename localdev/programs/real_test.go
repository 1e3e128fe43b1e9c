package programs_test

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"plattr.dev/plattr/internal/testutil"
	"plattr.dev/plattr/localdev/programs"
)

// TestFindTheRealOnes takes the programs of this machine, or downloads them through the registries' clients.
func TestFindTheRealOnes(t *testing.T) {
	t.Parallel()
	for _, e := range programs.Table() {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			p, err := programs.Find(t.Context(), e.Name)
			testutil.Require(t, err == nil, fmt.Sprint(err))
			for _, name := range e.Executables {
				out, err := exec.CommandContext(t.Context(), p.Path(name), "--version").Output()
				if err != nil || !strings.Contains(string(out), p.Version) {
					t.Errorf("%s says %q, %v; want %s", p.Path(name), out, err, p.Version)
				}
			}
		})
	}
}
