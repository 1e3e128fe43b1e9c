// Package status is the `status` command.
package status

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"plattr.dev/plattr/cmd/plattr/internal/remote"
	"plattr.dev/plattr/internal/cli"
	"plattr.dev/plattr/internal/cluster"
	"plattr.dev/plattr/internal/kube"
)

// Cluster is what this command needs of a cluster.
type Cluster interface {
	Status(ctx context.Context, app kube.App) (cluster.Status, error)
}

// Environment is an application in an environment.
type Environment struct {
	App     kube.App
	Cluster Cluster
	// URL is the application's for browsers.
	URL string
	// Owners are whom the environment belongs to.
	Owners []string
	// Parts are those on servers: database, storage, sign-in, Redis, search. What of them cannot be found out is said in them,
	// and is no error. Nil means that there are none.
	Parts func(ctx context.Context) ([]cluster.Part, error)
}

// waitEvery is how often --wait looks.
const waitEvery = time.Second

// report is what `status -o json` prints.
type report struct {
	cluster.Status

	URL string `json:"url,omitempty"`
	// Owners are whom the environment belongs to, as plattr.platform.yaml says.
	Owners []string `json:"owners,omitempty"`
}

type options struct {
	*cli.Session
	open func(ctx context.Context, env string) (Environment, error)
	env  string
	wait bool
}

// New returns the `status` command. Open finds the application of plattr.yaml in an environment.
func New(s *cli.Session, open func(ctx context.Context, env string) (Environment, error)) *cobra.Command {
	o := &options{Session: s, open: open}
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show how the application is in an environment",
		Long: "Show how the application is in an environment.\n\n" +
			"It says what was observed at this moment: which image runs since when, with how many pods, each part of the application,\n" +
			"and in one line why a part is not ready. Database, storage, sign-in, Redis and search are asked themselves, for five\n" +
			"seconds at most: one that does not answer from here is unreachable, one whose credentials are not at hand unknown. The\n" +
			"phase is that of the pods. The exit code is 0 when that could be read, however it is; with --wait it is 1 unless the\n" +
			"application runs in the end.",
		Example: "  plattr status --env staging\n  plattr status --env staging --wait --timeout 5m\n  plattr status --env production -o json",
		Args:    cli.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context()) },
	}
	remote.AddLocalFlag(cmd, &o.env, "`environment` to look at")
	cmd.Flags().BoolVar(&o.wait, "wait", false, "wait until the application runs, or has failed")
	return cmd
}

func (o *options) run(ctx context.Context) error {
	env, err := o.open(ctx, o.env)
	if err != nil {
		return err
	}
	read := o.read
	if o.wait {
		read = o.await
	}
	r, err := read(ctx, env)
	if err != nil {
		return err
	}
	if err := o.Print(r, func(w io.Writer) { r.write(w, o.OutPaint(), o.Now()) }); err != nil {
		return err
	}
	if o.wait && r.Phase != cluster.Running {
		return &cli.ReportedError{Code: cli.ExitFailed} // the report says why
	}
	return nil
}

// read looks once: at the cluster and at the servers at the same time.
func (o *options) read(ctx context.Context, env Environment) (report, error) {
	var r report
	var parts []cluster.Part
	both, ctx := errgroup.WithContext(ctx)
	both.Go(func() (err error) {
		r, err = o.observe(ctx, env)
		return err
	})
	both.Go(func() (err error) {
		parts, err = o.ask(ctx, env)
		return err
	})
	if err := both.Wait(); err != nil {
		return report{}, err //nolint:wrapcheck // one of the above
	}
	r.Parts = append(parts, r.Parts...)
	return r, nil
}

// observe looks at the cluster.
func (o *options) observe(ctx context.Context, env Environment) (report, error) {
	s, err := env.Cluster.Status(ctx, env.App)
	if err != nil {
		return report{}, fmt.Errorf("look at %s in %s: %w", env.App.Name, o.env, err)
	}
	return report{Status: s, URL: env.URL, Owners: env.Owners}, nil
}

// ask looks at the servers.
func (o *options) ask(ctx context.Context, env Environment) ([]cluster.Part, error) {
	if env.Parts == nil {
		return nil, nil
	}
	parts, err := env.Parts(ctx)
	if err == nil {
		err = context.Cause(ctx) // what was broken off is no answer
	}
	if err != nil {
		return nil, fmt.Errorf("look at %s in %s: %w", env.App.Name, o.env, err)
	}
	return parts, nil
}

// await looks at the cluster again until the application is not on its way any more, then at the servers once: they do not
// change what is waited for.
func (o *options) await(ctx context.Context, env Environment) (report, error) {
	r, err := o.settled(ctx, env)
	if err != nil {
		return report{}, err
	}
	parts, err := o.ask(ctx, env)
	r.Parts = append(parts, r.Parts...)
	return r, err
}

func (o *options) settled(ctx context.Context, env Environment) (report, error) {
	const key = "wait"
	view := o.NewView()
	defer view.Close()
	view.Start(key, "", env.App.Name)
	for {
		r, err := o.observe(ctx, env)
		switch {
		case err != nil:
			view.Fail(key, err)
			return report{}, err
		case r.Phase == cluster.Running:
			view.Done(key, "runs", -1)
			return r, nil
		case r.Phase != cluster.Provisioning:
			view.Fail(key, fmt.Errorf("%s: %s", r.Phase, r.why()))
			return r, nil
		}
		view.Update(key, r.why())
		select {
		case <-ctx.Done():
			return report{}, fmt.Errorf("%s in %s does not run yet: %s: %w", env.App.Name, o.env, r.why(), context.Cause(ctx))
		case <-time.After(waitEvery):
		}
	}
}

// why is the reason that counts most: that of a part that failed, else of one that is waited for.
func (r report) why() string {
	for _, state := range []cluster.State{cluster.PartFailed, cluster.PartWaiting, cluster.PartAbsent} {
		for _, p := range r.Parts {
			if p.State == state && (p.Why != "" || state != cluster.PartAbsent) {
				return strings.ToLower(p.Name) + ": " + p.Why
			}
		}
	}
	return "it is not deployed"
}

// owner is what comes before whom the environment belongs to.
const owner = "Owner"

func (r report) write(w io.Writer, paint cli.Paint, now time.Time) {
	fmt.Fprintln(w, strings.Join(slices.DeleteFunc([]string{
		paint.Bold(r.Name) + "  " + r.Environment, paintPhase(paint, r.Phase), r.URL, r.release(now),
	}, func(s string) bool { return s == "" }), "   "))
	width, stateWidth := len(owner), len(cluster.PartWaiting)
	shown := slices.DeleteFunc(slices.Clone(r.Parts), func(p cluster.Part) bool {
		return p.Name == cluster.PartMigrations && p.State == cluster.PartAbsent // it has none
	})
	for _, p := range shown {
		width, stateWidth = max(width, len(p.Name)), max(stateWidth, len(p.State))
	}
	if len(r.Owners) > 0 {
		fmt.Fprintf(w, "  %-*s   %s\n", width, owner, cli.Clean(strings.Join(r.Owners, ", ")))
	}
	for _, p := range shown {
		text := strings.Join(slices.DeleteFunc([]string{p.Detail, p.Why}, func(s string) bool { return s == "" }), ": ")
		state := paintState(paint, p.State) + strings.Repeat(" ", max(0, stateWidth-len(p.State)))
		fmt.Fprintln(w, strings.TrimRight(fmt.Sprintf("  %-*s   %s   %s", width, p.Name, state, cli.Clean(text)), " "))
		for _, line := range p.Evidence {
			fmt.Fprintln(w, paint.Faint("    "+cli.Clean(line)))
		}
	}
}

// release is which image runs since when, and which one is to follow.
func (r report) release(now time.Time) string {
	var parts []string
	if r.Image != "" {
		text := short(r.Image)
		if r.Since != nil {
			layout := "15:04"
			if now.Sub(*r.Since) >= 24*time.Hour {
				layout = "2006-01-02 15:04"
			}
			text += fmt.Sprintf(" since %s (%s)", r.Since.In(now.Location()).Format(layout), age(now.Sub(*r.Since)))
		}
		parts = append(parts, text)
	}
	if r.NextImage != "" {
		parts = append(parts, "next "+short(r.NextImage))
	}
	return strings.Join(parts, ", ")
}

// age is how long something has lasted, as people say it: 40s, 12m, 3h, 5d.
func age(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", max(0, int(d.Seconds())))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}

// short is a digest as people see it, or the name of an image that has none.
func short(image string) string {
	if _, digest, ok := strings.Cut(image, "@sha256:"); ok {
		return digest[:min(7, len(digest))] + "…"
	}
	return image[strings.LastIndexByte(image, '/')+1:]
}

func paintPhase(paint cli.Paint, p cluster.Phase) string {
	switch p {
	case cluster.Running:
		return paint.Green(string(p))
	case cluster.Failed:
		return paint.Red(string(p))
	default:
		return paint.Yellow(string(p))
	}
}

func paintState(paint cli.Paint, s cluster.State) string {
	switch s {
	case cluster.PartReady:
		return paint.Green(string(s))
	case cluster.PartFailed:
		return paint.Red(string(s))
	default:
		return paint.Yellow(string(s))
	}
}
