// Package metrics runs metrics-server, by which `kubectl top` and autoscalers know what pods use
// (https://github.com/kubernetes-sigs/metrics-server).
package metrics

import (
	"errors"
	"fmt"

	apiregistrationv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apiregistration/v1"
	appsv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apps/v1"
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	rbacv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/rbac/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"plattr.dev/plattr/internal/kube"
)

// Type is the Pulumi type token; changing it replaces every Server.
const Type = "plattr:components:Metrics"

// Args is what a Server needs. The component takes its provider, kubernetes, from its resource options.
type Args struct{ Image string }

// Server is a running metrics-server.
type Server struct{ pulumi.ResourceState }

const (
	object    = "metrics-server"
	namespace = "kube-system"
	port      = 10250
	user      = 1000
)

// New registers a Server and its objects: those of the project's own manifest.
func New(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*Server, error) {
	if args.Image == "" {
		return nil, fmt.Errorf("metrics server %q: %w", name, errors.New("there is no image"))
	}
	s := &Server{}
	if err := ctx.RegisterComponentResource(Type, name, s, opts...); err != nil {
		return nil, fmt.Errorf("register metrics server %q: %w", name, err)
	}
	if err := s.add(ctx, name, args); err != nil {
		return nil, fmt.Errorf("metrics server %q: %w", name, err)
	}
	return s, ctx.RegisterResourceOutputs(s, pulumi.Map{}) //nolint:wrapcheck // there is nothing to add
}

func app() kube.App { return kube.App{Name: object, Namespace: namespace, Environment: "local"} }

func (s *Server) add(ctx *pulumi.Context, name string, args *Args) error {
	parent := pulumi.Parent(s)
	account, err := corev1.NewServiceAccount(ctx, name, &corev1.ServiceAccountArgs{Metadata: app().Object(object)}, parent)
	if err != nil {
		return fmt.Errorf("service account: %w", err)
	}
	if err := addRights(ctx, name, parent); err != nil {
		return err
	}
	deployment, err := appsv1.NewDeployment(ctx, name, &appsv1.DeploymentArgs{
		Metadata: app().Object(object), Spec: args.deployment(account.Metadata.Name().Elem()),
	}, parent)
	if err != nil {
		return fmt.Errorf("deployment: %w", err)
	}
	service, err := corev1.NewService(ctx, name, &corev1.ServiceArgs{
		Metadata: app().Object(object, kube.Unawaited()),
		Spec: &corev1.ServiceSpecArgs{
			Selector: app().Selector(kube.RoleServer),
			Ports:    corev1.ServicePortArray{&corev1.ServicePortArgs{Name: pulumi.String("https"), Port: pulumi.Int(443), TargetPort: pulumi.Int(port)}},
		},
	}, parent)
	if err != nil {
		return fmt.Errorf("service: %w", err)
	}
	_, err = apiregistrationv1.NewAPIService(ctx, name, &apiregistrationv1.APIServiceArgs{
		Metadata: clusterObject("v1beta1.metrics.k8s.io"),
		Spec: &apiregistrationv1.APIServiceSpecArgs{
			Group: pulumi.String("metrics.k8s.io"), Version: pulumi.String("v1beta1"), GroupPriorityMinimum: pulumi.Int(100),
			VersionPriority: pulumi.Int(100), InsecureSkipTLSVerify: pulumi.Bool(true),
			Service: &apiregistrationv1.ServiceReferenceArgs{Name: service.Metadata.Name().Elem(), Namespace: pulumi.String(namespace)},
		},
	}, parent, pulumi.DependsOn([]pulumi.Resource{deployment}))
	if err != nil {
		return fmt.Errorf("API service: %w", err)
	}
	return nil
}

func clusterObject(name string) *metav1.ObjectMetaArgs {
	return &metav1.ObjectMetaArgs{
		Name: pulumi.String(name), Labels: pulumi.StringMap{kube.LabelManagedBy: pulumi.String("plattr")},
		Annotations: pulumi.StringMap{"pulumi.com/patchForce": pulumi.String("true")},
	}
}

func rule(group string, verbs []string, resources ...string) rbacv1.PolicyRuleArgs {
	return rbacv1.PolicyRuleArgs{
		ApiGroups: pulumi.StringArray{pulumi.String(group)}, Resources: pulumi.ToStringArray(resources), Verbs: pulumi.ToStringArray(verbs),
	}
}

// addRights lets it read what nodes measure, and ask the API server who asks.
func addRights(ctx *pulumi.Context, name string, parent pulumi.ResourceOption) error {
	const own = "system:" + object
	_, err := rbacv1.NewClusterRole(ctx, name, &rbacv1.ClusterRoleArgs{Metadata: clusterObject(own), Rules: rbacv1.PolicyRuleArray{
		rule("", []string{"get"}, "nodes/metrics"), rule("", []string{"get", "list", "watch"}, "pods", "nodes"),
	}}, parent)
	if err != nil {
		return fmt.Errorf("cluster role: %w", err)
	}
	subjects := rbacv1.SubjectArray{&rbacv1.SubjectArgs{
		Kind: pulumi.String("ServiceAccount"), Name: pulumi.String(object), Namespace: pulumi.String(namespace),
	}}
	role := func(kind, name string) *rbacv1.RoleRefArgs {
		return &rbacv1.RoleRefArgs{ApiGroup: pulumi.String("rbac.authorization.k8s.io"), Kind: pulumi.String(kind), Name: pulumi.String(name)}
	}
	for _, b := range []struct{ suffix, object, role string }{
		{"", own, own}, {"-delegator", object + ":system:auth-delegator", "system:auth-delegator"},
	} {
		_, err := rbacv1.NewClusterRoleBinding(ctx, name+b.suffix, &rbacv1.ClusterRoleBindingArgs{
			Metadata: clusterObject(b.object), RoleRef: role("ClusterRole", b.role), Subjects: subjects,
		}, parent)
		if err != nil {
			return fmt.Errorf("cluster role binding: %w", err)
		}
	}
	_, err = rbacv1.NewRoleBinding(ctx, name, &rbacv1.RoleBindingArgs{
		Metadata: app().Object(object + "-auth-reader"), RoleRef: role("Role", "extension-apiserver-authentication-reader"), Subjects: subjects,
	}, parent)
	if err != nil {
		return fmt.Errorf("role binding: %w", err)
	}
	return nil
}

func (a *Args) deployment(account pulumi.StringInput) *appsv1.DeploymentSpecArgs {
	return &appsv1.DeploymentSpecArgs{
		Replicas: pulumi.Int(1), Selector: &metav1.LabelSelectorArgs{MatchLabels: app().Selector(kube.RoleServer)},
		Template: &corev1.PodTemplateSpecArgs{
			Metadata: &metav1.ObjectMetaArgs{Labels: app().PodLabels(kube.RoleServer)},
			Spec: &corev1.PodSpecArgs{
				ServiceAccountName: account, PriorityClassName: pulumi.String("system-cluster-critical"), SecurityContext: kube.PodSecurity(user),
				Volumes: corev1.VolumeArray{&corev1.VolumeArgs{Name: pulumi.String("tmp"), EmptyDir: &corev1.EmptyDirVolumeSourceArgs{}}},
				Containers: corev1.ContainerArray{&corev1.ContainerArgs{
					Name: pulumi.String(object), Image: pulumi.String(a.Image), ImagePullPolicy: pulumi.String("IfNotPresent"),
					Args: pulumi.ToStringArray([]string{
						"--cert-dir=/tmp", fmt.Sprintf("--secure-port=%d", port), "--kubelet-preferred-address-types=InternalIP",
						"--kubelet-insecure-tls", "--metric-resolution=15s", // kubeadm's kubelets sign their own certificates
					}),
					Ports:     corev1.ContainerPortArray{&corev1.ContainerPortArgs{Name: pulumi.String("https"), ContainerPort: pulumi.Int(port)}},
					Resources: kube.Resources("20m", "64Mi", "256Mi"), SecurityContext: kube.ContainerSecurity(),
					ReadinessProbe: &corev1.ProbeArgs{
						HttpGet:       &corev1.HTTPGetActionArgs{Path: pulumi.String("/readyz"), Port: pulumi.String("https"), Scheme: pulumi.String("HTTPS")},
						PeriodSeconds: pulumi.Int(2),
					},
					VolumeMounts: corev1.VolumeMountArray{&corev1.VolumeMountArgs{Name: pulumi.String("tmp"), MountPath: pulumi.String("/tmp")}},
				}},
			},
		},
	}
}
