package testutil

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// Kubeconfig is how to reach a cluster as somebody: the content of a file, and the file itself.
type Kubeconfig struct {
	Path, Content string

	kubectl string
}

// Kubectl runs kubectl and returns what it printed; its failure is the test's.
func (c Kubeconfig) Kubectl(t testing.TB, args ...string) string {
	t.Helper()
	out, err := c.TryKubectl(t, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TryKubectl runs kubectl, also in a clean-up, and returns what it printed, complaints included.
func (c Kubeconfig) TryKubectl(t testing.TB, args ...string) (string, error) {
	t.Helper()
	return c.run(t, "", args...)
}

// Apply applies manifests, by server-side apply.
func (c Kubeconfig) Apply(t testing.TB, manifests string) {
	t.Helper()
	if _, err := c.run(t, manifests, "apply", "--server-side", "-f", "-"); err != nil {
		t.Fatal(err)
	}
}

func (c Kubeconfig) run(t testing.TB, input string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), c.kubectl, args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+c.Path, "KUBECACHEDIR="+c.Path+".cache")
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return string(out), err
}
