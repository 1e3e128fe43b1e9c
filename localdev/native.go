// Package localdev runs an application's services on the laptop. Runtime native runs them as processes of this machine
// under one supervisor, shared by all applications.
package localdev

import (
	"context"
	"errors"
	"maps"
	"os"
	"syscall"
	"time"

	"plattr.dev/plattr/localdev/ports"
	"plattr.dev/plattr/localdev/state"
	"plattr.dev/plattr/localdev/supervisor"
)

// ensureTimeout bounds the start of one service whose program is there. A crash recovery may take its time.
const ensureTimeout = 3 * time.Minute

// Native is the runtime whose services are processes of this machine.
type Native struct {
	state  state.Dir
	client *supervisor.Client
	getenv func(string) string
}

// NewNative opens the state folder of the machine, making it if it is missing. The errors that the user can mend have a
// method Hint.
func NewNative(ctx context.Context, getenv func(string) string) (*Native, error) {
	d, err := state.Open(ctx, getenv)
	if err != nil {
		return nil, explain(err)
	}
	return &Native{state: d, client: supervisor.NewClient(d), getenv: getenv}, nil
}

// Name says which runtime it is.
func (n *Native) Name() RuntimeName { return NativeRuntime }

// State is the folder of the machine's state: the list of applications lives there, and room for the engine's.
func (n *Native) State() state.Dir { return n.state }

// Needs says which services must run.
type Needs struct {
	PostgreSQL, S3, Keycloak, OpenSearch bool
	// Redis is the application whose Redis must run; empty: none.
	Redis string
	// Cluster says that an application itself runs, in a cluster with an ingress controller.
	Cluster bool
}

// Progress is what an Ensure is doing. Calls come from several goroutines, one at a time.
type Progress struct {
	Service string // as in Status
	Title   string // for people, for example PostgreSQL
	Phase   Phase
	Detail  string // the package that is downloaded, why a start takes long, or host:port of a service that is ready
	Version string // of a service that is starting or ready
	Done    int64  // bytes of a download so far
	Total   int64  // bytes of a download in all; 0 if unknown
}

// Phase is a step of a service on its way.
type Phase string

// The phases of a service, in their order. One that runs already has none.
const (
	Finding     Phase = "finding"
	Downloading Phase = "downloading"
	Unpacking   Phase = "unpacking"
	Preparing   Phase = "preparing"
	Starting    Phase = "starting"
	Ready       Phase = "ready"
)

// PostgRESTConfig is what an application's PostgREST serves.
type PostgRESTConfig struct {
	DatabaseURL string // of the role that it logs in with
	Schema      string // that it serves
	AnonRole    string // of requests without a token; empty: they are refused
	Channel     string // on which the database announces changes
	// Settings are more of PostgREST's own, by its names, for example jwt-secret or db-pool.
	Settings map[string]string
}

func (c PostgRESTConfig) settings() map[string]string {
	out := map[string]string{
		"db-uri": c.DatabaseURL, "db-schemas": c.Schema, "db-channel": c.Channel, "db-anon-role": c.AnonRole,
		"db-extra-search-path": "extensions",
	}
	for k, v := range out {
		if v == "" {
			delete(out, k)
		}
	}
	maps.Copy(out, c.Settings)
	return out
}

// EnsurePostgREST starts the PostgREST of an application, or starts it anew if its configuration changed, and returns
// its URL when it serves the schema. progress may be nil.
func (n *Native) EnsurePostgREST(ctx context.Context, app string, c PostgRESTConfig, progress func(Progress)) (string, error) {
	r := postgrestRequest(app, c)
	running, err := n.running(ctx, r.spec.Name)
	if err != nil {
		return "", err
	}
	spec, err := n.ensure(ctx, r, running, serialised(progress))
	if err != nil {
		return "", explain(err)
	}
	return "http://" + spec.Address(ports.PostgREST), nil
}

// ArrangePostgREST is EnsurePostgREST without the wait for one that is there already: it may be connecting just now.
func (n *Native) ArrangePostgREST(ctx context.Context, app string, c PostgRESTConfig, progress func(Progress)) (string, error) {
	running, err := n.running(ctx)
	if err != nil {
		return "", err
	}
	r := postgrestRequest(app, c)
	if now, ok := running[r.spec.Name]; ok && r.same(now.Spec) {
		return "http://" + now.Spec.Address(ports.PostgREST), nil
	}
	return n.EnsurePostgREST(ctx, app, c, progress)
}

// running returns the state of the services, after the named ones were used once to see that they work.
func (n *Native) running(ctx context.Context, probe ...string) (map[string]supervisor.ServiceStatus, error) {
	s, err := n.client.Status(ctx, false, probe...)
	if err == nil && s.Protocol != supervisor.Protocol {
		err = supervisor.ErrNotRunning // ensure replaces it
	}
	if err != nil && !errors.Is(err, supervisor.ErrNotRunning) {
		return nil, explain(err)
	}
	out := map[string]supervisor.ServiceStatus{}
	for _, st := range s.Services {
		out[st.Name] = st
	}
	return out, nil
}

// explained is an error with a next step that its own type does not have.
type explained struct {
	error
	hint string
}

func (e *explained) Unwrap() error { return e.error }
func (e *explained) Hint() string  { return e.hint }

// explain adds a next step to the errors of a machine that is in the way.
func explain(err error) error {
	var hinted interface{ Hint() string }
	if err == nil || errors.As(err, &hinted) && hinted.Hint() != "" {
		return err
	}
	switch {
	case errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT):
		return &explained{err, "make room on the disk of the state folder, or set PLATTR_STATE_DIR to a folder on another disk"}
	case errors.Is(err, syscall.EROFS) || errors.Is(err, os.ErrPermission):
		return &explained{err, "set PLATTR_STATE_DIR to a folder that you may write to"}
	default:
		return err
	}
}
