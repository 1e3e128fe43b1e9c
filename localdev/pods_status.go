package localdev

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"plattr.dev/plattr/localdev/kind"
	"plattr.dev/plattr/localdev/services"
	"plattr.dev/plattr/localdev/supervisor"
	"plattr.dev/plattr/stacks/local"
)

// deployment is the little of a Deployment that is read here (https://kubernetes.io/docs/reference/kubernetes-api/).
type deployment struct {
	Metadata struct {
		Name        string
		Generation  int64
		Annotations map[string]string
	}
	Status struct {
		ObservedGeneration             int64
		UpdatedReplicas, ReadyReplicas int
	}
}

func (d *deployment) ready() bool {
	return d.Status.ObservedGeneration >= d.Metadata.Generation && d.Status.UpdatedReplicas > 0 && d.Status.ReadyReplicas > 0
}

// pod is the little of a Pod that is read here.
type pod struct {
	Metadata struct {
		Name              string
		Labels            map[string]string
		CreationTimestamp time.Time
		DeletionTimestamp *time.Time
	}
	Status struct {
		Phase      string
		Conditions []struct {
			Type, Status       string
			LastTransitionTime time.Time
		}
		InitContainerStatuses, ContainerStatuses []containerStatus
	}
}

type containerStatus struct {
	Name         string
	RestartCount int
	State        struct {
		Waiting    *struct{ Reason, Message string }
		Terminated *struct {
			Reason, Message string
			ExitCode        int
		}
	}
	LastState struct {
		Terminated *struct {
			Reason, Message string
			ExitCode        int
		}
	}
}

const nameLabel = "app.kubernetes.io/name"

// deployments are those of the services, by name.
func (p *Pods) deployments(ctx context.Context) (map[string]*deployment, error) {
	return list(ctx, p, "/apis/apps/v1/namespaces/"+local.Namespace+"/deployments", func(d *deployment) string { return d.Metadata.Name })
}

// pods are those of the services that are not ending, by the service's name; of two the younger one.
func (p *Pods) pods(ctx context.Context) (map[string]*pod, error) {
	all, err := list(ctx, p, "/api/v1/namespaces/"+local.Namespace+"/pods", func(o *pod) string { return o.Metadata.Name })
	if err != nil {
		return nil, err
	}
	by := map[string]*pod{}
	for _, one := range all {
		name := one.Metadata.Labels[nameLabel]
		if old := by[name]; one.Metadata.DeletionTimestamp == nil &&
			(old == nil || old.Metadata.CreationTimestamp.Before(one.Metadata.CreationTimestamp)) {
			by[name] = one
		}
	}
	return by, nil
}

func list[Object any](ctx context.Context, p *Pods, path string, name func(*Object) string) (map[string]*Object, error) {
	api, err := p.cluster.API()
	if err != nil {
		return nil, err
	}
	var answer struct{ Items []*Object }
	if err := api.Get(ctx, path, nil, &answer); err != nil {
		return nil, err
	}
	by := map[string]*Object{}
	for _, o := range answer.Items {
		by[name(o)] = o
	}
	return by, nil
}

// servesIngresses tells whether the ingress controller runs.
func (p *Pods) servesIngresses(ctx context.Context) bool {
	there, err := list(ctx, p, "/apis/apps/v1/namespaces/"+local.IngressNamespace+"/deployments",
		func(d *deployment) string { return d.Metadata.Name })
	d := there[local.IngressClass]
	return err == nil && d != nil && d.ready()
}

// askTimeout bounds the questions to a cluster that may be stopped.
const askTimeout = 10 * time.Second

// Status tells what runs: what the cluster says of the pods.
func (p *Pods) Status(ctx context.Context) (supervisor.Status, error) {
	running, err := p.running(ctx)
	if err != nil || !running {
		return supervisor.Status{}, explain(err)
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	at, err := p.look(ctx)
	if err != nil {
		return supervisor.Status{}, explain(err)
	}
	pods, err := p.pods(ctx)
	if err != nil {
		return supervisor.Status{}, explain(err)
	}
	memory := p.memory(ctx)
	var s supervisor.Status
	for _, name := range slices.Sorted(maps.Keys(pods)) {
		spec, ok := at.record.specOf(name, at.podsSetting)
		if !ok {
			continue
		}
		def := services.Table()[spec.Kind]
		one := supervisor.ServiceStatus{
			Name: name, Title: def.Title, Kind: spec.Kind, App: spec.App, Version: spec.Version, Address: spec.Address(def.Main),
			Ports: spec.Ports, Spec: spec, Memory: memory[pods[name].Metadata.Name],
		}
		pods[name].tell(&one)
		s.Services = append(s.Services, one)
	}
	return s, nil
}

// running tells whether there is a cluster that runs.
func (p *Pods) running(ctx context.Context) (bool, error) {
	if made, err := p.wasMade(); err != nil || !made {
		return false, err
	}
	return p.cluster.Running(ctx)
}

// tell puts what is known of a pod into the words of the supervisor.
func (o *pod) tell(s *supervisor.ServiceStatus) {
	s.State, s.Since = supervisor.Starting, o.Metadata.CreationTimestamp
	for _, c := range o.Status.Conditions {
		if c.Type == "Ready" && c.Status == "True" {
			s.State, s.Since = supervisor.Ready, c.LastTransitionTime
		}
	}
	for _, c := range append(o.Status.InitContainerStatuses, o.Status.ContainerStatuses...) {
		s.Restarts += c.RestartCount
		if s.State == supervisor.Ready {
			continue
		}
		if last := c.LastState.Terminated; last != nil && last.ExitCode != 0 {
			s.State, s.Error = supervisor.Restarting, fmt.Sprintf("it ended with %d: %s", last.ExitCode, lastLine(last.Message, last.Reason))
		}
		if w := c.State.Waiting; w != nil && w.Reason != "PodInitializing" && w.Reason != "ContainerCreating" && s.Error == "" {
			s.State, s.Error = supervisor.Failed, strings.TrimSpace(w.Reason+" "+w.Message)
		}
	}
}

func lastLine(text, otherwise string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if last := strings.TrimSpace(lines[len(lines)-1]); last != "" {
		return last
	}
	return otherwise
}

// memory is what the pods hold, in bytes, by their names; what the kubelet does not tell is left out.
func (p *Pods) memory(ctx context.Context) map[string]int64 {
	var summary struct {
		Pods []struct {
			PodRef struct{ Name, Namespace string }
			Memory struct{ WorkingSetBytes int64 }
		}
	}
	api, err := p.cluster.API()
	if err == nil {
		err = api.Get(ctx, "/api/v1/nodes/"+p.cluster.Node()+"/proxy/stats/summary", nil, &summary)
	}
	if err != nil {
		return nil
	}
	by := map[string]int64{}
	for _, o := range summary.Pods {
		if o.PodRef.Namespace == local.Namespace {
			by[o.PodRef.Name] = o.Memory.WorkingSetBytes
		}
	}
	return by
}

// errStopped says that the cluster does not run, and its logs with it.
var errStopped = &explained{errors.New("the cluster does not run, so its logs cannot be read"), "plattr dev starts it"}

// Logs writes the log of a service, or those of all.
func (p *Pods) Logs(ctx context.Context, service string, last int, follow bool, w io.Writer) error {
	running, err := p.running(ctx)
	if err != nil {
		return explain(err)
	}
	if !running {
		return errStopped
	}
	pods, err := p.pods(ctx)
	if err != nil {
		return explain(err)
	}
	have := slices.Sorted(maps.Keys(pods))
	names := []string{service}
	if service == "" {
		names = have
	} else if !slices.Contains(have, service) {
		return &NoLogError{service, have}
	}
	out := &lines{w: w}
	g, ctx := errgroup.WithContext(ctx)
	for _, name := range names {
		prefix := ""
		if service == "" {
			prefix = fmt.Sprintf("%-12s | ", name)
		}
		copyLog := func() error { return p.copyLog(ctx, pods[name].Metadata.Name, prefix, last, follow, out) }
		if follow {
			g.Go(copyLog)
			continue
		}
		if err := copyLog(); err != nil {
			return explain(err)
		}
	}
	return explain(g.Wait())
}

// lines writes whole lines of several logs.
type lines struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lines) write(prefix, line string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, err := io.WriteString(l.w, prefix+line+"\n")
	return err
}

// copyLog writes the log of a pod's server. One that has none yet is no error.
func (p *Pods) copyLog(ctx context.Context, name, prefix string, last int, follow bool, out *lines) error {
	query := url.Values{"container": {"server"}}
	if last >= 0 {
		query.Set("tailLines", strconv.Itoa(last))
	}
	if follow {
		query.Set("follow", "true")
	}
	api, err := p.cluster.API()
	if err != nil {
		return err
	}
	body, err := api.Stream(ctx, "/api/v1/namespaces/"+local.Namespace+"/pods/"+name+"/log", query)
	if err != nil {
		if follow && ctx.Err() != nil || notThere(err) {
			return nil
		}
		return err
	}
	defer body.Close()
	scan := bufio.NewScanner(body)
	scan.Buffer(nil, 1<<20)
	for scan.Scan() {
		if err := out.write(prefix, scan.Text()); err != nil {
			return fmt.Errorf("write the log: %w", err)
		}
	}
	if err := scan.Err(); err != nil && ctx.Err() == nil {
		return fmt.Errorf("read the log of %s: %w", name, err)
	}
	return nil
}

// notThere tells the answer of a container that has not begun, or is gone.
func notThere(err error) bool {
	var status *kind.StatusError
	return errors.As(err, &status) && (status.Code == http.StatusBadRequest || status.Code == http.StatusNotFound)
}
