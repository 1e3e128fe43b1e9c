// Package testcmd is the `test` command.
package testcmd

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"plattr.dev/plattr/cmd/plattr/internal/local"
	"plattr.dev/plattr/internal/cli"
	"plattr.dev/plattr/internal/environ"
	"plattr.dev/plattr/internal/testrunner"
	"plattr.dev/plattr/localdev"
)

type options struct {
	*cli.Session
	open         local.Opener
	runner       string
	keep, shared bool
}

// New returns the `test` command.
func New(s *cli.Session, open local.Opener) *cobra.Command {
	o := &options{Session: s, open: open}
	cmd := &cobra.Command{
		Use:   "test [-- arguments of the test runner]",
		Short: "Run the application's tests on a copy of its data",
		Long: "Run the application's tests on a copy of its data.\n\n" +
			"It finds Vitest, Jest, the test script of package.json, RSpec, Minitest or go test, and runs it with the variables of the\n" +
			"environment file. The database is a clone of the migrated and seeded template, with a REST API of its own; buckets, Redis\n" +
			"and search begin empty; sign-in is the application's. All of it is dropped afterwards, and several runs at once do not\n" +
			"meet. The runner's output is unchanged, and its exit code is plattr's.",
		Example: "  plattr test\n  plattr test -- --reporter=dot\n  plattr test --runner go -- -run TestLogin -v",
		Args: func(cmd *cobra.Command, args []string) error {
			if cmd.ArgsLenAtDash() != 0 && len(args) > 0 {
				return cli.Usagef("arguments of the test runner come behind --: plattr test -- %s", strings.Join(args, " "))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), args) },
	}
	f := cmd.Flags()
	f.StringVar(&o.runner, "runner", "", "use this `runner`: "+strings.Join(names(), ", ")+" (default: what the project shows)")
	f.BoolVar(&o.keep, "keep", false, "leave the copy for a look at it; the next run drops it")
	f.BoolVar(&o.shared, "shared", false, "run on the data of plattr dev themselves, without a copy")
	_ = cmd.RegisterFlagCompletionFunc("runner", cobra.FixedCompletions(names(), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func names() []string {
	var out []string
	for _, n := range testrunner.Names() {
		out = append(out, string(n))
	}
	return out
}

// report is what `test -o json` prints.
type report struct {
	App     string   `json:"app"`
	Runner  string   `json:"runner"`
	Why     string   `json:"why"`
	Command []string `json:"command"`
	// Copy is what the tests ran on; empty with --shared. Kept says that it is still there.
	Copy         string `json:"copy,omitempty"`
	Kept         bool   `json:"kept"`
	Milliseconds int64  `json:"milliseconds"`
}

func (o *options) run(ctx context.Context, args []string) error {
	if o.runner != "" && !slices.Contains(names(), o.runner) {
		return cli.Usagef("--runner: %q is none of %s", o.runner, strings.Join(names(), ", "))
	}
	if o.keep && o.shared {
		return cli.Usagef("--keep and --shared: without a copy there is nothing to keep")
	}
	config, dir, err := local.Load(o.Session)
	if err != nil {
		return err
	}
	runner, err := testrunner.Detect(dir, string(config.Framework), testrunner.Name(o.runner))
	if err != nil {
		return err
	}
	app, err := o.open(ctx, "plattr test")
	if err != nil {
		return err
	}
	where, err := o.prepare(ctx, app)
	if err != nil {
		return fmt.Errorf("%s, local: %w", config.Name, err)
	}
	r := report{App: config.Name, Runner: string(runner.Name), Why: runner.Why, Copy: where.name, Kept: o.keep}
	args = runner.Args(args)
	r.Command = append(slices.Clone(runner.Command), args...)
	o.Infof("%s: %s (%s), on %s", config.Name, strings.TrimSuffix(strings.Join(r.Command, " "), " --"), runner.Why, where)
	began := time.Now()
	err = o.test(ctx, runner, dir, where.variables, args)
	r.Milliseconds = time.Since(began).Milliseconds()
	if err := errors.Join(err, where.done(context.WithoutCancel(ctx), o)); err != nil {
		return err
	}
	if o.Format == cli.Text {
		return nil
	}
	return o.Print(r, nil)
}

// test runs the runner. With -o json its output goes to standard error: the result is what is read.
func (o *options) test(ctx context.Context, runner testrunner.Runner, dir string, vars []environ.Variable, args []string) error {
	own := map[string]string{}
	for _, v := range vars {
		own[v.Name] = v.Value
	}
	out := o.Out
	if o.Format != cli.Text {
		out = o.Err
	}
	return runner.Run(ctx, dir, testrunner.Env(maps.Clone(own)), args, o.In, out, o.Err)
}

// place is what the tests run on.
type place struct {
	name      string // of the copy; empty: the application's own data
	variables []environ.Variable
	copied    *localdev.Copy
}

func (p place) String() string {
	if p.copied == nil {
		return "the data of plattr dev"
	}
	return "copy " + p.name
}

// prepare brings the application up, and makes the copy.
func (o *options) prepare(ctx context.Context, app *local.App) (place, error) {
	view := o.NewView()
	defer view.Close()
	watch := local.NewWatch(view, app.Config.Name+", local")
	if o.shared {
		res, err := app.Up(ctx, watch.Reports())
		watch.CloseQuietly(err)
		return place{variables: res.Variables}, err
	}
	c, err := app.Copy(ctx, watch.Reports(), localdev.Output{Stdout: o.Err, Stderr: o.Err, Progress: watch.Update})
	watch.CloseQuietly(err)
	if err != nil {
		return place{}, err
	}
	return place{name: c.Name, variables: c.Variables, copied: c}, nil
}

// done drops the copy, or says where it is.
func (p place) done(ctx context.Context, o *options) error {
	switch {
	case p.copied == nil:
		return nil
	case !o.keep:
		return p.copied.Drop(ctx)
	}
	p.copied.Keep()
	file, err := p.copied.WriteEnvFile()
	if err != nil {
		return err
	}
	o.Infof("kept %s until the next plattr test: . %s", p, local.Near(file))
	return nil
}
