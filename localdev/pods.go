package localdev

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"plattr.dev/plattr/internal/engine"
	"plattr.dev/plattr/localdev/kind"
	"plattr.dev/plattr/localdev/ports"
	"plattr.dev/plattr/localdev/services"
	"plattr.dev/plattr/localdev/state"
	"plattr.dev/plattr/stacks/local"
)

// servicesStack is the stack of the pods.
const servicesStack = "services"

// Pods is the runtime whose services are pods in a Kind cluster, reached through the ports of its node.
type Pods struct {
	state   state.Dir
	cluster *kind.Cluster
	owner   string
	// program is the executable of plattr, which runs in the cluster too.
	program string
}

// NewPods opens the state folder of the runtime, which is in that of the machine. Nothing is asked or started. owner is shown
// to whoever finds the services locked.
func NewPods(ctx context.Context, getenv func(string) string, owner string) (*Pods, error) {
	machine, err := state.Open(ctx, getenv)
	if err != nil {
		return nil, explain(err)
	}
	d, err := state.Open(ctx, func(name string) string {
		if name == "PLATTR_STATE_DIR" {
			return machine.Join(string(KindRuntime))
		}
		return getenv(name)
	})
	if err != nil {
		return nil, explain(err)
	}
	cluster, err := kind.Open(d, getenv)
	if err != nil {
		return nil, err
	}
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find the program of plattr: %w", err)
	}
	return &Pods{state: d, cluster: cluster, owner: owner, program: program}, nil
}

// Name says which runtime it is.
func (p *Pods) Name() RuntimeName { return KindRuntime }

// State is the folder of the runtime's state.
func (p *Pods) State() state.Dir { return p.state }

// KubeconfigPath is the file by which people reach the cluster.
func (p *Pods) KubeconfigPath() string { return p.cluster.KubeconfigPath() }

// Ensure starts what is needed, with the cluster where that does not run, and returns when each service does its work.
func (p *Pods) Ensure(ctx context.Context, needs Needs, progress func(Progress)) (Endpoints, error) {
	at, err := p.bring(ctx, needs.names(), serialised(progress), func(r *podsRecord, _ podsSetting) error { return r.need(needs) })
	if err != nil {
		return Endpoints{}, explain(err)
	}
	return at.endpoints(needs), nil
}

// endpoints are those of what is needed, as far as it is in the record.
func (p place) endpoints(needs Needs) Endpoints {
	specs := map[services.Kind]services.Spec{}
	for _, name := range needs.names() {
		if spec, ok := p.record.specOf(name, p.podsSetting); ok {
			specs[spec.Kind] = spec
		}
	}
	e := endpointsOf(specs, p.secrets, func(services.Spec) string { return p.superURL() })
	if needs.Cluster {
		e.Cluster = p.clusterEndpoint()
	}
	return e
}

// EnsurePostgREST starts the PostgREST of an application.
func (p *Pods) EnsurePostgREST(ctx context.Context, app string, c PostgRESTConfig, progress func(Progress)) (string, error) {
	name := PostgRESTName(app)
	at, err := p.bring(ctx, []string{name}, serialised(progress), func(r *podsRecord, s podsSetting) error {
		return r.serve(app, c, r.inside(s))
	})
	if err != nil {
		return "", explain(err)
	}
	spec, _ := at.record.specOf(name, at.podsSetting)
	return "http://" + spec.Address(ports.PostgREST), nil
}

// ArrangePostgREST is EnsurePostgREST: a pod that is connecting is soon ready.
func (p *Pods) ArrangePostgREST(ctx context.Context, app string, c PostgRESTConfig, progress func(Progress)) (string, error) {
	return p.EnsurePostgREST(ctx, app, c, progress)
}

// place is the pods as they are, and how they are reached.
type place struct {
	podsSetting

	record podsRecord
}

// superURL is how the superuser reaches PostgreSQL.
func (s podsSetting) superURL() string {
	return "postgres://postgres:" + s.secrets.DatabaseSuper + "@" + s.address(ports.PostgreSQL, 0) + "/postgres?sslmode=disable"
}

// setting is what is known without asking anybody.
func (p *Pods) setting(ctx context.Context) (s podsSetting, err error) {
	s.images, s.plattr = p.cluster.Images, p.cluster.KnownPlattrImage(p.program)
	if s.ports, err = p.cluster.Record(); err != nil {
		return s, err
	}
	if s.kubeconfig, err = p.cluster.Kubeconfig(); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return s, err
	}
	s.secrets, err = p.state.Secrets(ctx)
	return s, err
}

// bring changes what should run, and returns when the named services do. Where nothing changes and they do their work
// already, nobody is kept waiting: the cluster is asked once.
func (p *Pods) bring(
	ctx context.Context, wanted []string, report func(Progress), change func(*podsRecord, podsSetting) error,
) (place, error) {
	at, err := p.look(ctx)
	if err != nil {
		return at, err
	}
	next := at.record.clone()
	if err := change(&next, at.podsSetting); err != nil {
		return at, err
	}
	if at.ports.Node != "" && next.same(at.record) && p.runs(ctx, at, wanted) == nil {
		return at, nil
	}
	release, err := p.cluster.Lock(ctx)
	if err != nil {
		return at, err
	}
	defer release()
	if err := p.ensureCluster(ctx, report); err != nil {
		return at, err
	}
	if at, err = p.look(ctx); err != nil {
		return at, err
	}
	if err := change(&at.record, at.podsSetting); err != nil {
		return at, err
	}
	if err := p.state.WriteJSON(podsFile, at.record); err != nil {
		return at, err
	}
	if at, err = p.apply(ctx, wanted, report); err != nil {
		return at, err
	}
	return at, p.await(ctx, at, wanted)
}

func (p *Pods) look(ctx context.Context) (place, error) {
	s, err := p.setting(ctx)
	if err != nil {
		return place{}, err
	}
	r, err := readPods(p.state)
	return place{s, r}, err
}

// clusterName is the cluster among the services, in what is reported.
const clusterName = "cluster"

func (p *Pods) ensureCluster(ctx context.Context, report func(Progress)) error {
	said := false
	_, err := p.cluster.Ensure(ctx, func(text string) {
		said = true
		report(Progress{Service: clusterName, Title: "Cluster", Version: kind.Tag(p.cluster.Images.Node), Phase: Starting, Detail: text})
	})
	if err == nil && said {
		report(Progress{
			Service: clusterName, Title: "Cluster", Version: kind.Tag(p.cluster.Images.Node), Phase: Ready, Detail: p.cluster.Name,
		})
	}
	return err
}

// apply makes the pods those of the record. The caller holds the lock, and the cluster runs. A PostgREST that is not wanted is
// not waited for: its logins may be gone, which the run that comes next makes again.
func (p *Pods) apply(ctx context.Context, wanted []string, report func(Progress)) (place, error) {
	if _, err := p.cluster.PlattrImage(ctx, p.program); err != nil {
		return place{}, err
	}
	at, err := p.look(ctx)
	if err != nil {
		return at, err
	}
	if len(at.record.Leftovers) > 0 {
		if err := p.sweep(ctx, at, wanted, report); err != nil {
			return at, err
		}
		if at, err = p.look(ctx); err != nil {
			return at, err
		}
	}
	return at, p.run(ctx, at, wanted, report)
}

// sweep deletes the data of services that were removed, once their pods are gone: also where one of the same name is wanted
// again meanwhile.
func (p *Pods) sweep(ctx context.Context, at place, wanted []string, report func(Progress)) error {
	without := at
	without.record = at.record.clone()
	for app := range without.record.Redis {
		if slices.Contains(at.record.Leftovers, redisFolder(app)) {
			delete(without.record.Redis, app)
		}
	}
	if err := p.run(ctx, without, wanted, report); err != nil {
		return err
	}
	for _, folder := range at.record.Leftovers {
		if err := p.cluster.RemoveVolume(ctx, folder); err != nil {
			return err
		}
	}
	at.record.Leftovers = nil
	return p.state.WriteJSON(podsFile, at.record)
}

// run is one run of the engine, with the folders of data made before and the database's administrator after it.
func (p *Pods) run(ctx context.Context, at place, wanted []string, report func(Progress)) error {
	config, err := at.record.config(at.podsSetting)
	if err != nil {
		return err
	}
	for i, rest := range config.PostgREST {
		config.PostgREST[i].Unawaited = !slices.Contains(wanted, rest.Name)
	}
	for _, s := range config.Servers() {
		if err := p.makeVolume(ctx, s); err != nil {
			return err
		}
	}
	e, err := openEngine(p.state, p.owner)
	if err != nil {
		return err
	}
	if err := p.follow(ctx, e, config); err != nil {
		return err
	}
	events, finished := engine.Forward(p.telling(at, report))
	_, err = e.Up(ctx, servicesStack, local.Program(config), engine.RunOptions{Refresh: true, Events: events})
	finished()
	if err != nil {
		return err
	}
	if !at.record.PostgreSQL {
		return nil
	}
	return untilItWorks(ctx, func(ctx context.Context) error {
		return services.SettleAdmin(ctx, at.superURL(), at.secrets.DatabaseAdmin)
	})
}

func (p *Pods) makeVolume(ctx context.Context, s *local.Server) error {
	if s.Volume == nil {
		return nil
	}
	name := strings.TrimPrefix(s.Volume.Folder, kind.DataPath+"/")
	if _, err := os.Stat(filepath.Join(p.cluster.Data(), name)); err == nil {
		return nil
	}
	return p.cluster.MakeVolume(ctx, name, s.User)
}

// follow tells the state of the stack where the cluster is, if it was made anew since the last run.
func (p *Pods) follow(ctx context.Context, e *engine.Engine, config local.Config) error {
	outputs, err := e.Outputs(ctx, servicesStack)
	if errors.Is(err, engine.ErrStackNotFound) {
		return nil
	}
	if err != nil || outputs[local.OutputCluster].Value == config.Cluster() {
		return err
	}
	return e.Reconfigure(ctx, servicesStack, local.Providers(config))
}

// telling turns events of the engine into progress of services.
func (p *Pods) telling(at place, report func(Progress)) func(engine.Event) {
	return func(e engine.Event) {
		spec, ok := at.record.specOf(e.Name, at.podsSetting)
		if !ok || e.Type != "kubernetes:apps/v1:Deployment" {
			return
		}
		row := services.Table()[spec.Kind]
		said := Progress{Service: spec.Name, Title: row.Title, Version: spec.Version, Phase: Starting}
		made := slices.Contains([]engine.Operation{engine.Create, engine.Update, engine.CreateReplacement}, e.Operation)
		switch {
		case e.Kind == engine.Message && e.Severity == "info": // what its pod waits for
			said.Detail = waitsFor(e.Message)
		case e.Kind == engine.Started && made:
		case e.Kind == engine.Done && made:
			said.Phase, said.Detail = Ready, spec.Address(row.Main)
		default:
			return
		}
		report(said)
	}
}

// waitsFor is what a pod waits for, without the words of Kubernetes that say nothing more.
func waitsFor(message string) string {
	message, _, _ = strings.Cut(message, "\n")
	if _, after, ok := strings.Cut(message, "replicas are available"); ok {
		message = strings.TrimPrefix(after, ": ")
	}
	return message
}

// answerTimeout is how long a service whose pod is ready may take to answer on this machine. It is the time of a start: after a
// restart of the machine the pods pass for ready, as they were, until the kubelet has looked at them.
const answerTimeout = 2 * time.Minute

// untilItWorks tries until it works: the ports of the node answer a moment after their pods are ready.
func untilItWorks(ctx context.Context, try func(context.Context) error) error {
	limited, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	for {
		err := try(limited)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-limited.Done():
			return err
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// await uses each service until it works, as this machine reaches it: its pod is ready.
func (p *Pods) await(ctx context.Context, at place, wanted []string) error {
	var g errgroup.Group
	for _, name := range wanted {
		spec, ok := at.record.specOf(name, at.podsSetting)
		if !ok {
			continue
		}
		g.Go(func() error {
			if err := untilItWorks(ctx, func(ctx context.Context) error { return p.use(ctx, spec) }); err != nil {
				row := services.Table()[spec.Kind]
				return fmt.Errorf("%s does not answer at %s: %w", row.Title, spec.Address(row.Main), err)
			}
			return nil
		})
	}
	return g.Wait() //nolint:wrapcheck // they come from here
}

// use tells whether a service does its work, as this machine reaches it.
func (p *Pods) use(ctx context.Context, spec services.Spec) error {
	if spec.Kind != services.PostgREST {
		return services.Table()[spec.Kind].Ready(ctx, services.Place{State: p.state}, spec)
	}
	// Its own state is not among the mapped ports. Any answer but its 503 says that it serves the schema.
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, "http://"+spec.Address(ports.PostgREST)+"/", nil)
	if err != nil {
		return fmt.Errorf("ask PostgREST: %w", err)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, Proxy: nil}}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("ask PostgREST: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode >= http.StatusInternalServerError {
		return fmt.Errorf("PostgREST answers %s", resp.Status)
	}
	return nil
}

// errNotAsDeclared says that a service is not there as it should be.
var errNotAsDeclared = errors.New("it is not there as it should be")

// runs tells whether the services are there as they were declared, and do their work.
func (p *Pods) runs(ctx context.Context, at place, wanted []string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	config, err := at.record.config(at.podsSetting)
	if err != nil {
		return err
	}
	there, err := p.deployments(ctx)
	if err != nil {
		return err
	}
	for _, s := range config.Servers() {
		if !slices.Contains(wanted, s.App.Name) {
			continue
		}
		hash, err := s.Hash()
		if err != nil {
			return err
		}
		if d := there[s.App.Name]; d == nil || d.Metadata.Annotations[local.HashAnnotation] != hash || !d.ready() {
			return errNotAsDeclared
		}
	}
	if slices.Contains(wanted, ingressName) && !p.servesIngresses(ctx) {
		return errNotAsDeclared
	}
	g, ctx := errgroup.WithContext(ctx)
	for _, name := range wanted {
		if spec, ok := at.record.specOf(name, at.podsSetting); ok {
			g.Go(func() error { return p.use(ctx, spec) })
		}
	}
	return g.Wait() //nolint:wrapcheck // they come from here
}

// ForgetPorts has nothing to do: the ports of the cluster go with the service that has them.
func (p *Pods) ForgetPorts(context.Context, string) error { return nil }
