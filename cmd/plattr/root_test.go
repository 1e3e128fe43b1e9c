package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"plattr.dev/plattr/internal/cli"
)

// TestEveryCommandExplainsItself walks the whole tree: help that begins with a
// sentence, an example with the command in it, and a text for each flag.
func TestEveryCommandExplainsItself(t *testing.T) {
	t.Parallel()
	streams, _, _ := cli.Test("")
	walk(newRoot(cli.NewSession(streams)), func(c *cobra.Command) {
		path := c.CommandPath()
		if c.Name() == "help" || c.Hidden {
			return
		}
		if c.Short == "" || strings.HasSuffix(c.Short, ".") {
			t.Errorf("%s: Short %q must be a line without a full stop", path, c.Short)
		}
		if c.Runnable() && !c.HasSubCommands() && !strings.HasPrefix(c.Long, c.Short+".\n\n") {
			t.Errorf("%s: Long must begin with the sentence of Short and say more", path)
		}
		if !strings.Contains(c.Example, "plattr") {
			t.Errorf("%s has no example", path)
		}
		if c.Args == nil {
			t.Errorf("%s does not check its arguments", path)
		}
		c.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
			if f.Usage == "" {
				t.Errorf("%s: --%s is not described", path, f.Name)
			}
		})
	})
}

// TestExamplesParse runs the flag parser of each example: it must name a
// command and flags that exist.
func TestExamplesParse(t *testing.T) {
	t.Parallel()
	streams, _, _ := cli.Test("")
	walk(newRoot(cli.NewSession(streams)), func(c *cobra.Command) {
		for line := range strings.Lines(c.Example) {
			fields := strings.Fields(strings.TrimSpace(line))
			if len(fields) < 2 || fields[0] != "plattr" {
				continue
			}
			root := newRoot(cli.NewSession(streams))
			found, rest, err := root.Find(cut(fields[1:]))
			if err == nil {
				err = found.ParseFlags(rest)
			}
			if err == nil && found.Args != nil {
				err = found.Args(found, found.Flags().Args())
			}
			if err != nil {
				t.Errorf("%s: the example %q does not parse: %v", c.CommandPath(), line, err)
			}
		}
	})
}

// cut takes off what belongs to the shell, and the quotes around SQL.
func cut(fields []string) []string {
	for i, f := range fields {
		if strings.HasPrefix(f, ">") || strings.HasPrefix(f, "<") || f == "|" || f == "#" {
			return fields[:i]
		}
		if strings.HasPrefix(f, "'") {
			return append(fields[:i:i], "quoted")
		}
	}
	return fields
}

// TestBadInput gives every command an argument and a flag that it does not
// know.
func TestBadInput(t *testing.T) {
	t.Parallel()
	streams, _, _ := cli.Test("")
	walk(newRoot(cli.NewSession(streams)), func(c *cobra.Command) {
		if c.Name() == "help" || c.Hidden {
			return
		}
		words := strings.Fields(c.CommandPath())[1:]
		for _, bad := range [][]string{{"--no-such-flag"}, {"-o", "xml"}, {"--timeout", "soon"}, {"--timeout=-1s"}} {
			refused(t, append(words[:len(words):len(words)], bad...))
		}
		if c.Args(c, []string{"a", "b", "c"}) != nil {
			refused(t, append(words[:len(words):len(words)], "a", "b", "c"))
		}
	})
}

func refused(t *testing.T, args []string) {
	t.Helper()
	streams, out, _ := cli.Test("")
	err := execute(t.Context(), cli.NewSession(streams), args)
	var usage *cli.UsageError
	if !errors.As(err, &usage) || out.Len() > 0 {
		t.Errorf("plattr %s: want a usage error and nothing on stdout, got %v and %q", strings.Join(args, " "), err, out)
	}
}

func walk(c *cobra.Command, visit func(*cobra.Command)) {
	visit(c)
	for _, child := range c.Commands() {
		walk(child, visit)
	}
}
