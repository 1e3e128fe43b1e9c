package kubernetes

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// finding is why a pod does not work. An empty text means that nothing is known to be wrong.
type finding struct {
	text string
	// after is how long it has to last until it is final.
	after time.Duration
	// class tells whether a later finding is the same again.
	class string
}

func (f finding) orElse(text string) string {
	if f.text == "" {
		return text
	}
	return f.text
}

// refusedImage is what registries say of images that will not come.
var refusedImage = regexp.MustCompile(`(?i)not found|manifest unknown|unauthorized|denied|forbidden|no match for platform|invalid`)

// podFinding looks for the reason in a pod's status.
// Source: the kubelet's reasons, kubernetes, pkg/kubelet/images/types.go and pkg/kubelet/container/sync_result.go; the
// scheduler's, pkg/scheduler.
func podFinding(pod map[string]any) finding {
	scheduled := condition(pod, "PodScheduled")
	if scheduled["status"] == "False" && scheduled["reason"] == "Unschedulable" {
		return finding{text: fmt.Sprintf("it fits on no node: %s", scheduled["message"]), after: never, class: "scheduling"}
	}
	var unready finding
	for _, list := range []string{"initContainerStatuses", "containerStatuses"} {
		for _, c := range items(pod, "status", list) {
			if f := containerFinding(c, list == "initContainerStatuses"); f.class == "probe" {
				unready = f
			} else if f.text != "" {
				return f
			}
		}
	}
	if text(pod, "status", "phase") == "Failed" {
		why := strings.TrimSpace(text(pod, "status", "reason") + " " + text(pod, "status", "message"))
		return finding{text: "it failed: " + why, class: "failed"}
	}
	return unready
}

func containerFinding(c map[string]any, isInit bool) finding {
	name := text(c, "name")
	reason, message := text(c, "state", "waiting", "reason"), text(c, "state", "waiting", "message")
	switch reason {
	case "ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "ImageInspectError", "RegistryUnavailable":
		return imageFinding(c, reason, message)
	case "CreateContainerConfigError", "CreateContainerError", "RunContainerError":
		return finding{text: fmt.Sprintf("container %s cannot be started: %s", name, message), after: 10 * time.Second, class: "start"}
	case "CrashLoopBackOff":
		after := time.Minute
		if number(c, "restartCount") >= 3 {
			after = 0
		}
		return finding{text: fmt.Sprintf("container %s crashes: %s", name, ending(c, "lastState")), after: after, class: "crash"}
	}
	if field(c, "state", "terminated") != nil && number(c, "state", "terminated", "exitCode") != 0 {
		return finding{text: fmt.Sprintf("container %s ended: %s", name, ending(c, "state")), after: never, class: "ended"}
	}
	if field(c, "state", "running") != nil && c["ready"] == false && !isInit {
		why := "is running and not ready"
		if field(c, "lastState", "terminated") != nil {
			why += ", after it ended: " + ending(c, "lastState")
		}
		return finding{text: fmt.Sprintf("container %s %s", name, why), after: never, class: "probe"}
	}
	return finding{}
}

func imageFinding(c map[string]any, reason, message string) finding {
	f := finding{class: "image", after: time.Minute}
	switch {
	case reason == "InvalidImageName", reason == "ErrImageNeverPull":
		f.after = 0
	case refusedImage.MatchString(message):
		f.after = 5 * time.Second
	}
	f.text = fmt.Sprintf("image %s of container %s cannot be had (%s): %s", text(c, "image"), text(c, "name"), reason, message)
	return f
}

// ending says how a container ended.
func ending(c map[string]any, state string) string {
	out := fmt.Sprintf("exit code %d", number(c, state, "terminated", "exitCode"))
	if reason := text(c, state, "terminated", "reason"); reason != "" && reason != "Error" {
		out += " (" + reason + ")"
	}
	if message := strings.TrimSpace(text(c, state, "terminated", "message")); message != "" {
		out += ": " + message
	}
	return out
}

// workload is the search for pods of an object, and what was found when.
type workload struct {
	*job

	target target
	looked time.Time
	since  map[string]time.Time
	last   verdict
}

// look asks for the pods of a workload that is not ready, at most once a second, and returns the reason that is nearest
// to being final.
func (w *workload) look(ctx context.Context, live map[string]any, now time.Time) verdict {
	if now.Sub(w.looked) < time.Second {
		return w.last
	}
	w.looked = now
	pods, maker, err := w.pods(ctx, live)
	if err != nil {
		w.last = verdict{} // whoever may not see pods sees the object's own words
		return w.last
	}
	var findings []finding
	for _, pod := range pods {
		f := podFinding(pod)
		if f.text != "" {
			f.text = fmt.Sprintf("pod %s: %s", text(pod, "metadata", "name"), f.text)
			findings = append(findings, f)
		}
	}
	if len(pods) == 0 && maker != "" {
		if message := w.warning(ctx, maker, "FailedCreate"); message != "" {
			findings = append(findings, finding{text: "its pods cannot be made: " + message, after: 5 * time.Second, class: "make"})
		}
	}
	w.last = w.judge(live, findings, now)
	return w.last
}

// judge keeps account of how long each reason has lasted.
func (w *workload) judge(live map[string]any, findings []finding, now time.Time) verdict {
	seen := map[string]time.Time{}
	out := verdict{after: never}
	for _, f := range findings {
		began, ok := w.since[f.class]
		if !ok {
			began = now
		}
		seen[f.class] = began
		if text(live, "kind") == "Job" && f.class == "crash" {
			f.after = never // the Job counts its failures itself
		}
		switch {
		case f.after != never && now.Sub(began) >= f.after:
			w.since = seen
			return verdict{waits: f.text}
		case out.waits == "" || out.after == never && f.after != never:
			out.waits, out.after = f.text, f.after
		}
	}
	w.since = seen
	out.after = never // not yet
	return out
}

// pods are those of the newest revision of a workload; maker is the UID of what makes them.
func (w *workload) pods(ctx context.Context, live map[string]any) ([]map[string]any, string, error) {
	kind, uid := text(live, "kind"), text(live, "metadata", "uid")
	selector, ok := field(live, "spec", "selector").(map[string]any)
	if !ok {
		return nil, "", fmt.Errorf("%s selects no pods", kind)
	}
	labels, err := selectorText(selector)
	if err != nil {
		return nil, "", err
	}
	options := metav1.ListOptions{LabelSelector: labels}
	maker := uid
	if kind == "Deployment" {
		sets, err := w.list(ctx, replicaSetKind, w.target.namespace, options)
		if err != nil {
			return nil, "", err
		}
		revision := annotation(live, "deployment.kubernetes.io/revision")
		i := slices.IndexFunc(sets, func(rs map[string]any) bool {
			return controlledBy(rs, uid) && annotation(rs, "deployment.kubernetes.io/revision") == revision
		})
		if i < 0 {
			return nil, "", nil
		}
		maker = text(sets[i], "metadata", "uid")
	}
	all, err := w.list(ctx, podKind, w.target.namespace, options)
	if err != nil {
		return nil, "", err
	}
	revision := text(live, "status", "updateRevision")
	return slices.DeleteFunc(all, func(pod map[string]any) bool {
		if !controlledBy(pod, maker) || text(pod, "metadata", "deletionTimestamp") != "" {
			return true
		}
		switch kind {
		case "StatefulSet":
			return revision != "" && text(pod, "metadata", "labels", "controller-revision-hash") != revision
		case "DaemonSet":
			newest := annotation(live, "deprecated.daemonset.template.generation")
			return newest != "" && text(pod, "metadata", "labels", "pod-template-generation") != newest
		}
		return false
	}), maker, nil
}

func controlledBy(o map[string]any, uid string) bool {
	return slices.ContainsFunc(items(o, "metadata", "ownerReferences"), func(ref map[string]any) bool { return ref["uid"] == uid })
}

// selectorText is a label selector as a query has it.
func selectorText(selector map[string]any) (string, error) {
	var s metav1.LabelSelector
	s.MatchLabels = map[string]string{}
	if labels, ok := selector["matchLabels"].(map[string]any); ok {
		for k, v := range labels {
			s.MatchLabels[k], _ = v.(string)
		}
	}
	for _, e := range items(selector, "matchExpressions") {
		r := metav1.LabelSelectorRequirement{Key: text(e, "key"), Operator: metav1.LabelSelectorOperator(text(e, "operator"))}
		values, _ := e["values"].([]any)
		for _, v := range values {
			value, _ := v.(string)
			r.Values = append(r.Values, value)
		}
		s.MatchExpressions = append(s.MatchExpressions, r)
	}
	parsed, err := metav1.LabelSelectorAsSelector(&s)
	if err != nil {
		return "", fmt.Errorf("selector: %w", err)
	}
	return parsed.String(), nil
}

// warning is the newest warning about an object, of one reason or of any.
func (w *workload) warning(ctx context.Context, uid, reason string) string {
	query := "type=Warning,involvedObject.uid=" + uid
	if reason != "" {
		query += ",reason=" + reason
	}
	events, err := w.list(ctx, eventKind, w.target.namespace, metav1.ListOptions{FieldSelector: query})
	if err != nil {
		return ""
	}
	newest, message := "", ""
	for _, e := range events {
		if said := text(e, "message"); strings.HasPrefix(said, "Back-off ") || strings.HasPrefix(said, "Error: ") {
			continue // the pod's status says more
		}
		if at := max(text(e, "lastTimestamp"), text(e, "eventTime"), text(e, "metadata", "creationTimestamp")); at >= newest {
			newest, message = at, strings.TrimSpace(text(e, "message"))
		}
	}
	return message
}

// lastWords are what the cluster's events say of a workload that was waited for in vain: a probe that fails, a volume
// that cannot be mounted.
func (w *workload) lastWords(ctx context.Context, live map[string]any) string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
	defer cancel()
	if text(live, "kind") == "Pod" {
		return w.warning(ctx, text(live, "metadata", "uid"), "")
	}
	pods, maker, err := w.pods(ctx, live)
	if err != nil {
		return ""
	}
	for _, pod := range pods {
		if isTrue(condition(pod, "Ready")) {
			continue
		}
		if message := w.warning(ctx, text(pod, "metadata", "uid"), ""); message != "" {
			return message
		}
	}
	return w.warning(ctx, maker, "")
}
