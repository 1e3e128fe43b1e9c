package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"plattr.dev/plattr/internal/cli"
	"plattr.dev/plattr/internal/testutil"
)

//go:generate go test . -run ^TestReference$ -update

const reference = "../../docs/reference.md"

// TestReference holds docs/reference.md equal to what --help says.
func TestReference(t *testing.T) {
	t.Parallel()
	streams, _, _ := cli.Test("")
	root := newRoot(cli.NewSession(streams))
	var b strings.Builder
	b.WriteString("# Commands\n\nWritten by `make generate` from the commands' own help.\n\nEvery command takes:\n\n```\n" +
		root.PersistentFlags().FlagUsages() + "```\n")
	walk(root, func(c *cobra.Command) {
		if c.Hidden || c.Name() == "help" || c.Long == "" || c == root {
			return
		}
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n```\n%s\n```\n", c.CommandPath(), strings.TrimSpace(c.Long), c.Example)
		if flags := c.LocalNonPersistentFlags(); flags.HasAvailableFlags() {
			fmt.Fprintf(&b, "\n```\n%s```\n", flags.FlagUsages())
		}
	})
	if testutil.Update() {
		if err := os.WriteFile(reference, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(reference)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(got), b.String()); diff != "" {
		t.Errorf("docs/reference.md is not what the commands say: run make generate (-file +commands):\n%s", diff)
	}
}
