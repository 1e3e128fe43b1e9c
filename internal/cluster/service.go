package cluster

import (
	"context"
	"fmt"
	"net"
	"strings"

	"plattr.dev/plattr/internal/kubeapi"
)

// SplitServiceHost tells names of services, as pods of the cluster find them, from others: "db.services.svc.cluster.local",
// "db.services.svc" and "db", which is one of the pod's own namespace, so that namespace is empty. "db.services" is none: it
// may be a host of the internet as well.
func SplitServiceHost(host string) (service, namespace string, ok bool) {
	labels := strings.Split(strings.TrimSuffix(host, "."), ".")
	switch {
	case net.ParseIP(host) != nil, host == "", host == "localhost":
		return "", "", false
	case len(labels) == 1:
		return labels[0], "", true
	case len(labels) >= 3 && labels[2] == "svc":
		return labels[0], labels[1], true
	}
	return "", "", false
}

// ServiceError says why a service leads to no pod.
type ServiceError struct {
	Namespace, Service string
	Why                string
	// External is the host outside of the cluster that the service stands for, if it does.
	External string
}

// Error is one line.
func (e *ServiceError) Error() string {
	return fmt.Sprintf("Service %s/%s: %s", e.Namespace, e.Service, e.Why)
}

// behind finds a ready pod behind a port of a service, and the pod's own port.
// Source: the endpoints that the cluster itself keeps,
// https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/.
func (c *Client) behind(ctx context.Context, to endpoint) (string, int, error) {
	fail := func(format string, args ...any) (string, int, error) {
		return "", 0, &ServiceError{Namespace: to.namespace, Service: to.service, Why: fmt.Sprintf(format, args...)}
	}
	service, err := c.find(ctx, kubeapi.ServiceKind, to.namespace, to.service)
	switch {
	case err != nil:
		return "", 0, err
	case service == nil:
		return fail("it does not exist")
	case kubeapi.Text(service, "spec", "type") == "ExternalName":
		host := kubeapi.Text(service, "spec", "externalName")
		return "", 0, &ServiceError{
			Namespace: to.namespace, Service: to.service, Why: "it stands for host " + host + ", outside of the cluster", External: host,
		}
	}
	name, ok := portName(service, to.port)
	if !ok {
		return fail("it has no port %d", to.port)
	}
	slices, err := c.list(ctx, kubeapi.SliceKind, to.namespace, map[string]string{"kubernetes.io/service-name": to.service})
	if err != nil {
		return "", 0, err
	}
	for _, slice := range slices {
		port := slicePort(slice, name)
		for _, e := range kubeapi.Items(slice, "endpoints") {
			if port != 0 && kubeapi.Text(e, "targetRef", "kind") == "Pod" && kubeapi.Field(e, "conditions", "ready") != false {
				return kubeapi.Text(e, "targetRef", "name"), port, nil
			}
		}
	}
	return fail("no pod behind it is ready")
}

// portName is the name of a service's port; empty for the only one.
func portName(service map[string]any, port int) (string, bool) {
	for _, p := range kubeapi.Items(service, "spec", "ports") {
		if kubeapi.Number(p, "port") == int64(port) {
			return kubeapi.Text(p, "name"), true
		}
	}
	return "", false
}

// slicePort is the number that the pods of a slice have for a port; 0 where they have none.
func slicePort(slice map[string]any, name string) int {
	for _, p := range kubeapi.Items(slice, "ports") {
		if kubeapi.Text(p, "name") == name {
			return int(kubeapi.Number(p, "port"))
		}
	}
	return 0
}

// serves tells whether a pod is there and is not on its way out. Where that cannot be found out, it does.
func (c *Client) serves(ctx context.Context, namespace, pod string) bool {
	live, err := c.find(ctx, kubeapi.PodKind, namespace, pod)
	return err != nil || live != nil && kubeapi.Text(live, "metadata", "deletionTimestamp") == ""
}
