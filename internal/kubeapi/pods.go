package kubeapi

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Finding is why a pod does not work. An empty Text means that nothing is known to be wrong.
type Finding struct {
	Text string
	// After is how long it has to last until it is final.
	After time.Duration
	// Class tells whether a later finding is the same again.
	Class string
	// Ended is when a container that crashes did so last; zero for other findings.
	Ended time.Time
	// Pod is whose it is; Container is the one that is the reason, if one is. Said are its last words, which may be many
	// lines: Text ends with them.
	Pod, Container, Said string
	// Since is when the pod was made.
	Since time.Time
}

func (f Finding) orElse(text string) string {
	if f.Text == "" {
		return text
	}
	return f.Text
}

// refusedImage is what registries say of images that will not come.
var refusedImage = regexp.MustCompile(`(?i)not found|manifest unknown|unauthorized|denied|forbidden|no match for platform|invalid`)

// PodFinding looks for the reason in a pod's status.
// Source: the kubelet's reasons, kubernetes, pkg/kubelet/images/types.go and pkg/kubelet/container/sync_result.go; the
// scheduler's, pkg/scheduler.
func PodFinding(pod map[string]any) Finding {
	scheduled := Condition(pod, "PodScheduled")
	if scheduled["status"] == "False" && scheduled["reason"] == "Unschedulable" {
		return Finding{Text: fmt.Sprintf("it fits on no node: %s", scheduled["message"]), After: Never, Class: "scheduling"}
	}
	var unready Finding
	for _, list := range []string{"initContainerStatuses", "containerStatuses"} {
		for _, c := range Items(pod, "status", list) {
			if f := neverStarted(pod, c); f.Text != "" {
				return f
			}
			if f := containerFinding(c, list == "initContainerStatuses"); f.Class == "probe" {
				unready = f
			} else if f.Text != "" {
				return f
			}
		}
	}
	if Text(pod, "status", "phase") == "Failed" {
		why := strings.TrimSpace(Text(pod, "status", "reason") + " " + Text(pod, "status", "message"))
		return Finding{Text: "it failed: " + why, Class: "failed"}
	}
	return unready
}

func containerFinding(c map[string]any, isInit bool) Finding {
	name := Text(c, "name")
	reason, message := Text(c, "state", "waiting", "reason"), Text(c, "state", "waiting", "message")
	switch reason {
	case "ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "ImageInspectError", "RegistryUnavailable":
		return imageFinding(c, reason, message)
	case "CreateContainerConfigError", "CreateContainerError", "RunContainerError":
		return Finding{Text: fmt.Sprintf("container %s cannot be started: %s", name, message), After: 10 * time.Second, Class: "start", Container: name}
	case "CrashLoopBackOff":
		after := time.Minute
		switch ended := Text(c, "lastState", "terminated", "reason"); {
		case Number(c, "restartCount") >= 3:
			after = 0
		case ended == "StartError" || ended == "ContainerCannotRun": // it never began: another try will not help
			after = 5 * time.Second
		}
		return endedFinding(c, "crashes: ", "lastState", after, "crash")
	}
	if Field(c, "state", "terminated") != nil && Number(c, "state", "terminated", "exitCode") != 0 {
		return endedFinding(c, "ended: ", "state", Never, "ended")
	}
	if Field(c, "state", "running") != nil && c["ready"] == false && !isInit {
		if Field(c, "lastState", "terminated") != nil {
			return endedFinding(c, "is running and not ready, after it ended: ", "lastState", Never, "probe")
		}
		return Finding{Text: fmt.Sprintf("container %s is running and not ready", name), After: Never, Class: "probe", Container: name}
	}
	return Finding{}
}

// neverStarted tells that a container was ended by the kubelet because it had not answered its startup probe in all the time
// that this gives it.
// Source: kubernetes, staging/src/k8s.io/api/core/v1/types.go, Probe, with its defaults.
func neverStarted(pod, c map[string]any) Finding {
	name := Text(c, "name")
	containers := Items(pod, "spec", "containers")
	i := slices.IndexFunc(containers, func(spec map[string]any) bool { return spec["name"] == name })
	if i < 0 || Field(containers[i], "startupProbe") == nil || c["started"] == true {
		return Finding{}
	}
	probe, _ := Field(containers[i], "startupProbe").(map[string]any)
	period, failures := cmp.Or(Number(probe, "periodSeconds"), 10), cmp.Or(Number(probe, "failureThreshold"), 3)
	given := time.Duration(Number(probe, "initialDelaySeconds")+period*(failures-1)) * time.Second
	began, err1 := time.Parse(time.RFC3339, Text(c, "lastState", "terminated", "startedAt"))
	ended, err2 := time.Parse(time.RFC3339, Text(c, "lastState", "terminated", "finishedAt"))
	if err1 != nil || err2 != nil || ended.Sub(began) < given {
		return Finding{}
	}
	return Finding{
		Text:  fmt.Sprintf("container %s did not answer its startup probe%s for %s and was ended", name, page(probe), ended.Sub(began)),
		Class: "startup", Container: name, Ended: ended,
	}
}

// page is what a probe asks for, if it is a page.
func page(probe map[string]any) string {
	if Field(probe, "httpGet") == nil {
		return ""
	}
	return fmt.Sprintf(" (GET %s on port %v)", cmp.Or(Text(probe, "httpGet", "path"), "/"), Field(probe, "httpGet", "port"))
}

// runtimePrefix is what kubelet and container runtime put before the registry's own words.
var runtimePrefix = regexp.MustCompile(`^(?:Back-off pulling image "[^"]*": )?(?:Err\w+: )?(?:rpc error: code = \w+ desc = )?(?:failed to pull and unpack image "[^"]*": )?`)

// endedFinding tells how a container ended, in one of its states.
func endedFinding(c map[string]any, what, state string, after time.Duration, class string) Finding {
	name := Text(c, "name")
	ended, _ := time.Parse(time.RFC3339, Text(c, state, "terminated", "finishedAt")) // zero where it does not say
	return Finding{
		Text: fmt.Sprintf("container %s %s%s", name, what, ending(c, state)), After: after, Class: class, Container: name, Ended: ended,
		Said: strings.TrimSpace(Text(c, state, "terminated", "message")),
	}
}

func imageFinding(c map[string]any, reason, message string) Finding {
	f := Finding{Class: "image", After: time.Minute, Container: Text(c, "name")}
	switch {
	case reason == "InvalidImageName", reason == "ErrImageNeverPull":
		f.After = 0
	case refusedImage.MatchString(message):
		f.After = 5 * time.Second
	}
	f.Text = fmt.Sprintf("image %s of container %s cannot be had (%s): %s", Text(c, "image"), f.Container, reason, runtimePrefix.ReplaceAllString(message, ""))
	return f
}

// ending says how a container ended.
func ending(c map[string]any, state string) string {
	out := fmt.Sprintf("exit code %d", Number(c, state, "terminated", "exitCode"))
	if reason := Text(c, state, "terminated", "reason"); reason != "" && reason != "Error" {
		out += " (" + reason + ")"
	}
	if message := strings.TrimSpace(Text(c, state, "terminated", "message")); message != "" {
		out += ": " + message
	}
	return out
}

// Workload is the search for pods of an object, and what was found when.
type Workload struct {
	*Cluster

	target Target
	began  time.Time // when it was looked at first
	looked time.Time
	since  map[string]time.Time
	last   Verdict
}

// NewWorkload looks for the pods of an object, which are never looked for before.
func NewWorkload(c *Cluster, t Target) *Workload {
	return &Workload{Cluster: c, target: t, since: map[string]time.Time{}}
}

// Look asks for the pods of a workload that is not ready, at most once a second, and returns the reason that is nearest
// to being final.
func (w *Workload) Look(ctx context.Context, live map[string]any, now time.Time) Verdict {
	if now.Sub(w.looked) < time.Second {
		return w.last
	}
	w.looked = now
	if w.began.IsZero() {
		w.began = now
	}
	findings, err := w.Findings(ctx, live)
	switch {
	case err != nil && ctx.Err() != nil: // the time is up, and the reason is the last one that was seen
		return w.last
	case err != nil:
		w.last = Verdict{} // whoever may not see pods sees the object's own words
		return w.last
	}
	w.last = w.judge(live, findings, now)
	return w.last
}

// Findings are what is wrong with the pods of a workload's newest revision, at this moment.
func (w *Workload) Findings(ctx context.Context, live map[string]any) ([]Finding, error) {
	pods, maker, err := w.Pods(ctx, live)
	if err != nil {
		return nil, err
	}
	var findings []Finding
	for _, pod := range pods {
		f := PodFinding(pod)
		if f.Text != "" {
			f.Pod = Text(pod, "metadata", "name")
			f.Text = fmt.Sprintf("pod %s: %s", f.Pod, f.Text)
			f.Since, _ = time.Parse(time.RFC3339, Text(pod, "metadata", "creationTimestamp"))
			findings = append(findings, f)
		}
	}
	if len(pods) == 0 && maker != "" {
		if message := w.Warning(ctx, maker, "FailedCreate"); message != "" {
			findings = append(findings, Finding{Text: "its pods cannot be made: " + message, After: 5 * time.Second, Class: "make"})
		}
	}
	return findings, nil
}

// anotherTry is how long a container that crashed before anybody waited for it has for the next try: the kubelet waits that
// long between tries, but for containers that have crashed for ten minutes.
const anotherTry = 3 * time.Minute

// judge keeps account of how long each reason has lasted.
func (w *Workload) judge(live map[string]any, findings []Finding, now time.Time) Verdict {
	seen := map[string]time.Time{}
	out := Verdict{After: Never}
	for _, f := range findings {
		began, ok := w.since[f.Class]
		if !ok {
			began = now
		}
		seen[f.Class] = began
		if Text(live, "kind") == "Job" && f.Class == "crash" {
			f.After = Never // the Job counts its failures itself
		}
		if (f.Class == "crash" || f.Class == "startup") && !f.Ended.IsZero() && f.Ended.Before(w.began) {
			f.After = max(f.After, anotherTry) // what it lacked then may be there by now
		}
		switch {
		case f.After != Never && now.Sub(began) >= f.After:
			w.since = seen
			return Verdict{Waits: f.Text}
		case out.Waits == "" || out.After == Never && f.After != Never:
			out.Waits, out.After = f.Text, f.After
		}
	}
	w.since = seen
	out.After = Never // not yet
	return out
}

// Pods are those of the newest revision of a workload; maker is the UID of what makes them.
func (w *Workload) Pods(ctx context.Context, live map[string]any) ([]map[string]any, string, error) {
	kind, uid := Text(live, "kind"), Text(live, "metadata", "uid")
	selector, ok := Field(live, "spec", "selector").(map[string]any)
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
		sets, err := w.List(ctx, ReplicaSetKind, w.target.Namespace, options)
		if err != nil {
			return nil, "", err
		}
		revision := Annotation(live, "deployment.kubernetes.io/revision")
		i := slices.IndexFunc(sets, func(rs map[string]any) bool {
			return ControlledBy(rs, uid) && Annotation(rs, "deployment.kubernetes.io/revision") == revision
		})
		if i < 0 {
			return nil, "", nil
		}
		maker = Text(sets[i], "metadata", "uid")
	}
	all, err := w.List(ctx, PodKind, w.target.Namespace, options)
	if err != nil {
		return nil, "", err
	}
	revision := Text(live, "status", "updateRevision")
	return slices.DeleteFunc(all, func(pod map[string]any) bool {
		if !ControlledBy(pod, maker) || Text(pod, "metadata", "deletionTimestamp") != "" {
			return true
		}
		switch kind {
		case "StatefulSet":
			return revision != "" && Text(pod, "metadata", "labels", "controller-revision-hash") != revision
		case "DaemonSet":
			newest := Annotation(live, "deprecated.daemonset.template.generation")
			return newest != "" && Text(pod, "metadata", "labels", "pod-template-generation") != newest
		}
		return false
	}), maker, nil
}

// ControlledBy tells whether an object is made by the one with a UID.
func ControlledBy(o map[string]any, uid string) bool {
	return slices.ContainsFunc(Items(o, "metadata", "ownerReferences"), func(ref map[string]any) bool { return ref["uid"] == uid })
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
	for _, e := range Items(selector, "matchExpressions") {
		r := metav1.LabelSelectorRequirement{Key: Text(e, "key"), Operator: metav1.LabelSelectorOperator(Text(e, "operator"))}
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

// Warning is the newest warning about an object, of one reason or of any.
func (w *Workload) Warning(ctx context.Context, uid, reason string) string {
	query := "type=Warning,involvedObject.uid=" + uid
	if reason != "" {
		query += ",reason=" + reason
	}
	events, err := w.List(ctx, eventKind, w.target.Namespace, metav1.ListOptions{FieldSelector: query})
	if err != nil {
		return ""
	}
	newest, message := "", ""
	for _, e := range events {
		if said := Text(e, "message"); strings.HasPrefix(said, "Back-off ") || strings.HasPrefix(said, "Error: ") {
			continue // the pod's status says more
		}
		if at := max(Text(e, "lastTimestamp"), Text(e, "eventTime"), Text(e, "metadata", "creationTimestamp")); at >= newest {
			newest, message = at, strings.TrimSpace(Text(e, "message"))
		}
	}
	return message
}

// LastWords are what the cluster's events say of a workload that was waited for in vain: a probe that fails, a volume
// that cannot be mounted.
func (w *Workload) LastWords(ctx context.Context, live map[string]any) string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
	defer cancel()
	if Text(live, "kind") == "Pod" {
		return w.Warning(ctx, Text(live, "metadata", "uid"), "")
	}
	pods, maker, err := w.Pods(ctx, live)
	if err != nil {
		return ""
	}
	for _, pod := range pods {
		if IsTrue(Condition(pod, "Ready")) {
			continue
		}
		if message := w.Warning(ctx, Text(pod, "metadata", "uid"), ""); message != "" {
			return message
		}
	}
	return w.Warning(ctx, maker, "")
}

// Worse joins what an object says with the reason that was found in its pods.
func Worse(own, pods Verdict) Verdict {
	if pods.Waits == "" {
		return own
	}
	v := Verdict{Waits: own.Waits + ": " + pods.Waits, After: own.After, Class: own.Class}
	if pods.After != Never {
		v.After = pods.After
	}
	return v
}
