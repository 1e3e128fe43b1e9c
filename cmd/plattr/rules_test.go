package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"strings"
	"testing"
	"time"

	"plattr.dev/plattr/internal/cli"
	"plattr.dev/plattr/internal/config"
	"plattr.dev/plattr/internal/engine"
	"plattr.dev/plattr/internal/migrate"
	"plattr.dev/plattr/internal/sqlshell"
	"plattr.dev/plattr/localdev"
	"plattr.dev/plattr/localdev/state"
	"plattr.dev/plattr/localdev/supervisor"
)

func TestRules(t *testing.T) {
	t.Parallel()
	lock := &engine.LockedError{Stack: "local-board", Owner: "plattr dev", Host: "laptop", PID: 4711, Since: time.Now().Add(-12 * time.Second)}
	failed := errors.Join(
		&engine.ResourceError{Type: "postgresql:index/role:Role", Name: "board-app", Operation: engine.Create, Cause: errors.New("permission denied")},
		&engine.ResourceError{Type: "aws:s3/bucketV2:BucketV2", Name: "board-uploads", Operation: engine.Update, Cause: errors.New("no answer\nsecond line")},
	)
	_, invalid := config.Parse("plattr.yaml", []byte("name: A\nnaam: b\n"))
	cases := map[string]struct {
		reason string
		err    error
		code   int
		want   []string // lines that must be there
		not    string
	}{
		"Locked": {
			reason: "A lock is 4 and says who holds it, in the user's words.", err: fmt.Errorf("board, local: %w", lock), code: 4,
			want: []string{"board, local is locked: plattr dev, process 4711 on laptop, since ", "s ago)"}, not: "local-board",
		},
		"LockedByNobodyKnown": {reason: "A lock without a record is 4 too.", err: &engine.LockedError{Stack: "local-x"}, code: 4},
		"LockedMigrations": {
			reason: "So is the lock of migrations.", err: fmt.Errorf("migrate: %w", &migrate.LockedError{Schema: "board", Holder: "plattr"}), code: 4,
		},
		"Resources": {
			reason: "Every resource that failed is named in the user's words.", err: fmt.Errorf("board, local: %w", failed), code: 1,
			want: []string{"could not create role board-app: permission denied\n", "  could not update bucket board-uploads: no answer\n", "  second line\n"},
			not:  "postgresql:index",
		},
		"Tool": {
			reason: "A migration tool's code is passed on.", err: fmt.Errorf("migrate: %w", &migrate.ExitError{Tool: "npx knex", Code: 7}), code: 7,
			want: []string{"migrate: npx knex ended with exit code 7"},
		},
		"Psql":      {reason: "So is psql's.", err: &sqlshell.ExitError{Code: 5}, code: 5},
		"OwnChild":  {reason: "The code of a program of ours is not.", err: fmt.Errorf("initdb: %w", &exec.ExitError{}), code: 1},
		"NoPsql":    {reason: "Without psql there is the shell.", err: sqlshell.ErrNoPsql, code: 1, want: []string{"Next: plattr db shell"}},
		"NotUp":     {reason: "What is missing is made by dev.", err: fmt.Errorf("x: %w", localdev.ErrNotUp), code: 1, want: []string{"Next: plattr dev"}},
		"NoFile":    {reason: "Without a file there is init.", err: fmt.Errorf("%w here", cli.ErrNoFile), code: 1, want: []string{"Next: plattr init"}},
		"Invalid":   {reason: "Every problem of the file is a line of its own.", err: invalid, code: 1, want: []string{"plattr.yaml:1:", "\nplattr.yaml:2:"}},
		"Timeout":   {reason: "A time limit is a failure, not a cancellation.", err: &timeoutError{time.Minute, context.Canceled}, code: 1, want: []string{"gave up after 1m0s (--timeout)"}},
		"Cancelled": {reason: "A cancelled run is 3.", err: fmt.Errorf("board: %w", engine.ErrCancelled), code: 3},
		"Denied":    {reason: "A path that may not be written has a next step.", err: fmt.Errorf("init: %w", fs.ErrPermission), code: 1, want: []string{"Next: check that you may write there"}},
		"Hint": {
			reason: "An error's own hint is the next step.", err: &state.NameTakenError{Name: "a", Dir: "/b", Other: "/c"}, code: 1,
			want: []string{"Next: change name in one of the two plattr.yaml, or run plattr dev destroy in /c"},
		},
		"Service": {
			reason: "A service that does not start shows the end of its log.", code: 1,
			err:  fmt.Errorf("board: %w", &supervisor.ServiceError{Message: "PostgreSQL ended", Next: "plattr dev logs postgresql", Log: []string{"FATAL: disk full"}}),
			want: []string{"board: PostgreSQL ended\n  FATAL: disk full\nNext: plattr dev logs postgresql\n"},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			streams, _, stderr := cli.Test("")
			rules().Report(cli.NewSession(streams), tc.err)
			if got := rules().ExitCode(tc.err); got != tc.code {
				t.Errorf("%s exit code %d, want %d", tc.reason, got, tc.code)
			}
			for _, want := range tc.want {
				if !strings.Contains(stderr.String(), want) {
					t.Errorf("%s no %q in:\n%s", tc.reason, want, stderr)
				}
			}
			if tc.not != "" && strings.Contains(stderr.String(), tc.not) {
				t.Errorf("%s %q is in:\n%s", tc.reason, tc.not, stderr)
			}
		})
	}
}
