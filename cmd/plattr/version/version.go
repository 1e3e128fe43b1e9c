// Package version is the `version` command.
package version

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"plattr.dev/plattr/internal/cli"
)

// info is what `version -o json` prints.
type info struct {
	Version  string            `json:"version"`
	Commit   string            `json:"commit,omitempty"`
	Time     string            `json:"time,omitempty"`
	Modified bool              `json:"modified,omitempty"`
	Go       string            `json:"go"`
	Platform string            `json:"platform"`
	Engine   map[string]string `json:"engine"`
}

// New returns the `version` command. build reads what the linker left in the
// binary.
func New(s *cli.Session, build func() (*debug.BuildInfo, bool)) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of plattr and of the engine in it",
		Long: "Print the version of plattr and of the engine in it.\n\n" +
			"The engine is linked into the program: nothing else has to be installed.",
		Example: "  plattr version\n  plattr version -o json",
		Args:    cli.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			i := read(build)
			return s.Print(i, func(w io.Writer) { write(w, i) })
		},
	}
}

// parts are the modules whose version matters to a user, by the name that the
// user knows.
func parts() map[string]string {
	return map[string]string{
		"github.com/pulumi/pulumi/pkg/v3": "pulumi",
		"github.com/pressly/goose/v3":     "goose",
		"github.com/versity/versitygw":    "versitygw",
	}
}

func read(build func() (*debug.BuildInfo, bool)) info {
	i := info{
		Version: "(devel)", Go: runtime.Version(),
		Platform: runtime.GOOS + "/" + runtime.GOARCH, Engine: map[string]string{},
	}
	b, ok := build()
	if !ok {
		return i
	}
	if b.Main.Version != "" {
		i.Version = b.Main.Version
	}
	for _, setting := range b.Settings {
		switch setting.Key {
		case "vcs.revision":
			i.Commit = setting.Value
		case "vcs.time":
			i.Time = setting.Value
		case "vcs.modified":
			i.Modified = setting.Value == "true"
		}
	}
	for _, module := range b.Deps {
		if name := parts()[module.Path]; name != "" {
			i.Engine[name] = strings.TrimPrefix(module.Version, "v")
		}
	}
	return i
}

func write(w io.Writer, i info) {
	line := "plattr " + i.Version
	if len(i.Commit) > 7 {
		line += " (" + i.Commit[:7] + ")"
	}
	rows := [][]string{{"  platform", i.Platform}, {"  go", strings.TrimPrefix(i.Go, "go")}}
	for _, name := range []string{"pulumi", "goose", "versitygw"} {
		if v := i.Engine[name]; v != "" {
			rows = append(rows, []string{"  " + name, v})
		}
	}
	fmt.Fprintln(w, line)
	cli.Table(w, rows)
}
