package localdev

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"plattr.dev/plattr/internal/engine"
	"plattr.dev/plattr/localdev/kind"
	"plattr.dev/plattr/localdev/state"
	"plattr.dev/plattr/localdev/supervisor"
)

// RuntimeName names a runtime.
type RuntimeName string

// The runtimes.
const (
	// NativeRuntime runs the services as processes of this machine. It is the one without a choice.
	NativeRuntime RuntimeName = "native"
	// KindRuntime runs them as pods in a Kind cluster.
	KindRuntime RuntimeName = "kind"
)

// Runtime runs the services of this machine. [Native] and [Pods] do. Each has a state folder of its own: applications, data,
// ports and secrets of one are unknown to the other.
type Runtime interface {
	Starter
	Machine
	// Name says which one it is.
	Name() RuntimeName
	// State is the folder of its state: the list of applications lives there, and room for the engine's.
	State() state.Dir
	// ForgetPorts makes the ports of an application, or a copy of one, free for others.
	ForgetPorts(ctx context.Context, app string) error
}

// Starter starts services, and ends those that are not needed any more.
type Starter interface {
	// Ensure starts what is needed and does not run yet, and returns when each service does its work. progress may be nil.
	Ensure(ctx context.Context, needs Needs, progress func(Progress)) (Endpoints, error)
	// EnsurePostgREST starts the PostgREST of an application, or starts it anew if its configuration changed, and returns its
	// URL when it serves the schema. progress may be nil.
	EnsurePostgREST(ctx context.Context, app string, c PostgRESTConfig, progress func(Progress)) (string, error)
	// ArrangePostgREST is EnsurePostgREST without the wait for one that is there already: it may be connecting just now.
	ArrangePostgREST(ctx context.Context, app string, c PostgRESTConfig, progress func(Progress)) (string, error)
	// RemoveService ends a service of one application, with the data that it keeps for itself; one that is not there is no
	// error.
	RemoveService(ctx context.Context, name string) error
	// StopUnused ends the shared services that serve no application any more. Their data stay.
	StopUnused(ctx context.Context) error
}

// Machine is what all applications of this machine share.
type Machine interface {
	// Status tells what runs. Nothing does if there are no services in it.
	Status(ctx context.Context) (supervisor.Status, error)
	// Logs writes the log of a service to w, or those of all, each line after its service's name, if service is empty. Of each
	// the last lines are written, all if that is negative. With follow it goes on until ctx ends, which is no error then.
	Logs(ctx context.Context, service string, last int, follow bool, w io.Writer) error
	// Stop ends all services. The data stay.
	Stop(ctx context.Context) error
	// Remove ends what runs for one application alone, with its data. Its name is free afterwards.
	Remove(ctx context.Context, app string) error
	// Destroy ends all services and deletes everything that they and plattr kept on this machine, but for the cache of
	// programs. It cannot be undone.
	Destroy(ctx context.Context) error
}

// choice is what a file of the machine keeps.
type choice struct {
	Runtime RuntimeName `json:"runtime"`
}

const choiceFile = "runtime.json"

// Chosen is the runtime of this machine.
func Chosen(ctx context.Context, getenv func(string) string) (RuntimeName, error) {
	d, err := state.Open(ctx, getenv)
	if err != nil {
		return "", explain(err)
	}
	return chosen(d)
}

func chosen(d state.Dir) (RuntimeName, error) {
	var c choice
	if err := d.ReadJSON(choiceFile, &c); err != nil {
		return "", explain(err)
	}
	switch c.Runtime {
	case "":
		return NativeRuntime, nil
	case NativeRuntime, KindRuntime:
		return c.Runtime, nil
	}
	return "", fmt.Errorf("%s: %q is no runtime: plattr dev --runtime native sets it right", d.Join(choiceFile), c.Runtime)
}

// OpenRuntime opens the runtime of this machine. Nothing is started. owner is shown to whoever finds its services locked.
func OpenRuntime(ctx context.Context, getenv func(string) string, owner string) (Runtime, error) {
	name, err := Chosen(ctx, getenv)
	if err != nil {
		return nil, err
	}
	return openRuntime(ctx, name, getenv, owner)
}

func openRuntime(ctx context.Context, name RuntimeName, getenv func(string) string, owner string) (Runtime, error) {
	if name == KindRuntime {
		pods, err := NewPods(ctx, getenv, owner)
		if err != nil {
			return nil, err // and no runtime, not one that is nil
		}
		return pods, nil
	}
	native, err := NewNative(ctx, getenv)
	if err != nil {
		return nil, err
	}
	return native, nil
}

// AllRuntimes are those that keep something on this machine; native, in whose state folder the others are, comes last.
func AllRuntimes(ctx context.Context, getenv func(string) string) ([]Runtime, error) {
	native, err := NewNative(ctx, getenv)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(native.state.Join(string(KindRuntime))); errors.Is(err, fs.ErrNotExist) {
		return []Runtime{native}, nil
	}
	pods, err := NewPods(ctx, getenv, "plattr dev destroy")
	if err != nil {
		return nil, err
	}
	return []Runtime{pods, native}, nil
}

// Choose makes a runtime that of this machine from now on. The services of the one before are stopped; note says which data
// stay there, and how to take them along. It is empty where nothing changes, or nothing stays.
func Choose(ctx context.Context, getenv func(string) string, name RuntimeName) (note string, err error) {
	d, err := state.Open(ctx, getenv)
	if err != nil {
		return "", explain(err)
	}
	now, err := chosen(d)
	if now == name || err != nil && name == "" {
		return "", err
	}
	if name == KindRuntime {
		if err := kind.Available(ctx); err != nil { // before anything is changed
			return "", err
		}
	}
	if err == nil { // else nobody knows what was there
		if note, err = leave(ctx, now, name, getenv); err != nil {
			return "", err
		}
	}
	return note, explain(d.WriteJSON(choiceFile, choice{name}))
}

// leave stops a runtime and says what stays in it.
func leave(ctx context.Context, old, next RuntimeName, getenv func(string) string) (string, error) {
	before, err := openRuntime(ctx, old, getenv, "plattr dev")
	if err != nil {
		return "", err
	}
	var docker *kind.DockerError
	if err := before.Stop(ctx); err != nil && !errors.As(err, &docker) { // without Docker nothing of it runs
		return "", fmt.Errorf("stop the services of runtime %s: %w", old, err)
	}
	apps, err := before.State().Apps()
	if err != nil || len(apps) == 0 {
		return "", explain(err)
	}
	var names []string
	for _, a := range apps {
		names = append(names, a.Name)
	}
	slices.Sort(names)
	dump := filepath.Join(".plattr", names[0]+".dump")
	return fmt.Sprintf("runtime %s: the data of %s stay in runtime %s (%s); take a database along by: "+
		"plattr dev --runtime %s && plattr db dump %s && plattr dev --runtime %s && plattr db restore %s --yes",
		next, strings.Join(names, ", "), old, before.State().Path, old, dump, next, dump), nil
}

// ErrNoCluster says that the runtime of this machine has no cluster to deploy to.
var ErrNoCluster error = &noCluster{}

type noCluster struct{}

func (*noCluster) Error() string {
	return "the runtime native has no cluster that an application could be deployed to"
}

// Hint is the next step, with the data.
func (*noCluster) Hint() string {
	return "plattr db dump .plattr/local.dump && plattr dev --runtime kind && plattr db restore .plattr/local.dump --yes"
}

// openEngine opens the engine of the stacks of a runtime.
func openEngine(d state.Dir, owner string) (*engine.Engine, error) {
	dir := d.Join("pulumi")
	if err := makeFolder(dir); err != nil {
		return nil, err
	}
	return engine.New(engine.Options{Project: Project, StateURL: engine.FileURL(dir), Owner: owner})
}
