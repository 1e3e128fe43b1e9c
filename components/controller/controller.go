// Package controller runs Traefik in the laptop's cluster, the ingress controller at a port of its node.
package controller

import (
	"errors"
	"fmt"

	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes"
	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apiextensions"
	appsv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apps/v1"
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	networkingv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/networking/v1"
	rbacv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/rbac/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"plattr.dev/plattr/internal/kube"
)

// Type is the Pulumi type token; changing it replaces every Controller.
const Type = "plattr:components:Controller"

// Class is the name of its IngressClass.
const Class = "traefik"

// Args is what a Controller needs. The component takes its provider, kubernetes, from its resource options.
type Args struct {
	Image     string
	Namespace string
	// NodePort is the port of the node on which it serves HTTP.
	NodePort int
}

// Controller is a running ingress controller.
type Controller struct {
	pulumi.ResourceState

	// Class is the name of its IngressClass; it is known when the controller works.
	Class pulumi.StringOutput
}

// port is where the controller listens in its pod.
const port = 8000

// user is who it runs as; the image names root.
const user = 10001

// New registers a Controller and its objects.
func New(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*Controller, error) {
	if err := args.validate(); err != nil {
		return nil, fmt.Errorf("ingress controller %q: %w", name, err)
	}
	c := &Controller{}
	if err := ctx.RegisterComponentResource(Type, name, c, opts...); err != nil {
		return nil, fmt.Errorf("register ingress controller %q: %w", name, err)
	}
	if err := c.add(ctx, args); err != nil {
		return nil, fmt.Errorf("ingress controller %q: %w", name, err)
	}
	return c, ctx.RegisterResourceOutputs(c, pulumi.Map{"class": c.Class}) //nolint:wrapcheck // there is nothing to add
}

func (a *Args) validate() error {
	var errs []error
	if a.Image == "" {
		errs = append(errs, errors.New("there is no image"))
	}
	if a.NodePort < 1 || a.NodePort > 65535 {
		errs = append(errs, fmt.Errorf("%d is no port", a.NodePort))
	}
	return errors.Join(append(errs, a.app().Validate())...)
}

func (a *Args) app() kube.App {
	return kube.App{Name: Class, Namespace: a.Namespace, Environment: "local"}
}

func (c *Controller) add(ctx *pulumi.Context, args *Args) error {
	name, app, parent := Class, args.app(), pulumi.Parent(c)
	account, err := corev1.NewServiceAccount(ctx, name, &corev1.ServiceAccountArgs{Metadata: app.Object(name)}, parent)
	if err != nil {
		return fmt.Errorf("service account: %w", err)
	}
	needed, err := args.addRights(ctx, account, parent)
	if err != nil {
		return err
	}
	for _, kind := range kinds() {
		definition, err := addDefinition(ctx, kind, parent)
		if err != nil {
			return err
		}
		needed = append(needed, definition)
	}
	deployment, err := appsv1.NewDeployment(ctx, name, &appsv1.DeploymentArgs{
		Metadata: app.Object(name), Spec: args.deployment(account.Metadata.Name().Elem()),
	}, parent, pulumi.DependsOn(needed))
	if err != nil {
		return fmt.Errorf("deployment: %w", err)
	}
	class, err := networkingv1.NewIngressClass(ctx, name, &networkingv1.IngressClassArgs{
		Metadata: clusterObject(name), Spec: &networkingv1.IngressClassSpecArgs{Controller: pulumi.String("traefik.io/ingress-controller")},
	}, parent)
	if err != nil {
		return fmt.Errorf("ingress class: %w", err)
	}
	c.Class = pulumi.All(class.Metadata.Name().Elem(), deployment.Metadata.Name().Elem()).ApplyT(func(v []any) string {
		return v[0].(string) //nolint:forcetypeassert // an output of strings
	}).(pulumi.StringOutput) //nolint:forcetypeassert // of a function that returns such
	return nil
}

// clusterObject is the metadata of an object that has no namespace.
func clusterObject(name string) *metav1.ObjectMetaArgs {
	return &metav1.ObjectMetaArgs{
		Name: pulumi.String(name), Labels: pulumi.StringMap{kube.LabelManagedBy: pulumi.String("plattr")},
		Annotations: pulumi.StringMap{"pulumi.com/patchForce": pulumi.String("true")},
	}
}

// rule lets the controller read kinds of one group.
func rule(ofGroup string, verbs []string, resources ...string) rbacv1.PolicyRuleArgs {
	return rbacv1.PolicyRuleArgs{
		ApiGroups: pulumi.StringArray{pulumi.String(ofGroup)}, Resources: pulumi.ToStringArray(resources), Verbs: pulumi.ToStringArray(verbs),
	}
}

// addRights lets the controller see what Ingresses lead to (https://doc.traefik.io/traefik/reference/dynamic-configuration/kubernetes-crd/).
func (a *Args) addRights(ctx *pulumi.Context, account *corev1.ServiceAccount, parent pulumi.ResourceOption) ([]pulumi.Resource, error) {
	name, read := "plattr-"+Class, []string{"get", "list", "watch"}
	var plurals []string
	for _, k := range kinds() {
		plurals = append(plurals, k.plural)
	}
	rules := rbacv1.PolicyRuleArray{
		rule("", read, "services", "endpoints", "namespaces", "pods", "secrets", "nodes", "configmaps"),
		rule("discovery.k8s.io", read, "endpointslices"),
		rule("networking.k8s.io", read, "ingresses", "ingressclasses"),
		rule("networking.k8s.io", []string{"update"}, "ingresses/status"),
		rule(group, read, plurals...),
	}
	role, err := rbacv1.NewClusterRole(ctx, name, &rbacv1.ClusterRoleArgs{Metadata: clusterObject(name), Rules: rules}, parent)
	if err != nil {
		return nil, fmt.Errorf("cluster role: %w", err)
	}
	binding, err := rbacv1.NewClusterRoleBinding(ctx, name, &rbacv1.ClusterRoleBindingArgs{
		Metadata: clusterObject(name),
		RoleRef: &rbacv1.RoleRefArgs{
			ApiGroup: pulumi.String("rbac.authorization.k8s.io"), Kind: pulumi.String("ClusterRole"), Name: role.Metadata.Name().Elem(),
		},
		Subjects: rbacv1.SubjectArray{&rbacv1.SubjectArgs{
			Kind: pulumi.String("ServiceAccount"), Name: account.Metadata.Name().Elem(), Namespace: pulumi.String(a.Namespace),
		}},
	}, parent)
	if err != nil {
		return nil, fmt.Errorf("cluster role binding: %w", err)
	}
	return []pulumi.Resource{role, binding}, nil
}

func (a *Args) deployment(account pulumi.StringInput) *appsv1.DeploymentSpecArgs {
	app := a.app()
	return &appsv1.DeploymentSpecArgs{
		Replicas: pulumi.Int(1), RevisionHistoryLimit: pulumi.Int(1),
		Selector: &metav1.LabelSelectorArgs{MatchLabels: app.Selector(kube.RoleServer)},
		// Two cannot have the node's port.
		Strategy: &appsv1.DeploymentStrategyArgs{Type: pulumi.String("Recreate")},
		Template: &corev1.PodTemplateSpecArgs{
			Metadata: &metav1.ObjectMetaArgs{Labels: app.PodLabels(kube.RoleServer)},
			Spec: &corev1.PodSpecArgs{
				ServiceAccountName: account, EnableServiceLinks: pulumi.Bool(false), SecurityContext: kube.PodSecurity(user),
				Containers: corev1.ContainerArray{&corev1.ContainerArgs{
					Name: pulumi.String(Class), Image: pulumi.String(a.Image), ImagePullPolicy: pulumi.String("IfNotPresent"),
					Args:      pulumi.ToStringArray(flags()),
					Ports:     corev1.ContainerPortArray{&corev1.ContainerPortArgs{ContainerPort: pulumi.Int(port), HostPort: pulumi.Int(a.NodePort)}},
					Resources: kube.Resources("20m", "64Mi", "512Mi"), SecurityContext: kube.ContainerSecurity(),
					ReadinessProbe: &corev1.ProbeArgs{TcpSocket: &corev1.TCPSocketActionArgs{Port: pulumi.Int(port)}, PeriodSeconds: pulumi.Int(1)},

					TerminationMessagePolicy: pulumi.String("FallbackToLogsOnError"),
				}},
			},
		},
	}
}

// flags serve HTTP on one port, for the Ingresses of the class.
func flags() []string {
	return []string{
		fmt.Sprintf("--entryPoints.web.address=:%d", port), "--providers.kubernetesingress=true",
		"--providers.kubernetesingress.ingressclass=" + Class, "--providers.kubernetescrd=true",
		"--global.checknewversion=false", "--global.sendanonymoususage=false", "--log.level=WARN",
	}
}

// group is of the kinds of Traefik's own.
const group = "traefik.io"

type ownKind struct{ kind, plural string }

// kinds are all that Traefik 3 looks for: it does not begin to serve while one is missing.
func kinds() []ownKind {
	return []ownKind{
		{"IngressRoute", "ingressroutes"},
		{"IngressRouteTCP", "ingressroutetcps"},
		{"IngressRouteUDP", "ingressrouteudps"},
		{"Middleware", "middlewares"},
		{"MiddlewareTCP", "middlewaretcps"},
		{"ServersTransport", "serverstransports"},
		{"ServersTransportTCP", "serverstransporttcps"},
		{"TLSOption", "tlsoptions"},
		{"TLSStore", "tlsstores"},
		{"TraefikService", "traefikservices"},
	}
}

// addDefinition defines a kind without a schema of its own: Traefik says itself what it cannot read.
func addDefinition(ctx *pulumi.Context, kind ownKind, parent pulumi.ResourceOption) (pulumi.Resource, error) {
	name := kind.plural + "." + group
	definition, err := apiextensions.NewCustomResource(ctx, name, &apiextensions.CustomResourceArgs{
		ApiVersion: pulumi.String("apiextensions.k8s.io/v1"), Kind: pulumi.String("CustomResourceDefinition"), Metadata: clusterObject(name),
		OtherFields: kubernetes.UntypedArgs{"spec": map[string]any{
			"group": group, "scope": "Namespaced", "names": map[string]any{"kind": kind.kind, "plural": kind.plural},
			"versions": []any{map[string]any{
				"name": "v1alpha1", "served": true, "storage": true,
				"schema": map[string]any{"openAPIV3Schema": map[string]any{
					"type": "object", "x-kubernetes-preserve-unknown-fields": true,
				}},
			}},
		}},
	}, parent)
	if err != nil {
		return nil, fmt.Errorf("kind %s: %w", kind.kind, err)
	}
	return definition, nil
}
