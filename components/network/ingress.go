package network

import (
	"cmp"
	"fmt"

	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes"
	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apiextensions"
	networkingv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/networking/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"plattr.dev/plattr/internal/kube"
)

// addIngress serves the application at its host. Controllers without a load balancer of their own never write an address into
// the status, so that is not waited for.
func (a *Args) addIngress(ctx *pulumi.Context, name string, parent pulumi.ResourceOption) error {
	_, err := networkingv1.NewIngress(ctx, name, &networkingv1.IngressArgs{
		Metadata: a.App.Object(a.App.Name, pulumi.ToStringMap(a.Ingress.Annotations), kube.Unawaited()),
		Spec:     a.ingress("/", "Prefix", ServicePort),
	}, parent)
	if err != nil {
		return fmt.Errorf("ingress: %w", err)
	}
	return nil
}

// addRestIngress serves the REST API below the host. PostgREST knows nothing of the path, so it is taken off.
func (a *Args) addRestIngress(ctx *pulumi.Context, name string, parent pulumi.ResourceOption) error {
	if a.RestPort == 0 {
		return nil
	}
	object := a.App.Name + "-api"
	annotations := pulumi.ToStringMap(a.Ingress.Annotations)
	for k, v := range a.Ingress.Rewrite.Annotations {
		annotations[k] = pulumi.String(v)
	}
	path, kind := RestPath, "Prefix"
	if a.Ingress.Rewrite.Traefik {
		if err := a.addMiddleware(ctx, name+"-api", object, parent); err != nil {
			return err
		}
		annotations["traefik.ingress.kubernetes.io/router.middlewares"] = pulumi.String(a.App.Namespace + "-" + object + "@kubernetescrd")
	} else {
		path, kind = a.Ingress.Rewrite.Path, "ImplementationSpecific"
	}
	_, err := networkingv1.NewIngress(ctx, name+"-api", &networkingv1.IngressArgs{
		Metadata: a.App.Object(object, annotations, kube.Unawaited()), Spec: a.ingress(path, kind, a.RestPort),
	}, parent)
	if err != nil {
		return fmt.Errorf("ingress of the REST API: %w", err)
	}
	return nil
}

// addMiddleware makes Traefik's rewrite (https://doc.traefik.io/traefik/middlewares/http/stripprefix/).
func (a *Args) addMiddleware(ctx *pulumi.Context, name, object string, parent pulumi.ResourceOption) error {
	_, err := apiextensions.NewCustomResource(ctx, name, &apiextensions.CustomResourceArgs{
		ApiVersion: pulumi.String("traefik.io/v1alpha1"), Kind: pulumi.String("Middleware"),
		Metadata: a.App.Object(object),
		OtherFields: kubernetes.UntypedArgs{
			"spec": map[string]any{"stripPrefix": map[string]any{"prefixes": []any{RestPath}}},
		},
	}, parent)
	if err != nil {
		return fmt.Errorf("middleware of the REST API: %w", err)
	}
	return nil
}

func (a *Args) ingress(path, kind string, port int) *networkingv1.IngressSpecArgs {
	spec := &networkingv1.IngressSpecArgs{
		IngressClassName: pulumi.String(a.Ingress.Class),
		Rules: networkingv1.IngressRuleArray{&networkingv1.IngressRuleArgs{
			Host: pulumi.String(a.Host),
			Http: &networkingv1.HTTPIngressRuleValueArgs{Paths: networkingv1.HTTPIngressPathArray{&networkingv1.HTTPIngressPathArgs{
				Path: pulumi.String(path), PathType: pulumi.String(cmp.Or(kind, "Prefix")),
				Backend: &networkingv1.IngressBackendArgs{Service: &networkingv1.IngressServiceBackendArgs{
					Name: pulumi.String(a.App.Name), Port: &networkingv1.ServiceBackendPortArgs{Number: pulumi.Int(port)},
				}},
			}}},
		}},
	}
	if a.Ingress.TLSSecret != "" {
		spec.Tls = networkingv1.IngressTLSArray{&networkingv1.IngressTLSArgs{
			Hosts: pulumi.StringArray{pulumi.String(a.Host)}, SecretName: pulumi.String(a.Ingress.TLSSecret),
		}}
	}
	return spec
}
