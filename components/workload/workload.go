// Package workload runs an application's image as pods in a cluster: a Deployment with PostgREST beside the application,
// its service account, how it scales, and how many of its pods may be away at once.
package workload

import (
	"errors"
	"fmt"

	appsv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apps/v1"
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"k8s.io/apimachinery/pkg/api/resource"

	"plattr.dev/plattr/internal/kube"
)

// Type is the Pulumi type token; changing it replaces every deployed Workload.
const Type = "plattr:components:Workload"

// Args is what a Workload needs. The component takes its provider, kubernetes, from its resource options.
type Args struct {
	App kube.App
	// Image is the application's, by digest.
	Image string
	// Attempt rolls the pods when it changes, for those that could not begin; empty means nothing.
	Attempt string
	// User is who its processes are, where the image names no number; 0 leaves it to the image. Root is never allowed.
	User int
	// Port is the one that the application listens on, HealthPath what probes ask for.
	Port       int
	HealthPath string
	// CPU and Memory are requests in Kubernetes' notation; the memory is the limit, too.
	CPU, Memory string
	// Replicas is the least number of pods. More than it in MaxReplicas makes an autoscaler, which adds pods when they use
	// more than TargetCPU percent of CPU; else the number is fixed.
	Replicas, MaxReplicas, TargetCPU int
	// Settings is the environment, a later source counts more. SettingsHash rolls the pods when a value changes.
	Settings     []kube.Source
	SettingsHash pulumi.StringInput `json:"-"`
	// Migrated is the name of the Job that migrated for this release: the pods come after it. Nil or empty means none.
	Migrated pulumi.StringInput `json:"-"`
	// Annotations are those of the service account, as a cloud's web identity wants them.
	Annotations map[string]string
	// Rest is PostgREST beside the application; nil means none.
	Rest *Rest
}

// Workload is a running application.
type Workload struct {
	pulumi.ResourceState

	// Name is the Deployment's; it is known when the pods are ready.
	Name pulumi.StringOutput
}

// New registers a Workload and its objects.
func New(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*Workload, error) {
	if err := args.validate(); err != nil {
		return nil, fmt.Errorf("workload %q: %w", name, err)
	}
	w := &Workload{}
	if err := ctx.RegisterComponentResource(Type, name, w, opts...); err != nil {
		return nil, fmt.Errorf("register workload %q: %w", name, err)
	}
	if err := w.add(ctx, name, args); err != nil {
		return nil, fmt.Errorf("workload %q: %w", name, err)
	}
	return w, ctx.RegisterResourceOutputs(w, pulumi.Map{"name": w.Name}) //nolint:wrapcheck // there is nothing to add
}

func (w *Workload) add(ctx *pulumi.Context, name string, args *Args) error {
	parent := pulumi.Parent(w)
	annotations := pulumi.ToStringMap(args.Annotations)
	account, err := corev1.NewServiceAccount(ctx, name, &corev1.ServiceAccountArgs{
		Metadata: args.App.Object(args.App.Name, annotations), AutomountServiceAccountToken: pulumi.Bool(false),
	}, parent)
	if err != nil {
		return fmt.Errorf("service account: %w", err)
	}
	spec := args.deployment(account.Metadata.Name().Elem())
	deployment, err := appsv1.NewDeployment(ctx, name, &appsv1.DeploymentArgs{
		Metadata: args.App.Object(args.App.Name, args.history()), Spec: spec,
	}, parent)
	if err != nil {
		return fmt.Errorf("deployment: %w", err)
	}
	w.Name = deployment.Metadata.Name().Elem()
	if err := args.addScaling(ctx, name, w.Name, parent); err != nil {
		return err
	}
	return args.addBudget(ctx, name, parent)
}

func (a *Args) validate() error {
	errs := []error{a.App.Validate()}
	if !kube.HasDigest(a.Image) {
		errs = append(errs, fmt.Errorf("image %q names no digest", a.Image))
	}
	if a.Port < 1 || a.Port > 65535 {
		errs = append(errs, fmt.Errorf("%d is no port", a.Port))
	}
	if a.Rest != nil && (a.Port == RestPort || a.Port == restAdminPort) {
		errs = append(errs, fmt.Errorf("port %d is PostgREST's", a.Port))
	}
	if a.Replicas < 1 {
		errs = append(errs, errors.New("there must be a pod at least"))
	}
	for _, f := range []struct{ field, value string }{{"cpu", a.CPU}, {"memory", a.Memory}} {
		if _, err := resource.ParseQuantity(f.value); err != nil {
			errs = append(errs, fmt.Errorf("%s %q: %w", f.field, f.value, err))
		}
	}
	return errors.Join(append(errs, a.Rest.validate())...)
}

func (a *Args) scales() bool { return a.MaxReplicas > a.Replicas }

// history is what the Deployment says of how it came about; that it waits for the Job comes from here, too.
func (a *Args) history() pulumi.StringMap {
	if a.Migrated == nil {
		return nil
	}
	return pulumi.StringMap{"plattr.dev/migrated-by": a.Migrated}
}

// deployment is the specification of the pods and of how one version follows another.
func (a *Args) deployment(account pulumi.StringInput) *appsv1.DeploymentSpecArgs {
	annotations := pulumi.StringMap{"plattr.dev/settings": a.SettingsHash}
	if a.Attempt != "" {
		annotations["plattr.dev/attempt"] = pulumi.String(a.Attempt)
	}
	spec := &appsv1.DeploymentSpecArgs{
		Selector: &metav1.LabelSelectorArgs{MatchLabels: a.App.Selector(kube.RoleServer)},
		// No pod goes before its successor answers.
		Strategy: &appsv1.DeploymentStrategyArgs{
			Type:          pulumi.String("RollingUpdate"),
			RollingUpdate: &appsv1.RollingUpdateDeploymentArgs{MaxUnavailable: pulumi.Int(0), MaxSurge: pulumi.String("25%")},
		},
		RevisionHistoryLimit: pulumi.Int(revisions), ProgressDeadlineSeconds: pulumi.Int(progressSeconds),
		Template: &corev1.PodTemplateSpecArgs{
			Metadata: &metav1.ObjectMetaArgs{Labels: a.App.PodLabels(kube.RoleServer), Annotations: annotations},
			Spec:     a.pod(account),
		},
	}
	if !a.scales() { // else the autoscaler owns the number
		spec.Replicas = pulumi.Int(a.Replicas)
	}
	return spec
}

const (
	// revisions is how many earlier ReplicaSets stay.
	revisions = 3
	// progressSeconds is how long a rollout may stand still before it has failed.
	progressSeconds = 300
)
