package cluster

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"plattr.dev/plattr/internal/kube"
	"plattr.dev/plattr/internal/kubeapi"
)

// ingress reads the application's Ingress, and what it leads to and needs: the Service, the class, the certificate. That no
// address is written into its status is no failure: controllers without a load balancer of their own never write one.
func (c *Client) ingress(ctx context.Context, app kube.App) (Part, error) {
	part := Part{Name: PartIngress, State: PartAbsent}
	live, err := c.find(ctx, kubeapi.IngressKind, app.Namespace, app.Name)
	if err != nil || live == nil {
		return part, err
	}
	part.State, part.Detail = PartReady, address(live)
	service, err := c.find(ctx, kubeapi.ServiceKind, app.Namespace, app.Name)
	if err != nil {
		return part, err
	}
	if service == nil {
		part.State, part.Why = PartFailed, fmt.Sprintf("Service %s is not there: the host leads nowhere", app.Name)
		return part, nil
	}
	if class := kubeapi.Text(live, "spec", "ingressClassName"); class != "" {
		// Who may not see classes is not told of them; some controllers serve a class that has no object.
		if found, err := c.find(ctx, kubeapi.IngressClassKind, "", class); err == nil && found == nil && !hasAddress(live) {
			part.Detail += fmt.Sprintf(", class %s has no IngressClass", class)
		}
	}
	c.certificate(ctx, live, &part)
	return part, nil
}

func hasAddress(live map[string]any) bool {
	return len(kubeapi.Items(live, "status", "loadBalancer", "ingress")) > 0
}

// address is the host, and where the controller says that it is served.
func address(live map[string]any) string {
	var hosts, at []string
	for _, rule := range kubeapi.Items(live, "spec", "rules") {
		hosts = append(hosts, kubeapi.Text(rule, "host"))
	}
	for _, i := range kubeapi.Items(live, "status", "loadBalancer", "ingress") {
		at = append(at, cmp.Or(kubeapi.Text(i, "hostname"), kubeapi.Text(i, "ip")))
	}
	if len(at) == 0 {
		return strings.Join(hosts, ", ")
	}
	return strings.Join(hosts, ", ") + " at " + strings.Join(at, ", ")
}

// certificate looks for the certificates that the Ingress names.
func (c *Client) certificate(ctx context.Context, live map[string]any, part *Part) {
	namespace := kubeapi.Text(live, "metadata", "namespace")
	for _, tls := range kubeapi.Items(live, "spec", "tls") {
		name := kubeapi.Text(tls, "secretName")
		if name == "" {
			continue
		}
		secret, err := c.find(ctx, kubeapi.SecretKind, namespace, name)
		switch {
		case err != nil: // who may not see secrets is not told of this one
		case secret != nil:
			part.Detail += ", certificate in Secret " + name
		default:
			part.State, part.Why = PartWaiting, "certificate not issued yet: "+cmp.Or(c.issuer(ctx, namespace, name), "Secret "+name+" is not there")
			return
		}
	}
}

// issuer is what cert-manager says of a certificate that is not issued; empty where it says nothing, or is not there
// (https://cert-manager.io/docs/reference/api-docs/#cert-manager.io/v1.Certificate).
func (c *Client) issuer(ctx context.Context, namespace, secret string) string {
	body, err := c.api.Stream(ctx, "/apis/cert-manager.io/v1/namespaces/"+url.PathEscape(namespace)+"/certificates", nil)
	if err != nil {
		return ""
	}
	defer body.Close()
	var found struct {
		Items []map[string]any `json:"items"`
	}
	if json.NewDecoder(body).Decode(&found) != nil {
		return ""
	}
	for _, certificate := range found.Items {
		if kubeapi.Text(certificate, "spec", "secretName") != secret {
			continue
		}
		for _, kind := range []string{"Issuing", "Ready"} {
			if message := kubeapi.Text(kubeapi.Condition(certificate, kind), "message"); message != "" {
				return oneLine(message)
			}
		}
	}
	return ""
}
