// Package server runs one local service, a database or the like, as a pod in the laptop's cluster: a Deployment of one pod, a
// Service whose ports the node has, and a Secret with what it is told.
package server

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strings"

	appsv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apps/v1"
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"plattr.dev/plattr/internal/kube"
)

// Type is the Pulumi type token; changing it replaces every Server.
const Type = "plattr:components:Server"

// HashAnnotation is the annotation of a Deployment with the hash of what it was made of; see [Args.Hash].
const HashAnnotation = "plattr.dev/server"

// Args is what a Server needs. The component takes its provider, kubernetes, from its resource options.
type Args struct {
	App kube.App
	// User is who its processes are; 0 leaves it to the image.
	User int
	Container
	// Init are containers that end before it starts, Beside are those that run with it.
	Init, Beside []Container
	// Ports are those of its Service.
	Ports []Port
	// Secrets are files, by name, that its containers find in SecretsPath, and the source of their secret variables.
	Secrets map[string]string
	// Volume is where its data are; nil: it has none that outlive it.
	Volume *Volume
	// Scratch are empty folders that its containers share and may write to.
	Scratch []string
	// Health says when it does its work.
	Health Health
	// Unawaited lets the program end before it does its work.
	Unawaited bool `json:"-"`
}

// SecretsPath is where a container finds the files of [Args.Secrets].
const SecretsPath = "/run/secrets/plattr"

// Container is one of the pod's.
type Container struct {
	Image string
	// Command and Args are as in Kubernetes: nil leaves it to the image.
	Command, Args []string
	// Env is what is no secret, SecretEnv the names of secrets by variable.
	Env, SecretEnv map[string]string
	// CPU and Memory are requests, Limit is that of memory, in Kubernetes' notation.
	CPU, Memory, Limit string
}

// Port is a port of the pod, of the same number in its Service. Node is the one of the node; 0: none.
type Port struct {
	Name       string
	Port, Node int
}

// Volume is a folder of the node.
type Volume struct{ Folder, Path string }

// Health asks a port of the pod: for a path, or without one whether anything listens.
type Health struct {
	Path string
	Port int
}

// Server is a running service.
type Server struct {
	pulumi.ResourceState

	// Address is host:port of its first port for pods; it is known when it does its work.
	Address pulumi.StringOutput
}

// Hash names the arguments, without giving their secrets away.
func (a *Args) Hash() (string, error) {
	raw, err := json.Marshal(a)
	if err != nil {
		return "", fmt.Errorf("name the arguments of server %s: %w", a.App.Name, err)
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:]), nil
}

// New registers a Server and its objects.
func New(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*Server, error) {
	if err := args.validate(); err != nil {
		return nil, fmt.Errorf("server %q: %w", name, err)
	}
	s := &Server{}
	if err := ctx.RegisterComponentResource(Type, name, s, opts...); err != nil {
		return nil, fmt.Errorf("register server %q: %w", name, err)
	}
	if err := s.add(ctx, name, args); err != nil {
		return nil, fmt.Errorf("server %q: %w", name, err)
	}
	return s, ctx.RegisterResourceOutputs(s, pulumi.Map{"address": s.Address}) //nolint:wrapcheck // there is nothing to add
}

func (a *Args) validate() error {
	errs := []error{a.App.Validate()}
	if a.Image == "" {
		errs = append(errs, errors.New("there is no image"))
	}
	if len(a.Ports) == 0 {
		errs = append(errs, errors.New("it has no port"))
	}
	for _, c := range a.containers() {
		for variable, secret := range c.SecretEnv {
			if _, ok := a.Secrets[secret]; !ok {
				errs = append(errs, fmt.Errorf("variable %s: there is no secret %q", variable, secret))
			}
		}
	}
	return errors.Join(errs...)
}

func (a *Args) containers() []Container {
	return append(append([]Container{a.Container}, a.Init...), a.Beside...)
}

func (s *Server) add(ctx *pulumi.Context, name string, args *Args) error {
	hash, err := args.Hash()
	if err != nil {
		return err
	}
	parent := pulumi.Parent(s)
	var secrets pulumi.StringInput = pulumi.String("")
	if len(args.Secrets) > 0 {
		made, err := corev1.NewSecret(ctx, name, &corev1.SecretArgs{
			Metadata:   args.App.Object(args.App.Name),
			StringData: pulumi.ToSecret(pulumi.ToStringMap(args.Secrets)).(pulumi.StringMapOutput), //nolint:forcetypeassert // keeps the type
		}, parent)
		if err != nil {
			return fmt.Errorf("secret: %w", err)
		}
		secrets = made.Metadata.Name().Elem()
	}
	unawaited := pulumi.StringMap{}
	if args.Unawaited {
		unawaited = kube.Unawaited()
	}
	deployment, err := appsv1.NewDeployment(ctx, name, &appsv1.DeploymentArgs{
		Metadata: args.App.Object(args.App.Name, pulumi.StringMap{HashAnnotation: pulumi.String(hash)}, unawaited),
		Spec:     args.deployment(hash, secrets),
	}, parent)
	if err != nil {
		return fmt.Errorf("deployment: %w", err)
	}
	service, err := corev1.NewService(ctx, name, &corev1.ServiceArgs{
		Metadata: args.App.Object(args.App.Name, kube.Unawaited()), Spec: args.service(),
	}, parent)
	if err != nil {
		return fmt.Errorf("service: %w", err)
	}
	s.Address = pulumi.Sprintf("%s.%s:%d", service.Metadata.Name().Elem(), deployment.Metadata.Namespace().Elem(), args.Ports[0].Port)
	return nil
}

func (a *Args) service() *corev1.ServiceSpecArgs {
	spec := &corev1.ServiceSpecArgs{Selector: a.App.Selector(kube.RoleServer)}
	var ports corev1.ServicePortArray
	for _, p := range a.Ports {
		port := &corev1.ServicePortArgs{Name: pulumi.String(p.Name), Port: pulumi.Int(p.Port), TargetPort: pulumi.Int(p.Port)}
		if p.Node != 0 {
			port.NodePort = pulumi.IntPtr(p.Node)
			spec.Type = pulumi.String("NodePort")
		}
		ports = append(ports, port)
	}
	spec.Ports = ports
	return spec
}

// progressSeconds is how long a start may stand still: a server that recovers from a crash takes its time.
const progressSeconds = 600

func (a *Args) deployment(hash string, secrets pulumi.StringInput) *appsv1.DeploymentSpecArgs {
	return &appsv1.DeploymentSpecArgs{
		Replicas: pulumi.Int(1), RevisionHistoryLimit: pulumi.Int(1), ProgressDeadlineSeconds: pulumi.Int(progressSeconds),
		Selector: &metav1.LabelSelectorArgs{MatchLabels: a.App.Selector(kube.RoleServer)},
		// Two would write to one folder of data.
		Strategy: &appsv1.DeploymentStrategyArgs{Type: pulumi.String("Recreate")},
		Template: &corev1.PodTemplateSpecArgs{
			// The hash rolls the pod when a secret changes.
			Metadata: &metav1.ObjectMetaArgs{
				Labels: a.App.PodLabels(kube.RoleServer), Annotations: pulumi.StringMap{HashAnnotation: pulumi.String(hash)},
			},
			Spec: a.pod(secrets),
		},
	}
}

func (a *Args) pod(secrets pulumi.StringInput) *corev1.PodSpecArgs {
	pod := &corev1.PodSpecArgs{
		AutomountServiceAccountToken: pulumi.Bool(false), EnableServiceLinks: pulumi.Bool(false), SecurityContext: kube.PodSecurity(a.User),
		Volumes: a.volumes(secrets),
	}
	server := a.container("server", a.Container, secrets)
	server.StartupProbe, server.ReadinessProbe = a.Health.probe(startPeriod, startFailures), a.Health.probe(readyPeriod, readyFailures)
	containers := corev1.ContainerArray{server}
	for _, c := range a.Beside {
		containers = append(containers, a.container(beside(c), c, secrets))
	}
	pod.Containers = containers
	if len(a.Init) > 0 {
		var init corev1.ContainerArray
		for i, c := range a.Init {
			init = append(init, a.container(fmt.Sprintf("init-%d", i), c, secrets))
		}
		pod.InitContainers = init
	}
	return pod
}

// beside names a container after its program.
func beside(c Container) string {
	name, _, _ := strings.Cut(path.Base(c.Image), "@")
	name, _, _ = strings.Cut(name, ":")
	return name
}

// The probes, in seconds and times. The start is asked for often: a person waits for it.
const (
	startPeriod, startFailures = 1, 300
	readyPeriod, readyFailures = 5, 3
)

func (h Health) probe(period, failures int) *corev1.ProbeArgs {
	p := &corev1.ProbeArgs{PeriodSeconds: pulumi.Int(period), FailureThreshold: pulumi.Int(failures), TimeoutSeconds: pulumi.Int(3)}
	if h.Path == "" {
		p.TcpSocket = &corev1.TCPSocketActionArgs{Port: pulumi.Int(h.Port)}
	} else {
		p.HttpGet = &corev1.HTTPGetActionArgs{Path: pulumi.String(h.Path), Port: pulumi.Int(h.Port)}
	}
	return p
}

func (a *Args) container(name string, c Container, secrets pulumi.StringInput) *corev1.ContainerArgs {
	out := &corev1.ContainerArgs{
		Name: pulumi.String(name), Image: pulumi.String(c.Image), ImagePullPolicy: pulumi.String("IfNotPresent"),
		Env: environment(c, secrets), Resources: kube.Resources(c.CPU, c.Memory, c.Limit), SecurityContext: kube.ContainerSecurity(),
		VolumeMounts:             a.mounts(),
		TerminationMessagePolicy: pulumi.String("FallbackToLogsOnError"),
	}
	if c.Command != nil {
		out.Command = pulumi.ToStringArray(c.Command)
	}
	if c.Args != nil {
		out.Args = pulumi.ToStringArray(c.Args)
	}
	return out
}
