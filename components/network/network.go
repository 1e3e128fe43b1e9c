// Package network makes an application reachable: a Service for its pods, an Ingress for its host with the REST API below
// it, and policies about who may talk to the pods and to whom they may talk.
package network

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"

	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"k8s.io/apimachinery/pkg/util/validation"

	"plattr.dev/plattr/internal/kube"
)

// Type is the Pulumi type token; changing it replaces every deployed Network.
const Type = "plattr:components:Network"

// ServicePort is where the Service serves the application.
const ServicePort = 80

// Args is what a Network needs. The component takes its provider, kubernetes, from its resource options.
type Args struct {
	App kube.App
	// Host is where browsers find the application.
	Host string
	// Port is the application's in its pods, RestPort PostgREST's; 0 where there is none.
	Port, RestPort int
	Ingress        Ingress
	// Egress is what the pods may talk to, beside names and the public internet.
	Egress []Peer
}

// Ingress says how the cluster's ingress controller is told.
type Ingress struct {
	Class string
	// Port is where browsers find it; 0 is the one that a URL need not name.
	Port int
	// Annotations go on every Ingress of the application, as those for certificates.
	Annotations map[string]string
	// TLSSecret holds the certificate of the host; empty where the controller or a load balancer has it.
	TLSSecret string
	// HTTPS says that browsers use https although there is no TLSSecret.
	HTTPS bool
	// Controller is the namespace that the controller's requests come from; empty allows all pods of the cluster.
	Controller string
	Rewrite    Rewrite
}

// Rewrite takes RestPath off the requests to the REST API. One of its forms is set.
type Rewrite struct {
	// Traefik makes a Middleware of Traefik.
	Traefik bool
	// Annotations and Path are for another class, as nginx's rewrite-target and the path that has its groups.
	Annotations map[string]string
	Path        string
}

// RestPath is where the host serves the REST API.
const RestPath = "/api/rest"

// Peer is a place that the pods may talk to.
type Peer struct {
	// Namespace is one of the cluster; CIDR is an address range elsewhere. One of the two is set.
	Namespace, CIDR string
	Ports           []int
}

// Network is how an application is reached.
type Network struct {
	pulumi.ResourceState

	// URL is the application's for browsers, RestURL the REST API's, empty where there is none.
	URL, RestURL pulumi.StringOutput
}

// New registers a Network and its objects.
func New(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*Network, error) {
	if err := args.validate(); err != nil {
		return nil, fmt.Errorf("network %q: %w", name, err)
	}
	n := &Network{}
	if err := ctx.RegisterComponentResource(Type, name, n, opts...); err != nil {
		return nil, fmt.Errorf("register network %q: %w", name, err)
	}
	parent := pulumi.Parent(n)
	for _, part := range []func(*pulumi.Context, string, pulumi.ResourceOption) error{
		args.addService, args.addIngress, args.addRestIngress, args.addPolicies,
	} {
		if err := part(ctx, name, parent); err != nil {
			return nil, fmt.Errorf("network %q: %w", name, err)
		}
	}
	n.URL = pulumi.String(args.URL()).ToStringOutput()
	n.RestURL = pulumi.String(args.RestURL()).ToStringOutput()
	return n, ctx.RegisterResourceOutputs(n, pulumi.Map{"url": n.URL, "restUrl": n.RestURL}) //nolint:wrapcheck // there is nothing to add
}

// URL is the application's for browsers.
func (a *Args) URL() string {
	host := a.Host
	if a.Ingress.Port != 0 {
		host += ":" + strconv.Itoa(a.Ingress.Port)
	}
	if a.Ingress.TLSSecret != "" || a.Ingress.HTTPS {
		return "https://" + host
	}
	return "http://" + host
}

// RestURL is the REST API's for browsers; empty where there is none.
func (a *Args) RestURL() string {
	if a.RestPort == 0 {
		return ""
	}
	return a.URL() + RestPath
}

func (a *Args) validate() error {
	errs := []error{a.App.Validate()}
	if problems := validation.IsDNS1123Subdomain(a.Host); len(problems) > 0 {
		errs = append(errs, fmt.Errorf("host %q: %s", a.Host, problems[0]))
	}
	if a.Port < 1 || a.Port > 65535 {
		errs = append(errs, fmt.Errorf("%d is no port", a.Port))
	}
	if a.Ingress.Class == "" {
		errs = append(errs, errors.New("the ingress has no class"))
	}
	if r := a.Ingress.Rewrite; a.RestPort != 0 && !r.Traefik && r.Path == "" {
		errs = append(errs, fmt.Errorf("ingress class %q has no rewrite: the REST API at %s would not be found", a.Ingress.Class, RestPath))
	}
	for _, p := range a.Egress {
		if (p.Namespace == "") == (p.CIDR == "") {
			errs = append(errs, errors.New("a peer is a namespace or an address range"))
		}
		if _, err := netip.ParsePrefix(p.CIDR); p.CIDR != "" && err != nil {
			errs = append(errs, fmt.Errorf("address range %q: %w", p.CIDR, err))
		}
	}
	return errors.Join(errs...)
}

func (a *Args) addService(ctx *pulumi.Context, name string, parent pulumi.ResourceOption) error {
	ports := corev1.ServicePortArray{&corev1.ServicePortArgs{
		Name: pulumi.String("http"), Port: pulumi.Int(ServicePort), TargetPort: pulumi.Int(a.Port),
	}}
	if a.RestPort != 0 {
		ports = append(ports, &corev1.ServicePortArgs{
			Name: pulumi.String("rest"), Port: pulumi.Int(a.RestPort), TargetPort: pulumi.Int(a.RestPort),
		})
	}
	_, err := corev1.NewService(ctx, name, &corev1.ServiceArgs{
		// The Deployment is waited for. A wait for its pods here would go on for minutes after it has failed.
		Metadata: a.App.Object(a.App.Name, kube.Unawaited()),
		Spec:     &corev1.ServiceSpecArgs{Selector: a.App.Selector(kube.RoleServer), Ports: ports},
	}, parent)
	if err != nil {
		return fmt.Errorf("service: %w", err)
	}
	return nil
}
