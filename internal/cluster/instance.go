package cluster

import (
	"context"
	"fmt"
	"time"

	"plattr.dev/plattr/internal/kube"
	"plattr.dev/plattr/internal/kubeapi"
)

// Instance tells how a server is that is the application's alone, beside its pods: kind, redis or search, ends the name of its
// Deployment. The part has state, detail and reason, and no name.
func (c *Client) Instance(ctx context.Context, app kube.App, kind string) (Part, error) {
	part := Part{State: PartAbsent}
	name := app.Name + "-" + kind
	live, err := c.find(ctx, kubeapi.DeploymentKind, app.Namespace, name)
	if err != nil {
		return part, err
	}
	if live == nil {
		part.Why = fmt.Sprintf("there is no Deployment %s in namespace %s", name, app.Namespace)
		return part, nil
	}
	part.Detail = "own instance"
	verdict := kubeapi.Awaited(kubeapi.DeploymentKind)(live)
	if verdict.Ready {
		part.State = PartReady
		return part, nil
	}
	part.State, part.Why = PartWaiting, verdict.Waits
	pods := kubeapi.NewWorkload(c.api, kubeapi.TargetOf(kubeapi.DeploymentKind, app.Namespace, name))
	findings, err := pods.Findings(ctx, live)
	if err != nil {
		return part, c.api.Explain(kubeapi.TargetOf(kubeapi.PodKind, app.Namespace, ""), err)
	}
	worst, final := worstOf(findings, time.Now())
	if worst.Text != "" {
		part.Why, part.Evidence = why(worst), evidence(worst.Said)
	}
	if final || verdict.After != kubeapi.Never {
		part.State = PartFailed
	}
	return part, nil
}

// ReachInstance opens a way to a port of such a server, and returns host:port on this machine. Close ends the way.
func (c *Client) ReachInstance(ctx context.Context, app kube.App, kind string, port int) (addr string, closeTunnel func() error, err error) {
	tunnel, err := c.Forward(ctx, app.Namespace, app.Name+"-"+kind, port)
	if err != nil {
		return "", nil, err
	}
	return tunnel.Addr, tunnel.Close, nil
}
