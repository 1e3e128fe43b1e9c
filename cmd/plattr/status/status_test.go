package status_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plattr.dev/plattr/cmd/plattr/status"
	"plattr.dev/plattr/internal/cli"
	"plattr.dev/plattr/internal/cluster"
	"plattr.dev/plattr/internal/kube"
)

type statusFunc func(context.Context, kube.App) (cluster.Status, error)

func (f statusFunc) Status(ctx context.Context, app kube.App) (cluster.Status, error) {
	return f(ctx, app)
}

func now() time.Time { return time.Date(2026, 3, 4, 14, 14, 30, 0, time.UTC) }

func observed(phase cluster.Phase, parts ...cluster.Part) cluster.Status {
	since := now().Add(-12*time.Minute - 30*time.Second)
	return cluster.Status{
		Name: "board", Namespace: "staging", Environment: "staging", Phase: phase,
		Image: "r/board@sha256:9f2c3ab" + strings.Repeat("0", 57), Since: &since, Pods: cluster.Pods{Ready: 3, Updated: 3, Desired: 3, Min: 2, Max: 20},
		Parts: parts,
	}
}

// database is a part on a server.
func database() cluster.Part {
	return cluster.Part{
		Name: cluster.PartDatabase, State: cluster.PartReady, Detail: "staging_board, head 005_index",
		Database: &cluster.Database{Schema: "staging_board", Head: "005_index", Migrations: 5},
	}
}

// run runs the command on a cluster whose answers follow each other; the last one stays.
func run(t *testing.T, answers []cluster.Status, args ...string) (out string, err error) {
	t.Helper()
	return runWith(t, status.Environment{
		Parts: func(context.Context) ([]cluster.Part, error) { return []cluster.Part{database()}, nil },
	}, answers, args...)
}

// runWith is run in an environment with parts and owners.
func runWith(t *testing.T, in status.Environment, answers []cluster.Status, args ...string) (out string, err error) {
	t.Helper()
	streams, stdout, _ := cli.Test("")
	s := cli.NewSession(streams)
	s.Now = now
	asked := 0
	cmd := status.New(s, func(_ context.Context, env string) (status.Environment, error) {
		if env != "staging" {
			return status.Environment{}, errors.New("environment " + env)
		}
		in.App, in.URL = kube.App{Name: "board", Namespace: "staging", Environment: "staging"}, "https://board.staging.example.dev"
		in.Cluster = statusFunc(func(context.Context, kube.App) (cluster.Status, error) {
			asked++
			return answers[min(asked, len(answers))-1], nil
		})
		return in, nil
	})
	s.AddFlags(cmd.Flags())
	cmd.SetArgs(args)
	cmd.SetOut(streams.Out)
	cmd.SetErr(streams.Err)
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	err = cmd.ExecuteContext(t.Context())
	return stdout.String(), err
}

func TestText(t *testing.T) {
	t.Parallel()
	ready := cluster.Part{Name: cluster.PartWorkload, State: cluster.PartReady, Detail: "3 of 3 pods (2-20), 34 % CPU"}
	next := observed(cluster.Failed, cluster.Part{
		Name: cluster.PartWorkload, State: cluster.PartFailed, Detail: "0 of 2 pods", Why: "container board crashes: exit code 1: at x",
		Evidence: []string{"Error: no \x1b[31mmodule", "at x"},
	})
	next.NextImage, next.Image, next.Since = next.Image, "", nil
	cases := map[string]struct {
		status cluster.Status
		want   string
	}{
		"Running": {observed(cluster.Running, ready, cluster.Part{Name: cluster.PartMigrations, State: cluster.PartAbsent},
			cluster.Part{Name: cluster.PartIngress, State: cluster.PartWaiting, Why: "certificate not issued yet"}), `
board  staging   Running   https://board.staging.example.dev   9f2c3ab… since 14:02 (12m)
  Database   ready     staging_board, head 005_index
  Workload   ready     3 of 3 pods (2-20), 34 % CPU
  Ingress    waiting   certificate not issued yet
`},
		"Failed": {next, `
board  staging   Failed   https://board.staging.example.dev   next 9f2c3ab…
  Database   ready     staging_board, head 005_index
  Workload   failed    0 of 2 pods: container board crashes: exit code 1: at x
    Error: no [31mmodule
    at x
`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, err := run(t, []cluster.Status{tc.status}, "--env", "staging")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.TrimPrefix(tc.want, "\n"), out); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestServers holds that parts which were not found out are told apart, and leave the phase alone.
func TestServers(t *testing.T) {
	t.Parallel()
	in := status.Environment{Owners: []string{"team-x", "ada@example.com"}, Parts: func(context.Context) ([]cluster.Part, error) {
		return []cluster.Part{
			database(),
			{Name: cluster.PartStorage, State: cluster.PartUnreachable, Why: "no answer within 5s"},
			{Name: cluster.PartAuth, State: cluster.PartUnknown, Why: "not asked: env:KEYCLOAK: the environment variable is not set"},
			{Name: cluster.PartRedis, State: cluster.PartFailed, Detail: "own instance", Why: "container redis crashes"},
		}, nil
	}}
	ready := cluster.Part{Name: cluster.PartWorkload, State: cluster.PartReady, Detail: "3 of 3 pods"}
	for _, args := range [][]string{{"--env", "staging"}, {"--env", "staging", "--wait"}} {
		out, err := runWith(t, in, []cluster.Status{observed(cluster.Running, ready)}, args...)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(strings.TrimPrefix(`
board  staging   Running   https://board.staging.example.dev   9f2c3ab… since 14:02 (12m)
  Owner      team-x, ada@example.com
  Database   ready         staging_board, head 005_index
  Storage    unreachable   no answer within 5s
  Auth       unknown       not asked: env:KEYCLOAK: the environment variable is not set
  Redis      failed        own instance: container redis crashes
  Workload   ready         3 of 3 pods
`, "\n"), out); diff != "" {
			t.Error(diff)
		}
	}
	out, err := runWith(t, in, []cluster.Status{observed(cluster.Running, ready)}, "--env", "staging", "-o", "json")
	if err != nil || !strings.Contains(out, `"owners": [`) || !strings.Contains(out, `"state": "unreachable"`) {
		t.Errorf("%s, %v", out, err)
	}
	in.Parts = func(context.Context) ([]cluster.Part, error) { return nil, errors.New("the name is taken") }
	for _, args := range [][]string{{"--env", "staging"}, {"--env", "staging", "--wait"}} {
		if out, err := runWith(t, in, []cluster.Status{observed(cluster.Running, ready)}, args...); err == nil || out != "" ||
			err.Error() != "look at board in staging: the name is taken" {
			t.Errorf("another application: %s, %v", out, err)
		}
	}
}

func TestJSON(t *testing.T) {
	t.Parallel()
	out, err := run(t, []cluster.Status{observed(cluster.Running)}, "--env", "staging", "-o", "json")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"phase": "Running"`, `"since": "2026-03-04T14:02:00Z"`, `"image": "r/board@sha256:9f2c3ab000`, `"desired": 3`,
		`"url": "https://board.staging.example.dev"`, `"detail": "staging_board, head 005_index"`,
		`"schema": "staging_board"`, `"head": "005_index"`, `"migrations": 5`,
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%s is not in %s", want, out)
		}
	}
}

func TestWait(t *testing.T) {
	t.Parallel()
	going := observed(cluster.Provisioning, cluster.Part{Name: cluster.PartWorkload, State: cluster.PartWaiting, Why: "1 of 2 pods"})
	if out, err := run(t, []cluster.Status{going, observed(cluster.Running)}, "--env", "staging", "--wait"); err != nil || !strings.Contains(out, "Running") {
		t.Errorf("%s, %v", out, err)
	}
	out, err := run(t, []cluster.Status{observed(cluster.Failed)}, "--env", "staging", "--wait")
	var reported *cli.ReportedError
	if !errors.As(err, &reported) || reported.Code != cli.ExitFailed || !strings.Contains(out, "Failed") {
		t.Errorf("%s, %v", out, err)
	}
	if _, err := run(t, nil); err == nil || err.Error() != "environment local" {
		t.Errorf("without --env: %v", err)
	}
}
