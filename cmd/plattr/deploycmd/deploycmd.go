// Package deploycmd is the `deploy` command.
package deploycmd

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"plattr.dev/plattr/cmd/plattr/internal/local"
	"plattr.dev/plattr/cmd/plattr/internal/remote"
	"plattr.dev/plattr/internal/cli"
	"plattr.dev/plattr/internal/deploy"
	"plattr.dev/plattr/internal/engine"
	"plattr.dev/plattr/internal/image"
)

type options struct {
	*cli.Session
	open            remote.Opener
	env, image, via string
	plan            bool
}

// New returns the `deploy` command.
func New(s *cli.Session, open remote.Opener) *cobra.Command {
	o := &options{Session: s, open: open}
	cmd := &cobra.Command{
		Use:   "deploy",
		Short: "Bring an image of the application into service in an environment",
		Long: "Bring an image of the application into service in an environment.\n\n" +
			"It makes what plattr.yaml asks for on the environment's servers, migrates the database, rolls out the image pod by pod,\n" +
			"waits until it serves and prints the address. A release that fails is set back: the one before goes on serving.\n" +
			"The same again changes nothing, and takes up what a killed run left. A tag is pinned to its digest.",
		Example: "  plattr deploy --env staging --image registry.example.com/shop@sha256:...\n" +
			"  plattr deploy --env staging --image registry.example.com/shop:main --plan\n" +
			"  plattr deploy --env production --image registry.example.com/shop@sha256:... --yes",
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context()) },
	}
	remote.AddFlag(cmd, &o.env, "`environment` of plattr.platform.yaml, or local for the cluster on this machine")
	cmd.Flags().StringVar(&o.image, "image", "", "the `image`, as REGISTRY/NAME@sha256:DIGEST; that of the release that serves if left out")
	cmd.Flags().BoolVar(&o.plan, "plan", false, "show what would change, and change nothing")
	cmd.Flags().StringVar(&o.via, "via", "cli", "`who` does it: cli, this program from here")
	_ = cmd.RegisterFlagCompletionFunc("via", cobra.FixedCompletions([]string{"cli"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (o *options) run(ctx context.Context) error {
	if o.via != "cli" {
		return cli.Usagef("--via: %q is not known: this version deploys by cli only", o.via)
	}
	if o.image != "" {
		if _, err := image.Parse(o.image); err != nil {
			return cli.Usagef("--image: %v", err)
		}
	}
	e, err := o.open(ctx, o.env, "plattr deploy")
	if err != nil {
		return err
	}
	if e.App.Release, err = o.release(ctx, e); err != nil {
		return fmt.Errorf("%s: %w", e.Label(), err)
	}
	if !o.plan {
		if err := e.Confirm(ctx, o.Session, "deploy "+e.App.Name+" "+image.Short(e.App.Release.Image)); err != nil {
			return err
		}
	}
	p, err := e.Platform(ctx, deploy.Wanted(e.App))
	if err != nil {
		return err
	}
	if o.plan {
		return o.show(ctx, e, p)
	}
	return o.apply(ctx, e, p)
}

// release is the image that was asked for, by digest. One that serves already is known; others are looked at.
func (o *options) release(ctx context.Context, e *remote.Environment) (deploy.Release, error) {
	live, serves, err := e.Deployer.Live(ctx, e.App, e.Bare)
	switch {
	case err != nil:
		return deploy.Release{}, err
	case serves && (o.image == "" || o.image == live.Image):
		return deploy.Release{Image: live.Image, User: live.User}, nil
	case o.image == "":
		return deploy.Release{}, cli.Usagef("--image is missing: nothing of %s serves in %s yet", e.App.Name, e.Name())
	}
	found, err := image.Resolve(ctx, o.image)
	return deploy.Release{Image: found.Reference, User: found.User}, err
}

// report is what `deploy -o json` prints.
type report struct {
	App         string         `json:"app"`
	Environment string         `json:"environment"`
	URL         string         `json:"url"`
	Release     string         `json:"release"`
	Image       string         `json:"image"`
	Before      string         `json:"before,omitempty"`
	Changes     map[string]int `json:"changes"`
	Drift       []engine.Drift `json:"drift,omitempty"`
	Plan        []step         `json:"plan,omitempty"`
	Seconds     float64        `json:"seconds"`
}

func newReport(e *remote.Environment, r deploy.Released, took time.Duration) report {
	return report{
		App: e.App.Name, Environment: e.Name(), URL: e.App.URL, Release: r.Record.ID, Image: r.Record.Image, Before: r.Before.Image,
		Changes: r.Changes, Drift: r.Drift, Seconds: took.Round(time.Millisecond).Seconds(),
	}
}

func (o *options) apply(ctx context.Context, e *remote.Environment, p deploy.Platform) error {
	began := time.Now()
	var res deploy.Released
	err := remote.Run(o.Session, e.Label(), func(events chan<- engine.Event) (err error) {
		res, err = e.Deployer.Release(ctx, e.App, p, deploy.ReleaseOptions{Options: deploy.Options{Events: events}, By: remote.By()})
		return err
	}, func() (string, string, string) {
		changes := local.Changes(res.Changes)
		if !res.Changed() {
			return e.App.Name + " is live, nothing changed", e.App.URL, ""
		}
		return e.App.Name + " is live", e.App.URL, changes
	})
	if err != nil {
		return fmt.Errorf("%s: %w", e.Label(), err)
	}
	for _, warning := range res.Warnings {
		o.Note(warning)
	}
	if !e.Answered(ctx) {
		o.Note("the ingress of the cluster does not answer for " + e.App.Host + " yet")
	}
	r := newReport(e, res, time.Since(began))
	return o.Print(r, func(w io.Writer) { fmt.Fprintln(w, r.URL) })
}

// step is one line of a plan.
type step struct {
	Operation string   `json:"operation"`
	Type      string   `json:"type"`
	Name      string   `json:"name"`
	Keys      []string `json:"keys,omitempty"`
	Drift     bool     `json:"drift,omitempty"`
}

// show prints what would change.
func (o *options) show(ctx context.Context, e *remote.Environment, p deploy.Platform) error {
	began := time.Now()
	var steps []step
	events, finished := engine.Forward(func(e engine.Event) { steps = add(steps, e) })
	res, err := e.Deployer.Release(ctx, e.App, p, deploy.ReleaseOptions{Options: deploy.Options{Events: events, Plan: true}, By: remote.By()})
	finished()
	if err != nil {
		return fmt.Errorf("%s: %w", e.Label(), err)
	}
	r := newReport(e, res, time.Since(began))
	r.Plan = steps
	return o.Print(r, func(w io.Writer) { write(w, e, res, steps) })
}

// add notes what an event would do.
func add(steps []step, e engine.Event) []step {
	s := step{Operation: string(e.Operation), Type: e.Type, Name: e.Name, Keys: e.Keys}
	switch {
	case e.Component || strings.HasPrefix(e.Type, "pulumi:"):
		return steps
	case e.Kind == engine.Drifted:
		s.Drift = true
	case e.Kind != engine.Started, e.Operation == engine.Same, e.Operation == engine.Refresh, e.Operation == engine.Read,
		e.Operation == engine.CreateReplacement, e.Operation == engine.DeleteReplaced:
		return steps
	}
	if slices.ContainsFunc(steps, func(o step) bool { return o.Type == s.Type && o.Name == s.Name && o.Drift == s.Drift }) {
		return steps
	}
	return append(steps, s)
}

func write(w io.Writer, e *remote.Environment, res deploy.Released, steps []step) {
	from := ""
	if res.Before.ID != "" && res.Before.Image != res.Record.Image {
		from = "from " + image.Short(res.Before.Image) + " to "
	}
	fmt.Fprintf(w, "%s  %s%s\n", e.Label(), from, image.Short(res.Record.Image))
	signs := map[string]string{
		string(engine.Create): "+", string(engine.Update): "~", string(engine.Delete): "-", string(engine.Replace): "±", string(engine.Import): "+",
	}
	rows := make([][]string, 0, len(steps))
	for _, s := range steps {
		sign, text := signs[s.Operation], strings.Join(s.Keys, ", ")
		if s.Drift {
			sign, text = "!", strings.TrimSpace("was deleted or changed outside plattr: it will be put right  "+text)
		}
		rows = append(rows, []string{"  " + sign, local.Noun(s.Type, s.Name), text})
	}
	cli.Table(w, rows)
	changes, same := 0, 0
	for what, n := range res.Changes {
		if what == engine.Unchanged {
			same = n
		} else {
			changes += n
		}
	}
	fmt.Fprintf(w, "  %s to change, %s unchanged\n", cli.Number(changes), cli.Number(same))
}
