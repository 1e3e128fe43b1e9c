package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/diag"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"plattr.dev/plattr/internal/kubeapi"
)

var errTooLong = errors.New("it took too long")

// awaitReady waits until an object that was applied works, and returns it as it then is. Together with an error it
// returns the object that does not work.
func (j *job) awaitReady(ctx context.Context, t kubeapi.Target, inputs map[string]any, live *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	if says(inputs, skipAwaitAnnotation) {
		return live, nil
	}
	check, err := j.checker(t, inputs)
	if check == nil || err != nil {
		return live, err
	}
	limit := timeoutOf(j.timeout, inputs, kubeapi.UsualTime(t.GVK))
	waitCtx, cancel := context.WithTimeoutCause(ctx, limit, errTooLong)
	defer cancel()
	w := &watcher{job: j, target: t, check: j.withPods(t, check), live: live, uid: string(live.GetUID()), since: map[string]time.Time{}}
	if done, err := w.visit(waitCtx, live); done || err != nil {
		return w.live, err
	}
	err = j.Follow(waitCtx, t, time.Second, func(now *unstructured.Unstructured) (bool, error) { return w.visit(waitCtx, now) })
	switch {
	case err == nil, ctx.Err() != nil:
		return w.live, err
	case errors.Is(context.Cause(waitCtx), errTooLong):
		return w.live, w.tooLate(ctx, limit)
	}
	return w.live, j.explain(t, err)
}

// checker is how the readiness of an object is found out; nil if it is ready when it is there.
func (j *job) checker(t kubeapi.Target, inputs map[string]any) (func(context.Context, map[string]any) kubeapi.Verdict, error) {
	if expr := kubeapi.Annotation(inputs, waitForAnnotation); expr != "" {
		conditions, err := parseWaitFor(expr)
		if err != nil {
			return nil, fmt.Errorf("%s: annotation %s: %w", t, waitForAnnotation, err)
		}
		return func(_ context.Context, o map[string]any) kubeapi.Verdict { return conditions.check(o) }, nil
	}
	own := kubeapi.Awaited(t.GVK)
	if own == nil {
		return nil, nil //nolint:nilnil // nothing to wait for
	}
	return func(ctx context.Context, o map[string]any) kubeapi.Verdict {
		v := own(o)
		switch {
		case t.GVK.Kind == "Service" && v.Ready && kubeapi.PointsAtPods(o):
			return j.behind(ctx, t)
		case t.GVK.Kind == "PersistentVolumeClaim" && !v.Ready && j.bindsLater(ctx, o):
			return kubeapi.IsReady()
		}
		return v
	}, nil
}

// withPods adds to what a workload says of itself the reason that is found in its pods.
func (j *job) withPods(t kubeapi.Target, check func(context.Context, map[string]any) kubeapi.Verdict) func(context.Context, map[string]any) kubeapi.Verdict {
	switch t.GVK.Kind {
	case "Deployment", "StatefulSet", "DaemonSet", "Job":
	default:
		return check
	}
	pods := kubeapi.NewWorkload(j.Cluster, t)
	return func(ctx context.Context, o map[string]any) kubeapi.Verdict {
		v := check(ctx, o)
		if !v.Ready && (t.GVK.Kind == "Job" || !kubeapi.Unseen(o)) { // else its pods are those of the version before
			v = kubeapi.Worse(v, pods.Look(ctx, o, time.Now()))
		}
		return v
	}
}

// inspect is why an object does not work at this moment; nil if it does, or if the program does not want it waited for.
func (j *job) inspect(ctx context.Context, t kubeapi.Target, inputs, live map[string]any) error {
	if says(inputs, skipAwaitAnnotation) {
		return nil
	}
	check, err := j.checker(t, inputs)
	if check == nil || err != nil {
		return err
	}
	if v := check(ctx, live); !v.Ready {
		return fmt.Errorf("%s: %s", t, v.Waits)
	}
	return nil
}

// behind says whether a service has anything to point at.
func (j *job) behind(ctx context.Context, t kubeapi.Target) kubeapi.Verdict {
	slices, err := j.List(ctx, kubeapi.SliceKind, t.Namespace, metav1.ListOptions{LabelSelector: "kubernetes.io/service-name=" + t.Name})
	if err != nil {
		j.say(diag.Debug, "%s: what is behind it cannot be seen: %s", t, err)
		return kubeapi.IsReady()
	}
	for _, s := range slices {
		if len(kubeapi.Items(s, "endpoints")) > 0 {
			return kubeapi.IsReady()
		}
	}
	return kubeapi.Waiting("no pod is behind it: its selector matches none, or none has an address yet")
}

// bindsLater says that a claim's class binds a volume only when a pod uses it.
func (j *job) bindsLater(ctx context.Context, o map[string]any) bool {
	name := kubeapi.Text(o, "spec", "storageClassName")
	if name == "" || kubeapi.Text(o, "status", "phase") != "Pending" {
		return false
	}
	class, err := j.Find(ctx, kubeapi.TargetOf(kubeapi.ClassKind, "", name))
	return err == nil && class != nil && kubeapi.Text(class.Object, "volumeBindingMode") == "WaitForFirstConsumer"
}

// watcher follows one object until it works, or never will.
type watcher struct {
	*job

	target kubeapi.Target
	check  func(context.Context, map[string]any) kubeapi.Verdict
	live   *unstructured.Unstructured
	uid    string
	said   string
	waits  string
	since  map[string]time.Time // when something was first lacking
}

func (w *watcher) visit(ctx context.Context, now *unstructured.Unstructured) (bool, error) {
	if now == nil || string(now.GetUID()) != w.uid || now.GetDeletionTimestamp() != nil {
		return false, kubeapi.Explained(nil, "%s was deleted by somebody else while it was waited for: run again", w.target)
	}
	w.live = now
	v := w.check(ctx, now.Object)
	if v.Ready {
		return true, nil
	}
	w.waits = v.Waits
	class := v.Class
	if class == "" {
		class = v.Waits
	}
	began, ok := w.since[class]
	if !ok {
		began = time.Now()
		w.since = map[string]time.Time{class: began}
	}
	if v.After != kubeapi.Never && time.Since(began) >= v.After {
		return false, kubeapi.Explained(nil, "%s does not work: %s", w.target, w.withWords(ctx, v.Waits))
	}
	if w.said != v.Waits {
		w.said = v.Waits
		w.say(diag.Info, "%s: %s", w.target, v.Waits)
	}
	return false, nil
}

func (w *watcher) tooLate(ctx context.Context, limit time.Duration) error {
	return kubeapi.Explained(errTooLong, "%s does not work after %s: %s", w.target, limit, w.withWords(ctx, w.waits))
}

// withWords adds what the cluster's events say, where that says more.
func (w *watcher) withWords(ctx context.Context, why string) string {
	switch w.target.GVK.Kind {
	case "Deployment", "StatefulSet", "DaemonSet", "Job", "Pod":
		pods := kubeapi.NewWorkload(w.Cluster, w.target)
		if words := pods.LastWords(ctx, w.live.Object); words != "" && !strings.Contains(why, words) {
			return why + " (" + words + ")"
		}
	case "PersistentVolumeClaim":
		pods := kubeapi.NewWorkload(w.Cluster, w.target)
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
		defer cancel()
		if words := pods.Warning(ctx, w.uid, ""); words != "" {
			return why + " (" + words + ")"
		}
	}
	return why
}

// awaitGone waits until an object that is being deleted is gone.
func (j *job) awaitGone(ctx context.Context, t kubeapi.Target, live *unstructured.Unstructured, limit time.Duration) error {
	uid := live.GetUID()
	waitCtx, cancel := context.WithTimeoutCause(ctx, limit, errTooLong)
	defer cancel()
	err := j.Follow(waitCtx, t, time.Second, func(now *unstructured.Unstructured) (bool, error) {
		if gone(now, uid) {
			return true, nil
		}
		live = now
		return false, nil
	})
	if err == nil || ctx.Err() != nil || !errors.Is(context.Cause(waitCtx), errTooLong) {
		return err
	}
	return kubeapi.Explained(errTooLong, "%s is still there %s after its deletion: %s", t, limit.Round(time.Second), holds(live))
}

// holds says what keeps an object that was deleted.
func holds(live *unstructured.Unstructured) string {
	var why []string
	if f := live.GetFinalizers(); len(f) > 0 {
		why = append(why, "it waits for the finalizers "+strings.Join(f, ", ")+": is what serves them running?")
	}
	for _, kind := range []string{"NamespaceDeletionContentFailure", "NamespaceDeletionDiscoveryFailure", "NamespaceContentRemaining", "NamespaceFinalizersRemaining"} {
		if c := kubeapi.Condition(live.Object, kind); kubeapi.IsTrue(c) {
			why = append(why, fmt.Sprint(c["message"]))
		}
	}
	if len(why) == 0 {
		return "nothing says why"
	}
	return strings.Join(why, "; ")
}
