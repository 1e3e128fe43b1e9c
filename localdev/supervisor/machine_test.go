package supervisor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"plattr.dev/plattr/localdev/ports"
	"plattr.dev/plattr/localdev/process"
	"plattr.dev/plattr/localdev/services"
	"plattr.dev/plattr/localdev/state"
	"plattr.dev/plattr/localdev/state/statetest"
)

// fake is a service made of a shell script: it notes each start in a file and does what its setting says.
const fake services.Kind = "fake"

const script = `
trap 'echo "stop $2" >>"$1/order"; exit 0' TERM
echo "start $2 $$" >>"$1/starts"
echo "hello from $2"
case "$3" in
crash) echo "no such thing as $2" >&2; exit 7;;
deaf) trap '' TERM;;
mute) while :; do sleep 0.05; done;;
esac
touch "$1/ready-$2"
while :; do sleep 0.05; done`

func fakes() map[services.Kind]services.Definition {
	def := func(order int) services.Definition {
		return services.Definition{
			Title: "Fake", Main: ports.S3, Order: order,
			Prepare: func(_ context.Context, p services.Place, s services.Spec) (services.Command, error) {
				dir := s.Settings["dir"]
				_ = os.Remove(filepath.Join(dir, "ready-"+s.Name))
				return services.Command{
					Path: "/bin/sh", Args: []string{"-c", script, "fake", dir, s.Name, s.Settings["mode"]}, Dir: p.Dir,
				}, nil
			},
			Ready: func(_ context.Context, _ services.Place, s services.Spec) error {
				_, err := os.Stat(filepath.Join(s.Settings["dir"], "ready-"+s.Name))
				return err
			},
			Stop: []services.StopStep{{Signal: syscall.SIGTERM, Wait: 300 * time.Millisecond}},
		}
	}
	return map[services.Kind]services.Definition{fake: def(1), "base": def(2)}
}

// TestMain lets the test binary be the supervisor's process.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == Command {
		if err := serve(context.Background(), os.Args[2], fakes()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// machine is a state folder with a folder in which the fakes leave traces.
type machine struct {
	state  state.Dir
	client *Client
	traces string
}

func newMachine(t *testing.T) *machine {
	t.Helper()
	root := statetest.Room(t)
	traces := filepath.Join(root, "traces")
	if err := errors.Join(os.Mkdir(traces, 0o777), os.Chmod(traces, 0o777)); err != nil { // shared with the services' user
		t.Fatal(err)
	}
	d, err := state.Open(t.Context(), statetest.Env(filepath.Join(root, "state")))
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{d, NewClient(d), traces}
	t.Cleanup(func() {
		if t.Failed() {
			for _, l := range lastLines(logFile(d, logName), -1) {
				t.Log(l)
			}
		}
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if _, err := m.client.Start(ctx); err == nil {
			_ = m.client.Stop(ctx)
		}
		_ = d.Destroy()
	})
	return m
}

func (m *machine) spec(kind services.Kind, name, mode string) services.Spec {
	return services.Spec{
		Name: name, Kind: kind, Version: "1", // a fake listens nowhere
		Settings: map[string]string{"dir": m.traces, "mode": mode},
	}
}

func (m *machine) ensure(t *testing.T, spec services.Spec) ServiceStatus {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err := m.client.Start(ctx); err != nil {
		t.Fatal(err)
	}
	s, err := m.client.Ensure(ctx, spec)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// starts tells how often a service was started, and stopped the order of stops.
func (m *machine) lines(t *testing.T, file, prefix string) []string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(m.traces, file))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	var out []string
	for l := range strings.Lines(string(raw)) {
		if strings.HasPrefix(l, prefix) {
			out = append(out, strings.TrimSpace(l))
		}
	}
	return out
}

func (m *machine) starts(t *testing.T, name string) int {
	t.Helper()
	return len(m.lines(t, "starts", "start "+name+" "))
}

func (m *machine) supervisor(t *testing.T) process.ID {
	t.Helper()
	id, err := m.client.recorded()
	if err != nil || !id.Alive() {
		t.Fatalf("no supervisor is on record: %+v, %v", id, err)
	}
	return id
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(15 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}
