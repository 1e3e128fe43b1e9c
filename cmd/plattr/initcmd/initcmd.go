// Package initcmd is the `init` command: it describes an application in a new
// plattr.yaml, by questions on a terminal and by flags in scripts.
package initcmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"plattr.dev/plattr/internal/cli"
	"plattr.dev/plattr/internal/config"
)

// flags are what the command line says; changed tells a flag that was given
// from its default.
type flags struct {
	name      string
	framework string
	database  bool
	storage   []string
	auth      bool
	redis     bool
	search    bool
	changed   func(name string) bool
}

type options struct {
	*cli.Session
	flags flags
}

// report is what `init -o json` prints.
type report struct {
	Name      string `json:"name"`
	Framework string `json:"framework"`
	Evidence  string `json:"evidence,omitempty"`
	Files     []file `json:"files"`
	Next      string `json:"next"`
}

// New returns the `init` command.
func New(s *cli.Session) *cobra.Command {
	o := &options{Session: s}
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Describe an application in a new plattr.yaml",
		Long: "Describe an application in a new plattr.yaml.\n\n" +
			"On a terminal it asks; in scripts pass --yes and the flags. The framework is detected. A second run shows what\n" +
			"would change in the file and asks; it adds buckets and switches services, and leaves your comments alone.",
		Example: "  plattr init\n  plattr init --yes --name shop --framework docker --database --storage uploads,invoices",
		Args:    cli.NoArgs,
	}
	o.flags.add(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		o.flags.changed = cmd.Flags().Changed
		return o.run(cmd.Context())
	}
	_ = cmd.RegisterFlagCompletionFunc("framework", cobra.FixedCompletions(frameworks(), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (f *flags) add(fs *pflag.FlagSet) {
	fs.StringVar(&f.name, "name", "", "`name` of the application (default: the directory's)")
	fs.StringVar(&f.framework, "framework", "", "how it is built: "+strings.Join(frameworks(), ", ")+" (default: detected)")
	fs.BoolVar(&f.database, "database", false, "PostgreSQL with a REST API")
	fs.StringSliceVar(&f.storage, "storage", nil, "object storage with these `buckets`, as uploads,invoices")
	fs.BoolVar(&f.auth, "auth", false, "sign-in")
	fs.BoolVar(&f.redis, "redis", false, "Redis")
	fs.BoolVar(&f.search, "search", false, "search")
}

func frameworks() []string {
	return []string{
		string(config.NextJS), string(config.Rails), string(config.Static), string(config.Docker), string(config.Go),
	}
}

// run reads what is there, asks or takes the flags, and writes all files at
// the end: whatever goes wrong before that changes nothing.
func (o *options) run(ctx context.Context) error {
	path, err := o.path()
	if err != nil {
		return err
	}
	before, err := read(path)
	if err != nil {
		return err
	}
	want, evidence, err := o.start(path, before)
	if err != nil {
		return err
	}
	if err := o.decide(ctx, &want, evidence); err != nil {
		return err
	}
	return o.write(ctx, path, before, want, evidence)
}

// write compares what is there with what is wanted, asks before it changes the
// application's file, and writes.
func (o *options) write(ctx context.Context, path string, before []byte, want config.Options, evidence string) error {
	after, err := text(before, want)
	if err != nil {
		return flagError(err)
	}
	plan, err := planFiles(path, before, after)
	if err != nil {
		return err
	}
	if before != nil && string(before) != string(after) {
		o.showDiff(before, after)
		if err := o.Confirm(ctx, "change "+path); err != nil {
			return err
		}
	}
	files, err := apply(plan)
	if err != nil {
		return err
	}
	return o.done(want, evidence, files)
}

// path returns where the file is or will be: parents are not searched, a new
// application begins here.
func (o *options) path() (string, error) {
	at := o.App
	if at == "" {
		at = "."
	}
	info, err := os.Stat(at)
	switch {
	case err == nil && info.IsDir():
		return filepath.Join(at, config.FileName), nil
	case err == nil, strings.HasSuffix(at, ".yaml"):
		return at, nil
	default:
		return "", cli.Usagef("--app: %v", err)
	}
}

// read returns the file's content, nil where there is none.
func read(path string) ([]byte, error) {
	raw, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("init: %w", err)
	}
	if raw == nil {
		raw = []byte{}
	}
	return raw, nil
}

// start returns what the file, the flags and the project say, before anybody
// is asked.
func (o *options) start(path string, before []byte) (config.Options, string, error) {
	var want config.Options
	if before != nil {
		app, err := config.Parse(path, before)
		if err != nil {
			return want, "", err
		}
		want = config.OptionsOf(app)
	}
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return want, "", fmt.Errorf("init: %w", err)
	}
	if want.Name == "" {
		want.Name = nameFrom(filepath.Base(dir))
	}
	o.flags.apply(&want)
	if want.Framework != "" {
		return want, "", nil
	}
	framework, evidence, err := config.DetectFramework(dir)
	if err != nil && !errors.Is(err, config.ErrNotDetected) {
		return want, "", fmt.Errorf("init: %w", err)
	}
	want.Framework = framework
	return want, evidence, nil
}

// apply puts the flags that were given over what is there.
func (f *flags) apply(want *config.Options) {
	if f.changed("name") {
		want.Name = f.name
	}
	if f.changed("framework") {
		want.Framework = config.Framework(f.framework)
	}
	for name, set := range map[string]struct{ from, to *bool }{
		"database": {&f.database, &want.Database}, "auth": {&f.auth, &want.Auth},
		"redis": {&f.redis, &want.Redis}, "search": {&f.search, &want.Search},
	} {
		if f.changed(name) {
			*set.to = *set.from
		}
	}
	if f.changed("storage") {
		want.Storage = true
		want.Buckets = f.storage
	}
}

// decide asks on a terminal, and checks in a script that there is enough to go
// on.
func (o *options) decide(ctx context.Context, want *config.Options, evidence string) error {
	if evidence != "" {
		o.Infof("  %s: framework %s", evidence, want.Framework)
	}
	if !o.Yes {
		return o.ask(ctx, want)
	}
	if want.Framework == "" {
		return cli.Usagef("no framework found in this directory: add --framework with one of %s",
			strings.Join(frameworks(), ", "))
	}
	return nil
}

// text returns the new content of the file. What is wrong with it comes from
// the flags or the answers: a file that was wrong before is refused earlier.
func text(before []byte, want config.Options) ([]byte, error) {
	if before == nil {
		return config.NewFile(want)
	}
	return config.Update(before, want)
}

// flagError names the flags where the problem is one of the file that would be
// written.
func flagError(err error) error {
	var invalid *config.Error
	if !errors.As(err, &invalid) {
		return fmt.Errorf("init: %w", err)
	}
	lines := make([]string, len(invalid.Problems))
	for i, p := range invalid.Problems {
		name, _, _ := strings.Cut(p.Path, ".")
		lines[i] = "--" + name + ": " + p.Message
	}
	return cli.Usagef("%s", strings.Join(lines, "\n"))
}

// done prints what was written.
func (o *options) done(want config.Options, evidence string, files []file) error {
	r := report{
		Name: want.Name, Framework: string(want.Framework), Evidence: evidence,
		Files: files, Next: "plattr dev",
	}
	if r.Files == nil {
		r.Files = []file{}
	}
	return o.Print(r, func(w io.Writer) {
		if len(files) == 0 {
			fmt.Fprintln(w, "nothing to change")
			return
		}
		rows := make([][]string, len(files))
		for i, f := range files {
			rows[i] = []string{"  " + f.Action, f.Path, f.Detail}
		}
		cli.Table(w, rows)
		fmt.Fprintln(w, "\nNext: "+r.Next)
	})
}

// nameFrom makes a name that plattr.yaml accepts of a directory's name.
func nameFrom(dir string) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		default:
			return '-'
		}
	}, strings.ToLower(dir))
	for strings.Contains(name, "--") {
		name = strings.ReplaceAll(name, "--", "-")
	}
	return strings.Trim(strings.TrimLeft(name, "-0123456789"), "-")
}
