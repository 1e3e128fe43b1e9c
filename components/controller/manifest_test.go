package controller_test

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"sigs.k8s.io/yaml"

	"plattr.dev/plattr/components/controller"
	"plattr.dev/plattr/internal/testutil"
)

const manifestHead = `# The ingress controller of Kind clusters in tests: what components/controller declares, as its tests with -update write it.
apiVersion: v1
kind: Namespace
metadata:
  name: ingress
`

// TestManifest holds that clusters of tests get the controller that is declared here, by kubectl.
func TestManifest(t *testing.T) {
	t.Parallel()
	const file = "../../internal/tools/kind/ingress.yaml"
	m := &manifest{}
	err := pulumi.RunErr(func(ctx *pulumi.Context) error {
		_, err := controller.New(ctx, "it", &controller.Args{Image: testutil.Registry + "/traefik:3.6", Namespace: "ingress", NodePort: 80})
		return err
	}, pulumi.WithMocks("plattr", "test", m))
	if err != nil {
		t.Fatal(err)
	}
	got := m.yaml(t)
	if testutil.Update() {
		if err := os.WriteFile(file, got, 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("run the test with -update if this is meant (-want +got):\n%s", diff)
	}
}

// manifest records the objects of a program.
type manifest struct {
	mu      sync.Mutex
	objects []map[string]any
}

func (m *manifest) Call(args pulumi.MockCallArgs) (resource.PropertyMap, error) {
	return nil, fmt.Errorf("unexpected call of %s", args.Token)
}

func (m *manifest) NewResource(args pulumi.MockResourceArgs) (string, resource.PropertyMap, error) {
	if args.Custom {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.objects = append(m.objects, args.Inputs.Mappable())
	}
	return args.Name, args.Inputs, nil
}

// yaml is a document per object, in an order of its own: that in which they were declared is not the same every time.
func (m *manifest) yaml(t *testing.T) []byte {
	t.Helper()
	name := func(o map[string]any) string {
		return fmt.Sprint(o["kind"], " ", o["metadata"].(map[string]any)["name"])
	}
	slices.SortFunc(m.objects, func(a, b map[string]any) int { return cmp.Compare(name(a), name(b)) })
	out := bytes.NewBufferString(manifestHead)
	for _, o := range m.objects {
		delete(o["metadata"].(map[string]any), "annotations") // Pulumi's
		raw, err := yaml.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		out.WriteString("---\n" + strings.TrimSpace(string(raw)) + "\n")
	}
	return out.Bytes()
}
