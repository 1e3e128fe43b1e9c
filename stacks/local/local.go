// Package local is the program of the local services in the laptop's cluster: what the runtime kind runs in pods. [Program]
// reads as the list of them.
package local

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes"
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"plattr.dev/plattr/components/controller"
	"plattr.dev/plattr/components/metrics"
	"plattr.dev/plattr/components/server"
)

// Namespace is where the services are, IngressNamespace where the ingress controller is.
const (
	Namespace        = "plattr-services"
	IngressNamespace = "plattr-ingress"
)

// Config is everything that the program needs: which services run, and what they are told. What is nil does not run.
type Config struct {
	// Kubeconfig is the content of one.
	Kubeconfig string
	Images     Images

	PostgreSQL *PostgreSQL
	S3         *S3
	Keycloak   *Keycloak
	OpenSearch *OpenSearch
	Redis      []Redis
	PostgREST  []PostgREST
	// Applications is where applications run; nil while none does.
	Applications *Applications
}

// Images are the images of all services.
type Images struct {
	PostgreSQL, PostgREST, Keycloak, Redis, OpenSearch, Plattr string
	// Dashboards and MetricsServer may be empty: then they do not run.
	Dashboards, MetricsServer string
}

// Applications is what the cluster has for applications that run in it.
type Applications struct {
	// Namespace is theirs.
	Namespace string
	Ingress   Controller
}

// IngressClass is the name of the ingress controller's class.
const IngressClass = controller.Class

// HashAnnotation is the annotation of a service's Deployment with the hash of what it was made of.
const HashAnnotation = server.HashAnnotation

// Controller is the ingress controller.
type Controller struct {
	Image string
	// Port is the node's.
	Port int
}

// OutputCluster is the output that names the cluster; see [Config.Cluster].
const OutputCluster = "cluster"

// Cluster names the cluster, without its secrets.
func (c Config) Cluster() string {
	sum := sha256.Sum256([]byte(c.Kubeconfig))
	return hex.EncodeToString(sum[:])
}

// Program returns the Pulumi program of the services.
func Program(c Config) pulumi.RunFunc {
	return func(ctx *pulumi.Context) error {
		with, err := c.provider(ctx)
		if err != nil {
			return err
		}
		// Folders of the node are volumes of the services, which no level of Kubernetes' own policies but privileged lets pods have.
		services, err := namespace(ctx, Namespace, "privileged", with)
		if err != nil {
			return err
		}
		for _, s := range c.Servers() {
			if _, err := server.New(ctx, s.App.Name, s, with, pulumi.DependsOn([]pulumi.Resource{services})); err != nil {
				return err
			}
		}
		ctx.Export(OutputCluster, pulumi.String(c.Cluster()))
		return c.addApplications(ctx, with)
	}
}

// Providers declares what manages the services, and nothing else: for a cluster that is not where it was.
func Providers(c Config) pulumi.RunFunc {
	return func(ctx *pulumi.Context) error {
		_, err := c.provider(ctx)
		return err
	}
}

// provider is told that it is always the same cluster: one that was made anew lacks its objects, and no old one has them.
func (c Config) provider(ctx *pulumi.Context) (pulumi.ResourceOption, error) {
	p, err := kubernetes.NewProvider(ctx, "kubernetes", &kubernetes.ProviderArgs{
		Kubeconfig:            pulumi.ToSecret(pulumi.StringPtr(c.Kubeconfig)).(pulumi.StringPtrOutput), //nolint:forcetypeassert // keeps the type
		ClusterIdentifier:     pulumi.String("plattr"),
		EnableServerSideApply: pulumi.Bool(true), EnableConfigMapMutable: pulumi.Bool(true), EnableSecretMutable: pulumi.Bool(true),
	})
	if err != nil {
		return nil, fmt.Errorf("provider kubernetes: %w", err)
	}
	return pulumi.Provider(p), nil
}

// namespace makes one with a level of Kubernetes' Pod Security Standards.
func namespace(ctx *pulumi.Context, name, level string, with pulumi.ResourceOption) (*corev1.Namespace, error) {
	ns, err := corev1.NewNamespace(ctx, name, &corev1.NamespaceArgs{Metadata: &metav1.ObjectMetaArgs{
		Name: pulumi.String(name),
		Labels: pulumi.StringMap{
			"app.kubernetes.io/managed-by": pulumi.String("plattr"), "pod-security.kubernetes.io/enforce": pulumi.String(level),
		},
		Annotations: pulumi.StringMap{"pulumi.com/patchForce": pulumi.String("true")},
	}}, with)
	if err != nil {
		return nil, fmt.Errorf("namespace %s: %w", name, err)
	}
	return ns, nil
}

// addApplications makes what applications in the cluster need.
func (c Config) addApplications(ctx *pulumi.Context, with pulumi.ResourceOption) error {
	a := c.Applications
	if a == nil {
		return nil
	}
	if _, err := namespace(ctx, a.Namespace, "restricted", with); err != nil {
		return err
	}
	// A port of the node, which the controller listens on, is privileged.
	home, err := namespace(ctx, IngressNamespace, "privileged", with)
	if err != nil {
		return err
	}
	after := pulumi.DependsOn([]pulumi.Resource{home})
	if _, err := controller.New(ctx, "ingress", &controller.Args{
		Image: a.Ingress.Image, Namespace: IngressNamespace, NodePort: a.Ingress.Port,
	}, with, after); err != nil {
		return err
	}
	if c.Images.MetricsServer == "" {
		return nil
	}
	_, err = metrics.New(ctx, "metrics-server", &metrics.Args{Image: c.Images.MetricsServer}, with)
	return err
}
