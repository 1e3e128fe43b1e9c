package kubernetes

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"

	"plattr.dev/plattr/internal/kubeapi"
)

// TestNoValues holds that what is secret is in no error.
func TestNoValues(t *testing.T) {
	t.Parallel()
	secrets := secretsIn(resource.PropertyMap{"data": resource.MakeSecret(resource.NewObjectProperty(resource.PropertyMap{
		"a": resource.NewStringProperty("aHVudGVyMg=="), "b": resource.NewStringProperty("s3cr3t"),
	}))})
	for _, err := range []error{
		fmt.Errorf("refused: hunter2, s3cr3t and aHVudGVyMg=="),
		&plugin.InitError{Reasons: []string{"crashed with hunter2", "czNjcjN0"}},
	} {
		got := concealed(err, secrets).Error()
		for _, s := range []string{"hunter2", "s3cr3t", "aHVudGVyMg==", "czNjcjN0"} {
			if strings.Contains(got, s) {
				t.Errorf("%s is in %q", s, got)
			}
		}
	}
}

const kubeconfig = `{"apiVersion":"v1","kind":"Config","current-context":"one","clusters":[{"name":"c","cluster":{"server":"https://one.example"}}],
"users":[{"name":"u","user":{"token":"t0k3n"}}],"contexts":[{"name":"one","context":{"cluster":"c","user":"u","namespace":"team"}},
{"name":"lost","context":{"cluster":"gone","user":"u"}}]}`

func TestReach(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(file, []byte(kubeconfig), 0o600); err != nil {
		t.Fatal(err)
	}
	no := false
	cases := map[string]struct {
		settings  settings
		namespace string
		err       string
	}{
		"Content":    {settings{Kubeconfig: kubeconfig}, "team", ""},
		"Path":       {settings{Kubeconfig: file}, "team", ""},
		"Namespace":  {settings{Kubeconfig: kubeconfig, Namespace: "mine"}, "mine", ""},
		"Context":    {settings{Kubeconfig: kubeconfig, Context: "two"}, "", `context "two" is not in the given kubeconfig: it has lost, one`},
		"Cluster":    {settings{Kubeconfig: kubeconfig, Context: "lost"}, "", `context "lost" of the given kubeconfig means cluster "gone", which is not there`},
		"NoContext":  {settings{Kubeconfig: "{}\n"}, "", `the given kubeconfig has no current context: name one (it has none)`},
		"Missing":    {settings{Kubeconfig: file + "x"}, "", file + "x: file does not exist"},
		"Broken":     {settings{Kubeconfig: "{\n"}, "", "kubeconfig: "},
		"ClientSide": {settings{EnableServerSideApply: &no}, "", "only server-side apply"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, err := tc.settings.reach()
			if tc.err != "" {
				if err == nil || !strings.Contains(err.Error(), tc.err) {
					t.Errorf("error = %v, want %q", err, tc.err)
				}
				return
			}
			if err != nil || a.Namespace != tc.namespace || a.Config.Host != "https://one.example" || a.User != "u" {
				t.Errorf("%+v, %v", a, err)
			}
		})
	}
}

// TestShared holds that providers which mean the same cluster share its client, and others do not.
func TestShared(t *testing.T) {
	t.Parallel()
	clusters := NewClusters()
	get := func(s settings) *kubeapi.Cluster {
		a, err := s.reach()
		if err != nil {
			t.Fatal(err)
		}
		c, err := clusters.get(a)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	one := get(settings{Kubeconfig: kubeconfig})
	if get(settings{Kubeconfig: kubeconfig, Namespace: "other"}) != one {
		t.Error("another namespace made another client")
	}
	if get(settings{Kubeconfig: strings.ReplaceAll(kubeconfig, "t0k3n", "other")}) == one {
		t.Error("another token uses the same client")
	}
}
