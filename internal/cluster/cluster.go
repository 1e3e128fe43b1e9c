// Package cluster is what an application is in a Kubernetes cluster, seen from outside of it: how it is, read from the
// objects themselves; what its containers write; and ways to the services that only pods reach.
package cluster

import (
	"context"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"plattr.dev/plattr/internal/kube"
	"plattr.dev/plattr/internal/kubeapi"
)

// Client is a cluster as one user.
type Client struct{ api *kubeapi.Cluster }

// Open returns the client of a cluster, which is not asked yet: what is wrong with it is said by the first question, in one
// line. Kubeconfig is a path, or the content of a file; empty means the machine's default, or the pod's own identity. Context
// is one of its contexts; empty means its current one.
func Open(kubeconfig, context string) (*Client, error) {
	access, err := kubeapi.Reach(kubeapi.Choice{Kubeconfig: kubeconfig, Context: context})
	if err != nil {
		return nil, fmt.Errorf("open the cluster: %w", err)
	}
	api, err := kubeapi.New(access)
	if err != nil {
		return nil, fmt.Errorf("open the cluster: %w", err)
	}
	return &Client{api: api}, nil
}

// find is an object, nil where there is none.
func (c *Client) find(ctx context.Context, gvk schema.GroupVersionKind, namespace, name string) (map[string]any, error) {
	target := kubeapi.TargetOf(gvk, namespace, name)
	live, err := c.api.Find(ctx, target)
	if err != nil {
		return nil, c.api.Explain(target, err)
	}
	if live == nil {
		return nil, nil //nolint:nilnil // absent
	}
	return live.Object, nil
}

// list are the objects of a kind with labels.
func (c *Client) list(ctx context.Context, gvk schema.GroupVersionKind, namespace string, labels map[string]string) ([]map[string]any, error) {
	objects, err := c.api.List(ctx, gvk, namespace, selecting(labels))
	if err != nil {
		return nil, c.api.Explain(kubeapi.TargetOf(gvk, namespace, ""), err)
	}
	return objects, nil
}

func selecting(labels map[string]string) metav1.ListOptions {
	return metav1.ListOptions{LabelSelector: metav1.FormatLabelSelector(&metav1.LabelSelector{MatchLabels: labels})}
}

// podLabels choose the application's pods with a role.
func podLabels(app kube.App, role string) map[string]string {
	return map[string]string{kube.LabelName: app.Name, kube.LabelRole: role}
}

// oneLine keeps what comes from elsewhere on its line.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// lastLine is the last line of a text that says anything.
func lastLine(text string) string {
	text = strings.TrimSpace(text)
	return strings.TrimSpace(text[strings.LastIndexByte(text, '\n')+1:])
}
