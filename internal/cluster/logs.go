package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"plattr.dev/plattr/internal/kube"
	"plattr.dev/plattr/internal/kubeapi"
)

// LogOptions choose what [Client.Logs] reads.
type LogOptions struct {
	// Follow goes on with what comes, over rollouts and restarts, until the context ends.
	Follow bool
	// Since leaves out what is older; 0 means all. The clock is the node's.
	Since time.Duration
	// Container is app (the default, also by the application's name), rest, keys, all, or migrate: the last migration.
	Container string
	// Previous reads the containers that ran before the last restart.
	Previous bool
	// Tail is how many of the last lines of each container are read; nil means all.
	Tail *int
}

// Line is one line of a container's log.
type Line struct {
	Time      time.Time `json:"time"`
	Pod       string    `json:"pod"`
	Container string    `json:"container"`
	Text      string    `json:"text"`
	// Several says that lines of more than one container have been, or may be, given.
	Several bool `json:"-"`
}

// The values of LogOptions.Container.
const (
	LogsApp     = "app"
	LogsRest    = "rest"
	LogsKeys    = "keys"
	LogsMigrate = "migrate"
	LogsAll     = "all"
)

// LogContainers are the values of LogOptions.Container.
func LogContainers() []string { return []string{LogsApp, LogsRest, LogsKeys, LogsMigrate, LogsAll} }

// NoLogsError says that there is nothing to read, and why.
type NoLogsError struct {
	App kube.App
	Why string
}

// Error is one line.
func (e *NoLogsError) Error() string {
	return fmt.Sprintf("no logs of %s in namespace %s: %s", e.App.Name, e.App.Namespace, e.Why)
}

// ContainerError is a name that is none of [LogContainers].
type ContainerError struct{ Name string }

// Error lists the names that there are.
func (e *ContainerError) Error() string {
	return fmt.Sprintf("there is no container %q: it is one of %s", e.Name, strings.Join(LogContainers(), ", "))
}

// Logs gives the lines of all pods of an application to out, which is called from one goroutine at a time: what is past in
// order of time, then, with Follow, what comes as it comes. Each line comes once, although streams break and containers
// restart. It returns an [*NoLogsError] where there is nothing to read; that a context which is followed is cancelled is no
// error.
func (c *Client) Logs(ctx context.Context, app kube.App, o LogOptions, out func(Line)) error {
	if o.Follow && o.Previous {
		return errors.New("what ran before the last restart is over: it cannot be followed")
	}
	chosen, err := choose(app, o.Container)
	if err != nil {
		return err
	}
	l := &logs{Client: c, app: app, options: o, choice: chosen, out: out, tails: map[string]*tail{}}
	if err := l.past(ctx); err != nil || !o.Follow {
		return err
	}
	return l.follow(ctx)
}

// Hint is the command that says how the application is.
func (e *NoLogsError) Hint() string { return "plattr status --env " + e.App.Environment }

// choice is which containers of which pods are read.
type choice struct {
	role string
	// names are the containers; nil means all.
	names []string
}

func choose(app kube.App, container string) (choice, error) {
	switch container {
	case "", LogsApp, app.Name:
		return choice{kube.RoleServer, []string{app.Name}}, nil
	case LogsRest, kube.ContainerRest:
		return choice{kube.RoleServer, []string{kube.ContainerRest}}, nil
	case LogsKeys:
		return choice{kube.RoleServer, []string{kube.ContainerFirstKeys, kube.ContainerKeys}}, nil
	case LogsAll:
		return choice{kube.RoleServer, nil}, nil
	case LogsMigrate:
		return choice{kube.RoleMigration, []string{kube.ContainerMigrate}}, nil
	}
	return choice{}, &ContainerError{Name: container}
}

// logs is one call of Logs.
type logs struct {
	*Client

	app     kube.App
	options LogOptions
	choice  choice
	out     func(Line)
	tails   map[string]*tail
	several bool
}

// give passes a line on.
func (l *logs) give(line Line) {
	line.Several = l.several
	l.out(line)
}

// instance is one container of a pod, as its status has it.
type instance struct {
	pod, uid, container string
	// id is what runs, or ran last; empty if nothing ever did.
	id string
	// over says that it does not run any more.
	over     bool
	restarts int64
}

func (i instance) key() string { return i.uid + "/" + i.container }

// pods are the pods that are read.
func (l *logs) pods(ctx context.Context) ([]map[string]any, error) {
	labels := podLabels(l.app, l.choice.role)
	if l.choice.role == kube.RoleMigration {
		job, err := l.newestJob(ctx, l.app)
		if err != nil || job == nil {
			return nil, err
		}
		labels["batch.kubernetes.io/job-name"] = kubeapi.Text(job, "metadata", "name")
	}
	pods, err := l.list(ctx, kubeapi.PodKind, l.app.Namespace, labels)
	slices.SortFunc(pods, func(a, b map[string]any) int {
		return strings.Compare(kubeapi.Text(a, "metadata", "name"), kubeapi.Text(b, "metadata", "name"))
	})
	return pods, err
}

// instances are the containers of pods that are read, in the order in which they start.
func (l *logs) instances(pods []map[string]any) []instance {
	var out []instance
	for _, pod := range pods {
		for _, list := range []string{"initContainerStatuses", "containerStatuses"} {
			for _, s := range kubeapi.Items(pod, "status", list) {
				name := kubeapi.Text(s, "name")
				if l.choice.names != nil && !slices.Contains(l.choice.names, name) {
					continue
				}
				i := instance{
					pod: kubeapi.Text(pod, "metadata", "name"), uid: kubeapi.Text(pod, "metadata", "uid"), container: name,
					id: kubeapi.Text(s, "containerID"), restarts: kubeapi.Number(s, "restartCount"),
				}
				i.over = kubeapi.Field(s, "state", "running") == nil
				out = append(out, i)
			}
		}
	}
	return out
}

// nothing says why there is no container to read.
func (l *logs) nothing(pods []map[string]any) error {
	why := "it has no pods: is it deployed?"
	switch {
	case l.options.Previous:
		why = "no container has restarted"
	case l.choice.role == kube.RoleMigration && len(pods) == 0:
		why = "it has no migrations here"
	case len(pods) > 0:
		why = "none of its pods has started"
		if l.choice.names != nil && !l.declared(pods) {
			why = "its pods have no container " + l.choice.names[0]
		}
		for _, pod := range pods {
			if f := kubeapi.PodFinding(pod); f.Text != "" {
				why += ": " + oneLine(f.Text)
				break
			}
		}
	}
	return &NoLogsError{App: l.app, Why: why}
}

// declared tells whether a pod is to have one of the containers.
func (l *logs) declared(pods []map[string]any) bool {
	for _, pod := range pods {
		for _, list := range []string{"initContainers", "containers"} {
			for _, c := range kubeapi.Items(pod, "spec", list) {
				if slices.Contains(l.choice.names, kubeapi.Text(c, "name")) {
					return true
				}
			}
		}
	}
	return false
}
