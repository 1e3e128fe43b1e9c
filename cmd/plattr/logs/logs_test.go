package logs_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plattr.dev/plattr/cmd/plattr/logs"
	"plattr.dev/plattr/internal/cli"
	"plattr.dev/plattr/internal/cluster"
	"plattr.dev/plattr/internal/kube"
)

type logsFunc func(context.Context, kube.App, cluster.LogOptions, func(cluster.Line)) error

func (f logsFunc) Logs(ctx context.Context, app kube.App, o cluster.LogOptions, out func(cluster.Line)) error {
	return f(ctx, app, o, out)
}

func execute(t *testing.T, streams cli.Streams, f logsFunc, args ...string) error {
	t.Helper()
	s := cli.NewSession(streams)
	cmd := logs.New(s, func(context.Context, string) (logs.Environment, error) {
		return logs.Environment{App: kube.App{Name: "board"}, Cluster: f}, nil
	})
	s.AddFlags(cmd.Flags())
	cmd.SetArgs(args)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	return cmd.ExecuteContext(t.Context())
}

func lines(several bool) []cluster.Line {
	at := time.Date(2026, 3, 4, 14, 2, 0, 5, time.FixedZone("there", 3600))
	return []cluster.Line{
		{Time: at, Pod: "board-1", Container: "board", Text: "one \x1b[31mred\x1b[2J", Several: several},
		{Time: at, Pod: "board-2", Container: "postgrest", Text: "two", Several: several},
	}
}

// TestPrint holds how lines look: with names where there are several, raw for programs and harmless for terminals.
func TestPrint(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		several, terminal, color bool
		args                     []string
		want                     string
	}{
		"One":      {false, false, false, nil, "one \x1b[31mred\x1b[2J\ntwo\n"},
		"Several":  {true, false, true, nil, "board-1  one \x1b[31mred\x1b[2J\nboard-2/postgrest  two\n"},
		"Terminal": {true, true, true, nil, "\x1b[36mboard-1\x1b[0m  one \x1b[31mred[2J\x1b[0m\n\x1b[32mboard-2/postgrest\x1b[0m  two\n"},
		"NoColor":  {true, true, false, nil, "board-1  one red[2J\nboard-2/postgrest  two\n"},
		"JSON": {true, false, false, []string{"-o", "json"}, `{"time":"2026-03-04T13:02:00.000000005Z","pod":"board-1","container":"board","text":"one \u001b[31mred\u001b[2J"}
{"time":"2026-03-04T13:02:00.000000005Z","pod":"board-2","container":"postgrest","text":"two"}
`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			streams, out, _ := cli.Test("")
			streams.OutTerminal, streams.Color = tc.terminal, tc.color
			err := execute(t, streams, func(_ context.Context, _ kube.App, _ cluster.LogOptions, give func(cluster.Line)) error {
				for _, l := range lines(tc.several) {
					give(l)
				}
				return nil
			}, tc.args...)
			if diff := cmp.Diff(tc.want, out.String()); err != nil || diff != "" {
				t.Error(err, diff)
			}
		})
	}
}

func TestFlags(t *testing.T) {
	t.Parallel()
	var got cluster.LogOptions
	streams, _, _ := cli.Test("")
	err := execute(t, streams, func(_ context.Context, _ kube.App, o cluster.LogOptions, _ func(cluster.Line)) error {
		got = o
		return nil
	}, "-f", "--since", "1m", "--container", "rest", "--tail", "0")
	if err != nil || !got.Follow || got.Since != time.Minute || got.Container != "rest" || got.Tail == nil || *got.Tail != 0 {
		t.Errorf("%+v, %v", got, err)
	}
	for _, args := range [][]string{{"--since", "-1s"}, {"-f", "--previous"}, {"-o", "yaml"}, {"--container", "web"}} {
		err := execute(t, streams, func(context.Context, kube.App, cluster.LogOptions, func(cluster.Line)) error {
			return &cluster.ContainerError{Name: "web"}
		}, args...)
		var usage *cli.UsageError
		if !errors.As(err, &usage) {
			t.Errorf("%v: %v", args, err)
		}
	}
}

type closed struct{}

func (closed) Write([]byte) (int, error) { return 0, errors.New("closed") }

// TestClosed holds that it ends when nobody reads any more.
func TestClosed(t *testing.T) {
	t.Parallel()
	streams, _, _ := cli.Test("")
	streams.Out = closed{}
	err := execute(t, streams, func(ctx context.Context, _ kube.App, _ cluster.LogOptions, give func(cluster.Line)) error {
		give(lines(false)[0])
		<-ctx.Done()
		return nil
	}, "-f")
	if err == nil || !strings.Contains(err.Error(), "print the logs: closed") {
		t.Error(err)
	}
}
