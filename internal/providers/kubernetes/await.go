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
)

var errTooLong = errors.New("it took too long")

// awaitReady waits until an object that was applied works, and returns it as it then is. Together with an error it
// returns the object that does not work.
func (j *job) awaitReady(ctx context.Context, t target, inputs map[string]any, live *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	if says(inputs, skipAwaitAnnotation) {
		return live, nil
	}
	check, err := j.checker(t, inputs)
	if check == nil || err != nil {
		return live, err
	}
	limit := timeoutOf(j.timeout, inputs, usualTime(t.gvk))
	waitCtx, cancel := context.WithTimeoutCause(ctx, limit, errTooLong)
	defer cancel()
	w := &watcher{job: j, target: t, check: j.withPods(t, check), live: live, uid: string(live.GetUID()), since: map[string]time.Time{}}
	if done, err := w.visit(waitCtx, live); done || err != nil {
		return w.live, err
	}
	err = j.follow(waitCtx, t, time.Second, func(now *unstructured.Unstructured) (bool, error) { return w.visit(waitCtx, now) })
	switch {
	case err == nil, ctx.Err() != nil:
		return w.live, err
	case errors.Is(context.Cause(waitCtx), errTooLong):
		return w.live, w.tooLate(ctx, limit)
	}
	return w.live, j.explain(t, err)
}

// checker is how the readiness of an object is found out; nil if it is ready when it is there.
func (j *job) checker(t target, inputs map[string]any) (func(context.Context, map[string]any) verdict, error) {
	if expr := annotation(inputs, waitForAnnotation); expr != "" {
		conditions, err := parseWaitFor(expr)
		if err != nil {
			return nil, fmt.Errorf("%s: annotation %s: %w", t, waitForAnnotation, err)
		}
		return func(_ context.Context, o map[string]any) verdict { return conditions.check(o) }, nil
	}
	own := awaited(t.gvk)
	if own == nil {
		return nil, nil //nolint:nilnil // nothing to wait for
	}
	return func(ctx context.Context, o map[string]any) verdict {
		v := own(o)
		switch {
		case t.gvk.Kind == "Service" && v.ready && pointsAtPods(o):
			return j.behind(ctx, t)
		case t.gvk.Kind == "PersistentVolumeClaim" && !v.ready && j.bindsLater(ctx, o):
			return isReady()
		}
		return v
	}, nil
}

// withPods adds to what a workload says of itself the reason that is found in its pods.
func (j *job) withPods(t target, check func(context.Context, map[string]any) verdict) func(context.Context, map[string]any) verdict {
	switch t.gvk.Kind {
	case "Deployment", "StatefulSet", "DaemonSet", "Job":
	default:
		return check
	}
	pods := &workload{job: j, target: t, since: map[string]time.Time{}}
	return func(ctx context.Context, o map[string]any) verdict {
		v := check(ctx, o)
		if !v.ready && (t.gvk.Kind == "Job" || !unseen(o)) { // else its pods are those of the version before
			v = worse(v, pods.look(ctx, o, time.Now()))
		}
		return v
	}
}

// inspect is why an object does not work at this moment; nil if it does, or if the program does not want it waited for.
func (j *job) inspect(ctx context.Context, t target, inputs, live map[string]any) error {
	if says(inputs, skipAwaitAnnotation) {
		return nil
	}
	check, err := j.checker(t, inputs)
	if check == nil || err != nil {
		return err
	}
	if v := check(ctx, live); !v.ready {
		return fmt.Errorf("%s: %s", t, v.waits)
	}
	return nil
}

// worse joins what an object says with the reason that was found in its pods.
func worse(own, pods verdict) verdict {
	if pods.waits == "" {
		return own
	}
	v := verdict{waits: own.waits + ": " + pods.waits, after: own.after, class: own.class}
	if pods.after != never {
		v.after = pods.after
	}
	return v
}

// behind says whether a service has anything to point at.
func (j *job) behind(ctx context.Context, t target) verdict {
	slices, err := j.list(ctx, sliceKind, t.namespace, metav1.ListOptions{LabelSelector: "kubernetes.io/service-name=" + t.name})
	if err != nil {
		j.say(diag.Debug, "%s: what is behind it cannot be seen: %s", t, err)
		return isReady()
	}
	for _, s := range slices {
		if len(items(s, "endpoints")) > 0 {
			return isReady()
		}
	}
	return waiting("no pod is behind it: its selector matches none, or none has an address yet")
}

// bindsLater says that a claim's class binds a volume only when a pod uses it.
func (j *job) bindsLater(ctx context.Context, o map[string]any) bool {
	name := text(o, "spec", "storageClassName")
	if name == "" || text(o, "status", "phase") != "Pending" {
		return false
	}
	class, err := j.find(ctx, target{gvk: classKind, mapping: builtin[classKind], name: name})
	return err == nil && class != nil && text(class.Object, "volumeBindingMode") == "WaitForFirstConsumer"
}

// watcher follows one object until it works, or never will.
type watcher struct {
	*job

	target target
	check  func(context.Context, map[string]any) verdict
	live   *unstructured.Unstructured
	uid    string
	said   string
	waits  string
	since  map[string]time.Time // when something was first lacking
}

func (w *watcher) visit(ctx context.Context, now *unstructured.Unstructured) (bool, error) {
	if now == nil || string(now.GetUID()) != w.uid || now.GetDeletionTimestamp() != nil {
		return false, explained(nil, "%s was deleted by somebody else while it was waited for: run again", w.target)
	}
	w.live = now
	v := w.check(ctx, now.Object)
	if v.ready {
		return true, nil
	}
	w.waits = v.waits
	class := v.class
	if class == "" {
		class = v.waits
	}
	began, ok := w.since[class]
	if !ok {
		began = time.Now()
		w.since = map[string]time.Time{class: began}
	}
	if v.after != never && time.Since(began) >= v.after {
		return false, explained(nil, "%s does not work: %s", w.target, w.withWords(ctx, v.waits))
	}
	if w.said != v.waits {
		w.said = v.waits
		w.say(diag.Info, "%s: %s", w.target, v.waits)
	}
	return false, nil
}

func (w *watcher) tooLate(ctx context.Context, limit time.Duration) error {
	return explained(errTooLong, "%s does not work after %s: %s", w.target, limit, w.withWords(ctx, w.waits))
}

// withWords adds what the cluster's events say, where that says more.
func (w *watcher) withWords(ctx context.Context, why string) string {
	switch w.target.gvk.Kind {
	case "Deployment", "StatefulSet", "DaemonSet", "Job", "Pod":
		pods := &workload{job: w.job, target: w.target, since: map[string]time.Time{}}
		if words := pods.lastWords(ctx, w.live.Object); words != "" && !strings.Contains(why, words) {
			return why + " (" + words + ")"
		}
	case "PersistentVolumeClaim":
		pods := &workload{job: w.job, target: w.target}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
		defer cancel()
		if words := pods.warning(ctx, w.uid, ""); words != "" {
			return why + " (" + words + ")"
		}
	}
	return why
}

// awaitGone waits until an object that is being deleted is gone.
func (j *job) awaitGone(ctx context.Context, t target, live *unstructured.Unstructured, limit time.Duration) error {
	uid := live.GetUID()
	waitCtx, cancel := context.WithTimeoutCause(ctx, limit, errTooLong)
	defer cancel()
	err := j.follow(waitCtx, t, time.Second, func(now *unstructured.Unstructured) (bool, error) {
		if gone(now, uid) {
			return true, nil
		}
		live = now
		return false, nil
	})
	if err == nil || ctx.Err() != nil || !errors.Is(context.Cause(waitCtx), errTooLong) {
		return err
	}
	return explained(errTooLong, "%s is still there %s after its deletion: %s", t, limit.Round(time.Second), holds(live))
}

// holds says what keeps an object that was deleted.
func holds(live *unstructured.Unstructured) string {
	var why []string
	if f := live.GetFinalizers(); len(f) > 0 {
		why = append(why, "it waits for the finalizers "+strings.Join(f, ", ")+": is what serves them running?")
	}
	for _, kind := range []string{"NamespaceDeletionContentFailure", "NamespaceDeletionDiscoveryFailure", "NamespaceContentRemaining", "NamespaceFinalizersRemaining"} {
		if c := condition(live.Object, kind); isTrue(c) {
			why = append(why, fmt.Sprint(c["message"]))
		}
	}
	if len(why) == 0 {
		return "nothing says why"
	}
	return strings.Join(why, "; ")
}
