package cluster

import (
	"bufio"
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"plattr.dev/plattr/internal/kube"
	"plattr.dev/plattr/internal/kubeapi"
)

// migrations reads the newest Job that migrates.
func (c *Client) migrations(ctx context.Context, app kube.App) (Part, error) {
	part := Part{Name: PartMigrations, State: PartAbsent}
	job, err := c.newestJob(ctx, app)
	if err != nil || job == nil {
		return part, err
	}
	name := kubeapi.Text(job, "metadata", "name")
	part.Detail = "release " + strings.TrimPrefix(name, app.MigrationJobs())
	verdict := kubeapi.Awaited(kubeapi.JobKind)(job)
	if verdict.Ready {
		part.State = PartReady
		if took, ok := between(job, "startTime", "completionTime"); ok {
			part.Detail += fmt.Sprintf(", done in %s", took)
		}
		return part, nil
	}
	part.State, part.Why = PartWaiting, "migrating"
	failed := verdict.After != kubeapi.Never
	if failed {
		part.State, part.Why = PartFailed, verdict.Waits
	}
	pods := kubeapi.NewWorkload(c.api, kubeapi.TargetOf(kubeapi.JobKind, app.Namespace, name))
	findings, err := pods.Findings(ctx, job)
	if err != nil {
		return part, c.api.Explain(kubeapi.TargetOf(kubeapi.PodKind, app.Namespace, ""), err)
	}
	worst, _ := worstOf(findings, time.Now())
	if worst.Text == "" {
		return part, nil
	}
	part.Why, part.Evidence = why(worst), evidence(worst.Said)
	if failed {
		if lines := c.lastLines(ctx, app.Namespace, worst.Pod, worst.Container); len(lines) > 0 {
			part.Evidence = lines
		}
	}
	return part, nil
}

// newestJob is the Job of the release that was deployed last; nil where the application has none.
func (c *Client) newestJob(ctx context.Context, app kube.App) (map[string]any, error) {
	jobs, err := c.list(ctx, kubeapi.JobKind, app.Namespace, map[string]string{kube.LabelName: app.Name, kube.LabelManagedBy: "plattr"})
	if err != nil {
		return nil, err
	}
	var newest map[string]any
	for _, job := range jobs {
		made := func(o map[string]any) string { return kubeapi.Text(o, "metadata", "creationTimestamp") }
		if strings.HasPrefix(kubeapi.Text(job, "metadata", "name"), app.MigrationJobs()) && (newest == nil || made(job) >= made(newest)) {
			newest = job
		}
	}
	return newest, nil
}

// between is the time from one moment of a status to another.
func between(o map[string]any, from, to string) (time.Duration, bool) {
	began, err := time.Parse(time.RFC3339, kubeapi.Text(o, "status", from))
	if err != nil {
		return 0, false
	}
	ended, err := time.Parse(time.RFC3339, kubeapi.Text(o, "status", to))
	return ended.Sub(began), err == nil
}

// lastLines are the last that a container wrote; none where they cannot be read.
func (c *Client) lastLines(ctx context.Context, namespace, pod, container string) []string {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	body, err := c.api.Stream(ctx, logPath(namespace, pod), url.Values{"container": {container}, "tailLines": {strconv.Itoa(maxEvidence)}})
	if err != nil {
		return nil
	}
	defer body.Close()
	var lines []string
	for scanner := bufio.NewScanner(body); scanner.Scan(); {
		lines = append(lines, scanner.Text())
	}
	return lines
}

func logPath(namespace, pod string) string {
	return "/api/v1/namespaces/" + url.PathEscape(namespace) + "/pods/" + url.PathEscape(pod) + "/log"
}
