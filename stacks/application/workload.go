package application

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"plattr.dev/plattr/components/migration"
	"plattr.dev/plattr/components/network"
	"plattr.dev/plattr/components/settings"
	"plattr.dev/plattr/components/workload"
	"plattr.dev/plattr/internal/environ"
	"plattr.dev/plattr/internal/kube"
	"plattr.dev/plattr/internal/providers/plattr/sdk"
)

// How the workload is reached.
type (
	// Ingress says how the cluster's ingress controller is told.
	Ingress = network.Ingress
	// Rewrite takes the path of the REST API off its requests.
	Rewrite = network.Rewrite
	// Peer is a place that the pods may talk to.
	Peer = network.Peer
)

// Workload is a release of an application in a cluster.
type Workload struct {
	App kube.App
	// Release is what runs; Earlier are those before it whose migrations are kept to be looked at.
	Release Release
	Earlier []Release
	// Attempt rolls the pods when it changes.
	Attempt string
	// User is who runs where the image names no number; 0 leaves it to the image.
	User int
	// PlattrImage and RestImage are those of plattr itself and of PostgREST.
	PlattrImage, RestImage string
	// Port is the application's, HealthPath what probes ask for.
	Port       int
	HealthPath string
	// CPU and Memory are requests; the memory is the limit, too.
	CPU, Memory string
	// Replicas is the least number of pods, MaxReplicas the greatest.
	Replicas, MaxReplicas, TargetCPU int
	// Env is what plattr.yaml gives the application, UserEnv what `env set` does: nobody knows whether that is secret.
	Env, UserEnv map[string]string
	// Migrations says how a release migrates; nil where it does not, or does so itself.
	Migrations *Migrations
	Host       string
	Ingress    Ingress
	Egress     []Peer
	// Inside are the servers as pods reach them, host:port by that at which plattr does; those that are not in it are the same
	// for both.
	Inside map[string]string
}

// Release is one version of an application that was, or is, deployed.
type Release struct {
	ID, Image string
	// Migrated says that its migrations ran before: no Job is made.
	Migrated bool
}

// Migrations says how a release migrates.
type Migrations struct {
	Engine, Path string
	// Schema holds the record of what ran.
	Schema string
}

// Cluster is where a workload runs, and who plattr is there.
type Cluster struct {
	// Kubeconfig is a path, or the content of one; empty means the machine's default, or the pod's own identity.
	Kubeconfig string
	// Context is one of the kubeconfig; empty means its current one.
	Context string
}

// provider registers a provider of the cluster's objects.
func (c Cluster) provider(name string) func(*pulumi.Context) (pulumi.ProviderResource, error) {
	return func(ctx *pulumi.Context) (pulumi.ProviderResource, error) { return c.register(ctx, name) }
}

func (c Cluster) register(ctx *pulumi.Context, name string) (pulumi.ProviderResource, error) {
	args := &kubernetes.ProviderArgs{
		EnableServerSideApply: pulumi.Bool(true),
		// Values change in place: the pods are rolled by the hash of all of them.
		EnableConfigMapMutable: pulumi.Bool(true), EnableSecretMutable: pulumi.Bool(true),
	}
	if c.Kubeconfig != "" {
		args.Kubeconfig = pulumi.ToSecret(pulumi.StringPtr(c.Kubeconfig)).(pulumi.StringPtrOutput) //nolint:forcetypeassert // keeps the type
	}
	if c.Context != "" {
		args.Context = pulumi.String(c.Context)
	}
	p, err := kubernetes.NewProvider(ctx, name, args)
	if err != nil {
		return nil, fmt.Errorf("provider kubernetes: %w", err)
	}
	return p, nil
}

func addWorkload(ctx *pulumi.Context, c Config, outputs pulumi.Map) error {
	w := c.Workload
	if w == nil {
		return nil
	}
	with, err := c.providers(ctx, PartWorkload)
	if err != nil {
		return err
	}
	env, err := settings.New(ctx, c.App, &settings.Args{App: w.App, Parts: c.settings(outputs)}, with)
	if err != nil {
		return err
	}
	migrated, err := w.migrate(ctx, c.App, env, with)
	if err != nil {
		return err
	}
	args := w.args(env, migrated)
	args.Rest = c.rest(env)
	running, err := workload.New(ctx, c.App, args, with)
	if err != nil {
		return err
	}
	net, err := network.New(ctx, c.App, c.network(), with)
	if err != nil {
		return err
	}
	maps.Copy(outputs, pulumi.Map{
		OutputURL: net.URL, OutputImage: pulumi.String(w.Release.Image),
		// Known when its pods are ready. A run that fails before has no outputs at all, and the stack keeps those it had.
		OutputRelease: running.Name.ApplyT(func(string) string { return w.Release.ID }).(pulumi.StringOutput), //nolint:forcetypeassert // of such a function
	})
	return nil
}

// migrate makes the Jobs of this release and of those before it, and returns the name of this one's: it is known when the
// migrations are done.
func (w *Workload) migrate(
	ctx *pulumi.Context, name string, env *settings.Settings, with pulumi.ResourceOption,
) (pulumi.StringInput, error) {
	var done pulumi.StringInput = pulumi.String("")
	if w.Migrations == nil {
		return done, nil
	}
	for i, release := range append([]Release{w.Release}, w.Earlier...) {
		if release.Migrated {
			continue
		}
		m, err := migration.New(ctx, name+"-"+release.ID, &migration.Args{
			App: w.App, Release: release.ID, Image: release.Image, PlattrImage: w.PlattrImage, User: w.User,
			Engine: w.Migrations.Engine, Path: w.Migrations.Path, Schema: w.Migrations.Schema, Settings: env.Sources, Past: i > 0,
		}, with)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			done = m.Job
		}
	}
	return done, nil
}

func (w *Workload) args(env *settings.Settings, migrated pulumi.StringInput) *workload.Args {
	return &workload.Args{
		App: w.App, Image: w.Release.Image, Attempt: w.Attempt, User: w.User, Port: w.Port, HealthPath: w.HealthPath, CPU: w.CPU, Memory: w.Memory,
		Replicas: w.Replicas, MaxReplicas: w.MaxReplicas, TargetCPU: w.TargetCPU,
		Settings: env.Sources, SettingsHash: env.Hash, Migrated: migrated,
	}
}

func (c Config) network() *network.Args {
	w := c.Workload
	args := &network.Args{App: w.App, Host: w.Host, Port: w.Port, Ingress: w.Ingress, Egress: slices.Clone(w.Egress)}
	if c.Database != nil && c.Database.REST != nil {
		args.RestPort = workload.RestPort
	}
	for kind, image := range c.instances() {
		if image != "" {
			args.Egress = append(args.Egress, Peer{Namespace: w.App.Namespace, Ports: []int{kind.Port()}})
		}
	}
	slices.SortFunc(args.Egress, func(a, b Peer) int { return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	return args
}

func (c Config) rest(env *settings.Settings) *workload.Rest {
	if c.Database == nil || c.Database.REST == nil {
		return nil
	}
	r := &workload.Rest{
		Image: c.Workload.RestImage, KeysImage: c.Workload.PlattrImage, Secret: env.Apart[partRest].Name,
		Schema: c.Database.Schema, AnonRole: c.Database.REST.AnonRole, Channel: sdk.Channel(c.Database.Schema),
		PublicURL: c.network().RestURL(),
	}
	if c.Auth != nil {
		// What Keycloak publishes for every realm.
		r.KeysURL = environ.Inside(cmp.Or(c.Auth.InternalURL, c.Auth.ServerURL), c.Workload.Inside) +
			"/realms/" + c.Auth.Realm + "/protocol/openid-connect/certs"
		r.Audience = c.Auth.ClientID
	}
	return r
}

// The parts of the settings that are none of the environment's.
const (
	partRest   = "rest"
	partConfig = "config"
	partUser   = "env"
)

// objects are the parts of the environment that a cluster has objects of, with the ends of their names. A ConfigMap holds
// what is no secret of sign-in and storage; what the others have that is none is not worth a second object.
func (c Config) objects() []part {
	return []part{
		{environ.PartDatabase, "db", c.Database != nil, false},
		{environ.PartStorage, "storage", c.Storage != nil && c.Storage.User != "", c.Storage != nil},
		{environ.PartAuth, "auth", c.Auth != nil && !c.Auth.Public, c.Auth != nil},
		{environ.PartRedis, "redis", c.Redis != nil || c.OwnRedis != "", false},
		{environ.PartSearch, "search", c.Search != nil || c.OwnSearch != "", false},
	}
}

type part struct {
	name, object  string
	secret, plain bool
}

// takes tells whether a variable goes into the part's object of a kind.
func (p part) takes(v environ.Variable, secret bool) bool {
	return v.Part == p.name && (secret && (v.Secret || !p.plain) || !secret && !v.Secret)
}

// of are the part's variables of a kind, of what the parts of the program gave out.
func (p part) of(given pulumi.MapOutput, rest environ.REST, inside map[string]string, secret bool) pulumi.StringMapOutput {
	return given.ApplyT(func(values map[string]any) (map[string]string, error) {
		connections, err := ConnectionsOf(values)
		if err != nil {
			return nil, err
		}
		out := map[string]string{}
		for _, v := range environ.Variables(connections.Inside(inside), rest) {
			if p.takes(v, secret) {
				out[v.Name] = v.Value
			}
		}
		return out, nil
	}).(pulumi.StringMapOutput) //nolint:forcetypeassert // of a function that returns such
}

// RestAddresses are those of the REST API, as browsers and as the pods see it; empty where there is none.
func (c Config) RestAddresses() environ.REST {
	url := c.network().RestURL()
	if url == "" {
		return environ.REST{}
	}
	return environ.REST{URL: url, InternalURL: fmt.Sprintf("http://127.0.0.1:%d", workload.RestPort)}
}

// settings are what the pods find in their environment, of what the parts of the program gave out.
func (c Config) settings(outputs pulumi.Map) []settings.Part {
	w, rest := c.Workload, c.RestAddresses()
	given := maps.Clone(outputs).ToMapOutput() // read later, when more is in the map: what came of the workload, too
	var parts []settings.Part
	for _, p := range c.objects() {
		made := settings.Part{Name: p.object}
		if p.secret {
			made.Secret = p.of(given, rest, w.Inside, true)
		}
		if p.plain {
			made.Plain = pulumi.Unsecret(p.of(given, rest, w.Inside, false)).(pulumi.StringMapOutput) //nolint:forcetypeassert // keeps the type
		}
		parts = append(parts, made)
	}
	if url, ok := outputs[OutputRestURL]; ok && c.Database.REST != nil {
		parts = append(parts, settings.Part{
			Name: partRest, Secret: pulumi.StringMap{workload.RestURLKey: w.inside(url)}, Apart: true,
		})
	}
	parts = append(parts, settings.Part{Name: partConfig, Plain: pulumi.ToStringMap(w.Env)})
	if len(w.UserEnv) > 0 {
		parts = append(parts, settings.Part{Name: partUser, Secret: pulumi.ToStringMap(w.UserEnv)})
	}
	return slices.DeleteFunc(parts, func(p settings.Part) bool { return p.Secret == nil && p.Plain == nil })
}

// inside is a URL as pods use it.
func (w *Workload) inside(url pulumi.Input) pulumi.StringOutput {
	return url.(pulumi.StringInput).ToStringOutput().ApplyT(func(u string) string { //nolint:forcetypeassert // a text
		return environ.Inside(u, w.Inside)
	}).(pulumi.StringOutput) //nolint:forcetypeassert // of a function that returns such
}
