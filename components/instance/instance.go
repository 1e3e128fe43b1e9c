// Package instance runs a server that is one application's alone beside its pods: Redis, or OpenSearch. Nobody but the
// application's pods can reach it.
package instance

import (
	"errors"
	"fmt"

	appsv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apps/v1"
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	networkingv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/networking/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"plattr.dev/plattr/internal/kube"
)

// Type is the Pulumi type token; changing it replaces every deployed instance.
const Type = "plattr:components:Instance"

// Kind is what server it is.
type Kind string

// The kinds.
const (
	Redis      Kind = "redis"
	OpenSearch Kind = "search"
)

// Args is what an Instance needs. The component takes its providers, kubernetes and plattr, from its resource options.
type Args struct {
	App  kube.App
	Kind Kind
	// Image is Redis' or OpenSearch's official one, or one with the same users, folders and variables.
	Image string
}

// Instance is a server.
type Instance struct {
	pulumi.ResourceState

	// URL is the server's for the application's pods; it is known when the server answers. That of Redis holds the password.
	URL pulumi.StringOutput
}

// Port is where a server of a kind listens.
func (k Kind) Port() int { return servers()[k].port }

// server is what the kinds differ in.
type server struct {
	port int
	// user owns data, the folder of the volume of the given size.
	user       int
	data, size string
	// cpu and memory are requests; the memory is the limit, too.
	cpu, memory string
	command     []string
	env         map[string]string
	ready       *corev1.ProbeArgs
}

// configPath is where a server finds its configuration, where it has one.
const configPath = "/etc/instance"

func servers() map[Kind]server {
	probe := corev1.ProbeArgs{PeriodSeconds: pulumi.Int(2), FailureThreshold: pulumi.Int(3), TimeoutSeconds: pulumi.Int(3)}
	redis, search := probe, probe
	redis.TcpSocket = &corev1.TCPSocketActionArgs{Port: pulumi.Int(6379)}
	search.HttpGet = &corev1.HTTPGetActionArgs{Path: pulumi.String("/_cluster/health?local=true"), Port: pulumi.Int(9200)}
	return map[Kind]server{
		Redis: {
			port: 6379, user: 999, data: "/data", size: "1Gi", cpu: "50m", memory: "256Mi",
			command: []string{"redis-server", configPath + "/redis.conf"}, ready: &redis,
		},
		OpenSearch: {
			port: 9200, user: 1000, data: "/usr/share/opensearch/data", size: "5Gi", cpu: "100m", memory: "1280Mi",
			env: map[string]string{
				"discovery.type": "single-node", "node.store.allow_mmap": "false", // the usual node allows too few maps
				"DISABLE_SECURITY_PLUGIN": "true", "DISABLE_INSTALL_DEMO_CONFIG": "true", "OPENSEARCH_JAVA_OPTS": "-Xms512m -Xmx512m",
			},
			ready: &search,
		},
	}
}

// New registers an Instance and its objects.
func New(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*Instance, error) {
	if err := args.validate(); err != nil {
		return nil, fmt.Errorf("instance %q: %w", name, err)
	}
	i := &Instance{}
	if err := ctx.RegisterComponentResource(Type, name+"-"+string(args.Kind), i, opts...); err != nil {
		return nil, fmt.Errorf("register instance %q: %w", name, err)
	}
	b := &builder{ctx: ctx, args: args, server: servers()[args.Kind], name: name + "-" + string(args.Kind), parent: pulumi.Parent(i)}
	for _, step := range []func() error{b.addConfig, b.addVolume, b.addService, b.addPolicy, b.addServer} {
		if err := step(); err != nil {
			return nil, fmt.Errorf("instance %q: %w", b.name, err)
		}
	}
	i.URL = b.url()
	return i, ctx.RegisterResourceOutputs(i, pulumi.Map{"url": i.URL}) //nolint:wrapcheck // there is nothing to add
}

func (a *Args) validate() error {
	errs := []error{a.App.Validate()}
	if _, ok := servers()[a.Kind]; !ok {
		errs = append(errs, fmt.Errorf("kind %q is neither %s nor %s", a.Kind, Redis, OpenSearch))
	}
	if a.Image == "" {
		errs = append(errs, errors.New("it has no image"))
	}
	return errors.Join(errs...)
}

// builder makes the objects of one instance.
type builder struct {
	ctx    *pulumi.Context
	args   *Args
	server server
	// name is that of the resources, object that of the objects.
	name   string
	parent pulumi.ResourceOption

	password pulumi.StringOutput // Redis only
	config   pulumi.StringInput  // the Secret's name, nil where there is none
	checksum pulumi.StringInput
	volume   pulumi.StringInput
	ready    pulumi.StringOutput // the Deployment's name, known when it is ready
}

func (b *builder) object() string { return b.args.App.Name + "-" + string(b.args.Kind) }

// role tells the server's pods from the application's.
func (b *builder) role() string { return string(b.args.Kind) }

func (b *builder) addVolume() error {
	claim, err := corev1.NewPersistentVolumeClaim(b.ctx, b.name, &corev1.PersistentVolumeClaimArgs{
		// It is bound when the pod comes.
		Metadata: b.args.App.Object(b.object(), kube.Unawaited()),
		Spec: &corev1.PersistentVolumeClaimSpecArgs{
			AccessModes: pulumi.ToStringArray([]string{"ReadWriteOnce"}),
			Resources:   &corev1.VolumeResourceRequirementsArgs{Requests: pulumi.StringMap{"storage": pulumi.String(b.server.size)}},
		},
	}, b.parent)
	if err != nil {
		return fmt.Errorf("volume: %w", err)
	}
	b.volume = claim.Metadata.Name().Elem()
	return nil
}

func (b *builder) addService() error {
	_, err := corev1.NewService(b.ctx, b.name, &corev1.ServiceArgs{
		Metadata: b.args.App.Object(b.object(), kube.Unawaited()),
		Spec: &corev1.ServiceSpecArgs{
			Selector: b.args.App.Selector(b.role()),
			Ports:    corev1.ServicePortArray{&corev1.ServicePortArgs{Port: pulumi.Int(b.server.port)}},
		},
	}, b.parent)
	if err != nil {
		return fmt.Errorf("service: %w", err)
	}
	return nil
}

// addPolicy lets the application's pods in, and nobody else; the server itself needs to reach nobody.
func (b *builder) addPolicy() error {
	from := networkingv1.NetworkPolicyPeerArray{}
	for _, role := range []string{kube.RoleServer, kube.RoleMigration} {
		from = append(from, &networkingv1.NetworkPolicyPeerArgs{
			PodSelector: &metav1.LabelSelectorArgs{MatchLabels: b.args.App.Selector(role)},
		})
	}
	_, err := networkingv1.NewNetworkPolicy(b.ctx, b.name, &networkingv1.NetworkPolicyArgs{
		Metadata: b.args.App.Object(b.object()),
		Spec: &networkingv1.NetworkPolicySpecArgs{
			PodSelector: &metav1.LabelSelectorArgs{MatchLabels: b.args.App.Selector(b.role())},
			PolicyTypes: pulumi.ToStringArray([]string{"Ingress", "Egress"}),
			Ingress: networkingv1.NetworkPolicyIngressRuleArray{&networkingv1.NetworkPolicyIngressRuleArgs{
				From: from, Ports: networkingv1.NetworkPolicyPortArray{
					&networkingv1.NetworkPolicyPortArgs{Protocol: pulumi.String("TCP"), Port: pulumi.Int(b.server.port)},
				},
			}},
		},
	}, b.parent)
	if err != nil {
		return fmt.Errorf("network policy: %w", err)
	}
	return nil
}

func (b *builder) addServer() error {
	annotations := pulumi.StringMap{}
	if b.checksum != nil {
		annotations["plattr.dev/settings"] = b.checksum
	}
	deployment, err := appsv1.NewDeployment(b.ctx, b.name, &appsv1.DeploymentArgs{
		Metadata: b.args.App.Object(b.object()),
		Spec: &appsv1.DeploymentSpecArgs{
			Replicas: pulumi.Int(1), RevisionHistoryLimit: pulumi.Int(1),
			Selector: &metav1.LabelSelectorArgs{MatchLabels: b.args.App.Selector(b.role())},
			// Two must not write to one volume.
			Strategy: &appsv1.DeploymentStrategyArgs{Type: pulumi.String("Recreate")},
			Template: &corev1.PodTemplateSpecArgs{
				Metadata: &metav1.ObjectMetaArgs{Labels: b.args.App.PodLabels(b.role()), Annotations: annotations},
				Spec:     b.pod(),
			},
		},
	}, b.parent)
	if err != nil {
		return fmt.Errorf("deployment: %w", err)
	}
	b.ready = deployment.Metadata.Name().Elem()
	return nil
}

func (b *builder) pod() *corev1.PodSpecArgs {
	s := b.server
	c := &corev1.ContainerArgs{
		Name: pulumi.String(b.args.Kind), Image: pulumi.String(b.args.Image), ImagePullPolicy: pulumi.String("IfNotPresent"),
		Ports:        corev1.ContainerPortArray{&corev1.ContainerPortArgs{ContainerPort: pulumi.Int(s.port)}},
		Resources:    kube.Resources(s.cpu, s.memory, s.memory),
		VolumeMounts: corev1.VolumeMountArray{&corev1.VolumeMountArgs{Name: pulumi.String("data"), MountPath: pulumi.String(s.data)}},

		SecurityContext: kube.ContainerSecurity(), ReadinessProbe: s.ready,
		TerminationMessagePolicy: pulumi.String("FallbackToLogsOnError"),
	}
	if len(s.command) > 0 {
		c.Command = pulumi.ToStringArray(s.command)
	}
	env := corev1.EnvVarArray{}
	for _, name := range sorted(s.env) {
		env = append(env, &corev1.EnvVarArgs{Name: pulumi.String(name), Value: pulumi.String(s.env[name])})
	}
	if len(env) > 0 {
		c.Env = env
	}
	volumes := corev1.VolumeArray{&corev1.VolumeArgs{
		Name: pulumi.String("data"), PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSourceArgs{ClaimName: b.volume},
	}}
	if b.config != nil {
		volumes = append(volumes, &corev1.VolumeArgs{
			Name: pulumi.String("config"), Secret: &corev1.SecretVolumeSourceArgs{SecretName: b.config},
		})
		c.VolumeMounts = append(c.VolumeMounts.(corev1.VolumeMountArray), &corev1.VolumeMountArgs{ //nolint:forcetypeassert // made above
			Name: pulumi.String("config"), MountPath: pulumi.String(configPath), ReadOnly: pulumi.Bool(true),
		})
	}
	return &corev1.PodSpecArgs{
		AutomountServiceAccountToken: pulumi.Bool(false), EnableServiceLinks: pulumi.Bool(false),
		SecurityContext: kube.PodSecurity(s.user), Containers: corev1.ContainerArray{c}, Volumes: volumes,
	}
}
