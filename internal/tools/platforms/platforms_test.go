// Package platforms type-checks plattr for the systems that this machine is not, from source and without generating
// code: a cross build would compile every dependency again.
package platforms

import (
	"flag"
	"os"
	"strings"
	"testing"

	"golang.org/x/tools/go/packages"
)

var platforms = flag.Bool("platforms", false, "type-check for every other platform (takes minutes)")

func TestPlatforms(t *testing.T) {
	t.Parallel()
	if !*platforms {
		t.Skip("type-checking every dependency from source takes minutes: make platforms does it")
	}
	for _, target := range []string{"linux/arm64", "darwin/arm64"} {
		t.Run(target, func(t *testing.T) {
			t.Parallel()
			goos, goarch, _ := strings.Cut(target, "/")
			loaded, err := packages.Load(&packages.Config{
				Mode: packages.NeedName | packages.NeedFiles | packages.NeedImports | packages.NeedDeps |
					packages.NeedTypes | packages.NeedSyntax | packages.NeedTypesInfo,
				Dir: "../../..",
				Env: append(os.Environ(), "GOOS="+goos, "GOARCH="+goarch, "CGO_ENABLED=0"),
			}, "./...")
			if err != nil {
				t.Fatalf("load packages: %v", err)
			}
			packages.Visit(loaded, nil, func(p *packages.Package) {
				if !strings.HasPrefix(p.PkgPath, "plattr.dev/plattr") {
					return
				}
				for _, e := range p.Errors {
					t.Error(e)
				}
			})
		})
	}
}
