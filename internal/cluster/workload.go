package cluster

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"

	"plattr.dev/plattr/internal/kube"
	"plattr.dev/plattr/internal/kubeapi"
)

// revisionKey is the annotation that tells a Deployment's ReplicaSets apart.
const revisionKey = "deployment.kubernetes.io/revision"

// workload reads the Deployment, its ReplicaSets, pods and autoscaler.
func (c *Client) workload(ctx context.Context, app kube.App, s *Status) (Part, error) {
	part := Part{Name: PartWorkload, State: PartAbsent}
	live, err := c.find(ctx, kubeapi.DeploymentKind, app.Namespace, app.Name)
	if err != nil || live == nil {
		return part, err
	}
	if kubeapi.Text(live, "metadata", "labels", kube.LabelManagedBy) != "plattr" {
		part.Why = fmt.Sprintf("a Deployment %s in namespace %s is not plattr's", app.Name, app.Namespace)
		return part, nil
	}
	sets, err := c.list(ctx, kubeapi.ReplicaSetKind, app.Namespace, podLabels(app, kube.RoleServer))
	if err != nil {
		return part, err
	}
	sets = slices.DeleteFunc(sets, func(rs map[string]any) bool {
		return !kubeapi.ControlledBy(rs, kubeapi.Text(live, "metadata", "uid"))
	})
	countPods(s, app, live, sets)
	c.scaling(ctx, app, live, s)
	part.Detail = s.Pods.detail("")
	return part, c.judge(ctx, app, live, s, &part)
}

// countPods says which image runs since when, and with how many pods.
func countPods(s *Status, app kube.App, live map[string]any, sets []map[string]any) {
	s.Pods.Desired = int(kubeapi.Replicas(live))
	s.Pods.Min, s.Pods.Max = s.Pods.Desired, s.Pods.Desired
	var newest, serving map[string]any
	for _, rs := range sets {
		ready := int(kubeapi.Number(rs, "status", "readyReplicas"))
		s.Pods.Ready += ready
		isNewest := kubeapi.Annotation(rs, revisionKey) == kubeapi.Annotation(live, revisionKey)
		if isNewest {
			newest, s.Pods.Updated = rs, ready
		}
		most := kubeapi.Number(serving, "status", "readyReplicas")
		if ready > 0 && (int64(ready) > most || int64(ready) == most && isNewest) {
			serving = rs
		}
	}
	next := image(live, app.Name)
	if serving != nil {
		s.Image, s.Since = image(serving, app.Name), since(live, serving, newest)
	}
	if next != s.Image {
		s.NextImage = next
	}
}

// since is when what serves was rolled out: a rollout that is complete says so itself, else it is when its ReplicaSet was made.
func since(live, serving, newest map[string]any) *time.Time {
	at := kubeapi.Text(serving, "metadata", "creationTimestamp")
	progressing := kubeapi.Condition(live, "Progressing")
	if newest != nil && kubeapi.Text(newest, "metadata", "uid") == kubeapi.Text(serving, "metadata", "uid") &&
		progressing["reason"] == "NewReplicaSetAvailable" {
		at = cmp.Or(kubeapi.Text(progressing, "lastUpdateTime"), at)
	}
	t, err := time.Parse(time.RFC3339, at)
	if err != nil {
		return nil
	}
	return &t
}

// image is that of the application's container in a pod template.
func image(o map[string]any, container string) string {
	for _, c := range kubeapi.Items(o, "spec", "template", "spec", "containers") {
		if c["name"] == container {
			return kubeapi.Text(c, "image")
		}
	}
	return ""
}

func (p Pods) detail(of string) string {
	out := fmt.Sprintf("%d of %d pods%s", p.Ready, p.Desired, of)
	if p.Max > p.Min {
		out += fmt.Sprintf(" (%d-%d)", p.Min, p.Max)
	}
	if p.CPUPercent != nil {
		out += fmt.Sprintf(", %d %% CPU", *p.CPUPercent)
	}
	return out
}

// judge says whether the Deployment works, and if not, why.
func (c *Client) judge(ctx context.Context, app kube.App, live map[string]any, s *Status, part *Part) error {
	verdict := kubeapi.Awaited(kubeapi.DeploymentKind)(live)
	if verdict.Ready {
		part.State = PartReady
		return nil
	}
	part.State, part.Why = PartWaiting, verdict.Waits
	if kubeapi.Unseen(live) {
		return nil // what is known of its pods is of the version before
	}
	pods := kubeapi.NewWorkload(c.api, kubeapi.TargetOf(kubeapi.DeploymentKind, app.Namespace, app.Name))
	findings, err := pods.Findings(ctx, live)
	if err != nil {
		return c.api.Explain(kubeapi.TargetOf(kubeapi.PodKind, app.Namespace, ""), err)
	}
	worst, final := worstOf(findings, time.Now())
	if worst.Text != "" {
		part.Why, part.Evidence = why(worst), evidence(worst.Said)
	}
	if worst.Text == "" || worst.Class == "probe" {
		if words := pods.LastWords(ctx, live); words != "" && !strings.Contains(part.Why, words) {
			part.Why += ": " + oneLine(words)
		}
	}
	// Pods that answer, of the newest version: it is not that which does not work.
	if s.Pods.Updated == 0 && (final || verdict.After != kubeapi.Never) {
		part.State = PartFailed
	}
	if s.NextImage != "" && s.Pods.Ready > 0 {
		part.Detail = s.Pods.detail(" of the release before")
	}
	return nil
}

// worstOf chooses the finding that is nearest to being final, and tells whether it is: it has lasted since its pod was made.
func worstOf(findings []kubeapi.Finding, now time.Time) (kubeapi.Finding, bool) {
	var worst kubeapi.Finding
	for _, f := range findings {
		final := f.After != kubeapi.Never && now.Sub(f.Since) >= f.After
		switch {
		case final:
			return f, true
		case worst.Text == "", worst.After == kubeapi.Never && f.After != kubeapi.Never:
			worst = f
		}
	}
	return worst, false
}

// digests are those of images, which say nothing after their beginning.
var digests = regexp.MustCompile(`(sha256:[0-9a-f]{7})[0-9a-f]{57}`)

// why is the line of a finding: of last words of many lines, the last one.
func why(f kubeapi.Finding) string {
	text := f.Text
	if f.Said != "" {
		text = strings.TrimSuffix(text, f.Said) + lastLine(f.Said)
	}
	return digests.ReplaceAllString(oneLine(text), "$1…")
}

// evidence are the last lines of what a container said.
func evidence(said string) []string {
	lines := slices.DeleteFunc(strings.Split(said, "\n"), func(l string) bool { return strings.TrimSpace(l) == "" })
	return lines[max(0, len(lines)-maxEvidence):]
}

// scaling adds what the autoscaler says. Who may not see it, sees the numbers of the Deployment.
func (c *Client) scaling(ctx context.Context, app kube.App, live map[string]any, s *Status) {
	scaler, err := c.find(ctx, kubeapi.AutoscalerKind, app.Namespace, app.Name)
	if err == nil && scaler != nil {
		s.Pods.Min, s.Pods.Max = 1, int(kubeapi.Number(scaler, "spec", "maxReplicas"))
		if kubeapi.Field(scaler, "spec", "minReplicas") != nil {
			s.Pods.Min = int(kubeapi.Number(scaler, "spec", "minReplicas"))
		}
		for _, m := range kubeapi.Items(scaler, "status", "currentMetrics") {
			if value := kubeapi.Field(m, "containerResource", "current", "averageUtilization"); value != nil {
				percent := int(kubeapi.Number(m, "containerResource", "current", "averageUtilization"))
				s.Pods.CPUPercent = &percent
				return
			}
		}
	}
	s.Pods.CPUPercent = c.usage(ctx, app, live)
}

// podMetrics is what the cluster's metrics say of pods
// (https://kubernetes.io/docs/reference/external-api/metrics.v1beta1/).
type podMetrics struct {
	Items []struct {
		Containers []struct {
			Name  string            `json:"name"`
			Usage map[string]string `json:"usage"`
		} `json:"containers"`
	} `json:"items"`
}

// usage is how much of what it asks for the application's container uses, in percent; nil where that is not known.
func (c *Client) usage(ctx context.Context, app kube.App, live map[string]any) *int {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	body, err := c.api.Stream(ctx, "/apis/metrics.k8s.io/v1beta1/namespaces/"+url.PathEscape(app.Namespace)+"/pods",
		url.Values{"labelSelector": {selecting(podLabels(app, kube.RoleServer)).LabelSelector}})
	if err != nil {
		return nil // a cluster without metrics, or somebody who may not see them
	}
	defer body.Close()
	var found podMetrics
	if json.NewDecoder(body).Decode(&found) != nil {
		return nil
	}
	var used, asked int64
	for _, pod := range found.Items {
		for _, container := range pod.Containers {
			if q, err := resource.ParseQuantity(container.Usage["cpu"]); container.Name == app.Name && err == nil {
				used += q.MilliValue()
				asked += requested(live, app.Name)
			}
		}
	}
	if asked == 0 {
		return nil
	}
	percent := int(100 * used / asked)
	return &percent
}

// requested is the CPU that a container asks for, in thousandths.
func requested(live map[string]any, container string) int64 {
	for _, c := range kubeapi.Items(live, "spec", "template", "spec", "containers") {
		if c["name"] != container {
			continue
		}
		if q, err := resource.ParseQuantity(kubeapi.Text(c, "resources", "requests", "cpu")); err == nil {
			return q.MilliValue()
		}
	}
	return 0
}
