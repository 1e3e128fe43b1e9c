// Package logs is the `logs` command.
package logs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"plattr.dev/plattr/cmd/plattr/internal/remote"
	"plattr.dev/plattr/internal/cli"
	"plattr.dev/plattr/internal/cluster"
	"plattr.dev/plattr/internal/kube"
)

// Cluster is what this command needs of a cluster.
type Cluster interface {
	Logs(ctx context.Context, app kube.App, o cluster.LogOptions, out func(cluster.Line)) error
}

// Environment is an application in an environment.
type Environment struct {
	App     kube.App
	Cluster Cluster
}

type options struct {
	*cli.Session
	open func(ctx context.Context, env string) (Environment, error)
	env  string
	tail int
	logs cluster.LogOptions
}

// New returns the `logs` command. Open finds the application of plattr.yaml in an environment.
func New(s *cli.Session, open func(ctx context.Context, env string) (Environment, error)) *cobra.Command {
	o := &options{Session: s, open: open, tail: -1}
	cmd := &cobra.Command{
		Use:   "logs",
		Short: "Print what the application writes in an environment",
		Long: "Print what the application writes in an environment.\n\n" +
			"The lines of all its pods come in order of time; where there are several, each begins with its pod. With -f it goes on\n" +
			"over restarts and rollouts until Ctrl-C. -o json prints an object for each line: time, pod, container and text.",
		Example: "  plattr logs --env staging -f --since 1m\n  plattr logs --env staging --previous\n" +
			"  plattr logs --env staging --container migrate",
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context()) },
	}
	f := cmd.Flags()
	remote.AddLocalFlag(cmd, &o.env, "`environment` to look at")
	f.BoolVarP(&o.logs.Follow, "follow", "f", false, "go on with what comes, until Ctrl-C")
	f.DurationVar(&o.logs.Since, "since", 0, "only what is younger than this `time`, as 30s or 2h (default: all)")
	f.StringVar(&o.logs.Container, "container", cluster.LogsApp, "`whose` lines: app, rest, keys, all, or migrate for the last migration")
	f.BoolVar(&o.logs.Previous, "previous", false, "what ran before the last restart")
	f.IntVar(&o.tail, "tail", o.tail, "only the last `lines` of each pod (default: all)")
	_ = cmd.RegisterFlagCompletionFunc("container", cobra.FixedCompletions(cluster.LogContainers(), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (o *options) run(ctx context.Context) error {
	switch {
	case o.Format == cli.YAML:
		return cli.Usagef("-o yaml: lines are printed as text or json")
	case o.logs.Since < 0:
		return cli.Usagef("--since: %s is not a time that has passed, as 30s or 2h", o.logs.Since)
	case o.logs.Follow && o.logs.Previous:
		return cli.Usagef("--follow and --previous: what ran before the last restart is over")
	}
	if o.tail >= 0 {
		o.logs.Tail = &o.tail
	}
	env, err := o.open(ctx, o.env)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	write := o.text(env.App)
	if o.Format == cli.JSON {
		write = asJSON
	}
	err = env.Cluster.Logs(ctx, env.App, o.logs, func(line cluster.Line) {
		if err := write(o.Out, line); err != nil {
			stop(fmt.Errorf("print the logs: %w", err)) // nobody reads them any more
		}
	})
	var unknown *cluster.ContainerError
	if errors.As(err, &unknown) {
		return cli.Usagef("--container: %v", err)
	}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	return err
}

func asJSON(w io.Writer, line cluster.Line) error {
	line.Time = line.Time.UTC()
	return json.NewEncoder(w).Encode(line) //nolint:wrapcheck // whoever writes says what
}

// text returns what writes lines for people: with the names of pods, in colours of their own, where there are several.
func (o *options) text(app kube.App) func(io.Writer, cluster.Line) error {
	paint, seen := o.OutPaint(), map[string]int{}
	return func(w io.Writer, line cluster.Line) error {
		name := line.Pod
		if line.Container != app.Name {
			name += "/" + line.Container
		}
		if _, ok := seen[name]; !ok {
			seen[name] = len(seen)
		}
		prefix := ""
		if line.Several {
			prefix = paint.Nth(seen[name], name) + "  "
		}
		text := line.Text
		if o.OutTerminal {
			text = cli.CleanColored(text, o.Color)
		}
		_, err := fmt.Fprintln(w, prefix+text)
		return err //nolint:wrapcheck // whoever writes says what
	}
}
