package kubernetes

import (
	"context"
	"errors"
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/common/diag"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"plattr.dev/plattr/internal/kubeapi"
)

// update applies new inputs to the object of a state, and waits until it works. If that object is gone it is made anew.
func (j *job) update(ctx context.Context, req plugin.UpdateRequest) (*unstructured.Unstructured, error) {
	inputs := toObject(req.NewInputs)
	t, err := j.locate(ctx, inputs, true)
	if err != nil {
		return nil, j.explain(t, err)
	}
	uid, manager := stateUID(req.OldOutputs), j.manager(req.OldOutputs, req.NewInputs)
	force := says(inputs, forceAnnotation)
	var live *unstructured.Unstructured
	if force || uid == "" || len(req.IgnoreChanges) > 0 {
		if live, err = j.Find(ctx, t); err != nil {
			return nil, j.explain(t, err)
		}
		if live != nil && !owns(live, j.op.Owner, uid) {
			return nil, foreign(t, live, j.op.Owner)
		}
		leaveOut(inputs, live, manager, req.IgnoreChanges)
	}
	var now *unstructured.Unstructured
	if uid != "" {
		now, err = j.Apply(ctx, t, j.body(t, inputs, uid), kubeapi.ApplyOptions{Manager: manager, Force: force})
	}
	if uid == "" || kubeapi.IsIdentity(err) || err == nil && now.GetDeletionTimestamp() != nil {
		now, err = j.make(ctx, t, inputs, manager, uid)
	}
	if err != nil {
		return nil, j.explain(t, j.handedOver(ctx, t, err))
	}
	j.changed(t, inputs)
	if err := j.relinquish(ctx, t, now, req.OldOutputs, manager); err != nil {
		return nil, j.explain(t, err)
	}
	return j.awaitReady(ctx, t, inputs, now)
}

// handedOver turns a conflict about the mark into what it means: the object was given to another stack.
func (j *job) handedOver(ctx context.Context, t kubeapi.Target, err error) error {
	if !kubeapi.IsConflict(err) {
		return err
	}
	live, findErr := j.Find(ctx, t)
	if findErr != nil || live == nil {
		return err
	}
	if mark := live.GetAnnotations()[markKey]; mark != "" && mark != j.op.Owner {
		return foreign(t, live, j.op.Owner)
	}
	return err
}

// relinquish drops the fields of the manager that the object had before, if the program names another one now.
// Source: pulumi-kubernetes, provider/pkg/ssa, Relinquish.
func (j *job) relinquish(ctx context.Context, t kubeapi.Target, live *unstructured.Unstructured, state resource.PropertyMap, manager string) error {
	v, ok := state[fieldManagerKey]
	if !ok || !v.IsString() || v.StringValue() == manager || ownedBy(live, v.StringValue()) == nil {
		return nil
	}
	nothing := map[string]any{
		"apiVersion": live.GetAPIVersion(), "kind": live.GetKind(),
		"metadata": map[string]any{"name": t.Name, "uid": string(live.GetUID())},
	}
	_, err := j.Apply(ctx, t, nothing, kubeapi.ApplyOptions{Manager: v.StringValue()})
	return err
}

// leaveOut takes the fields that the program ignores out of what is applied: others' are left to them, and ours keep
// the value that they have.
// Source: pulumi-kubernetes, provider/pkg/await/await.go, handleSSAIgnoreFields.
func leaveOut(inputs map[string]any, live *unstructured.Unstructured, manager string, ignored []string) {
	if live == nil {
		return
	}
	ours := ownedBy(live, manager)
	for _, i := range ignorePaths(ignored) {
		p := make(path, 0, len(i))
		for _, step := range i {
			p = append(p, step)
		}
		if _, ok := at(inputs, p); !ok {
			continue
		}
		now, has := at(live.Object, p)
		put(inputs, p, clone(now), has && ours.has(live.Object, p))
	}
}

// read is the object as it is now, nothing if it is gone or not this stack's; unready says why it does not work.
func (j *job) read(ctx context.Context, req plugin.ReadRequest) (res plugin.ReadResult, unready, err error) {
	olds, state := toObject(req.Inputs), toObject(req.State)
	imported := len(req.Inputs) == 0
	t, err := j.identify(ctx, req, state)
	if errors.Is(err, kubeapi.ErrNoKind) {
		return plugin.ReadResult{}, nil, nil // its definition is gone, and with it all of its objects
	}
	if err != nil {
		return plugin.ReadResult{}, nil, j.explain(t, err)
	}
	live, err := j.Find(ctx, t)
	if err != nil {
		return plugin.ReadResult{}, nil, j.explain(t, err)
	}
	uid := kubeapi.Text(state, "metadata", "uid")
	if live == nil || !imported && !owns(live, j.op.Owner, uid) {
		return plugin.ReadResult{}, nil, nil
	}
	manager := j.manager(req.State, req.Inputs)
	inputs := req.Inputs
	if imported {
		inputs = importInputs(live)
	} else if now, changed := driftedInputs(live, olds, ownedBy(live, manager)); changed {
		inputs = fromObject(now)
		keepSecrets(inputs, req.Inputs)
	}
	first := live.GetAPIVersion()
	if v, ok := req.State[initialVersionKey]; ok && v.IsString() {
		first = v.StringValue()
	}
	res = plugin.ReadResult{ID: req.ID, Inputs: inputs, Outputs: checkpoint(inputs, live, first, manager)}
	if req.ID == "" {
		res.ID = objectID(live)
	}
	switch {
	case imported:
	case live.GetDeletionTimestamp() != nil: // a run waits until it is gone, and makes it again if the program wants it
		unready = fmt.Errorf("%s is being deleted: %s", t, holds(live))
	default:
		unready = j.inspect(ctx, t, olds, live.Object)
	}
	return res, unready, nil
}

// identify is the target that a state, or an ID alone, is about.
func (j *job) identify(ctx context.Context, req plugin.ReadRequest, state map[string]any) (kubeapi.Target, error) {
	gvk, err := kindOf(req.URN.Type())
	if err != nil {
		return kubeapi.Target{}, err
	}
	namespace, name := parseID(req.ID)
	o := map[string]any{
		"apiVersion": gvk.GroupVersion().String(), "kind": gvk.Kind,
		"metadata": map[string]any{"name": name, "namespace": namespace},
	}
	if version := kubeapi.Text(state, "apiVersion"); version != "" {
		o["apiVersion"] = version
	}
	return j.locate(ctx, o, false)
}

// importInputs are the inputs of an object that is known by its name alone.
func importInputs(live *unstructured.Unstructured) resource.PropertyMap {
	o := cloneObject(live.Object)
	delete(o, "status")
	if meta, ok := o["metadata"].(map[string]any); ok {
		for _, key := range serverSide {
			delete(meta, key)
		}
		if notes, ok := meta["annotations"].(map[string]any); ok {
			for _, key := range []string{markKey, lastApplied, "deployment.kubernetes.io/revision"} {
				delete(notes, key)
			}
			if len(notes) == 0 {
				delete(meta, "annotations")
			}
		}
	}
	out := fromObject(o)
	keepSecrets(out, nil)
	return out
}

// driftedInputs are the inputs that would describe what is there now: a field that is not ours any more has the value
// that it has now. What only looks different, because the API server writes it another way, keeps the program's form.
func driftedInputs(live *unstructured.Unstructured, olds map[string]any, ours owned) (map[string]any, bool) {
	changes := drifted(wanted(live.Object, olds, olds), live.Object, olds, ours)
	if len(changes) == 0 {
		return olds, false
	}
	now := cloneObject(olds)
	for i := len(changes) - 1; i >= 0; i-- {
		c := changes[i]
		if c.path.under("metadata", "name") || c.path.under("metadata", "namespace") {
			continue
		}
		if plain, ok := now["stringData"].(map[string]any); ok && c.path.under("data") && len(c.path) == 2 {
			if _, ok := plain[last(c.path)]; ok {
				setString(plain, last(c.path), c.old, c.had)
				continue
			}
		}
		put(now, c.path, clone(c.old), c.had)
	}
	return now, true
}

func (j *job) delete(ctx context.Context, req plugin.DeleteRequest) error {
	state := toObject(req.Outputs)
	t, err := j.identify(ctx, plugin.ReadRequest{URN: req.URN, ID: req.ID}, state)
	if errors.Is(err, kubeapi.ErrNoKind) {
		return nil
	}
	if err != nil {
		return j.explain(t, err)
	}
	inputs := toObject(req.Inputs)
	wait := timeoutOf(j.timeout, inputs, kubeapi.UsualTime(t.GVK))
	for range 5 { // each turn there was another object
		live, err := j.Find(ctx, t)
		switch {
		case err != nil:
			return j.explain(t, err)
		case live == nil:
			return nil
		case !owns(live, j.op.Owner, kubeapi.Text(state, "metadata", "uid")):
			j.say(diag.Warning, "%s: it is left alone", foreign(t, live, j.op.Owner))
			return nil
		}
		if live.GetDeletionTimestamp() == nil {
			err = j.Remove(ctx, t, live.GetUID(), propagation(inputs))
			if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
				continue
			}
			if err != nil {
				return j.explain(t, err)
			}
		}
		if t.GVK.Kind == "CustomResourceDefinition" {
			defer j.Forget(kubeapi.Text(live.Object, "spec", "group"))
		}
		if says(inputs, skipAwaitAnnotation) && skipsDeletion(t) {
			return nil
		}
		return j.explain(t, j.awaitGone(ctx, t, live, wait))
	}
	return nil
}

// skipsDeletion says that skipAwait is for the deletion too.
// Source: pulumi-kubernetes, provider/pkg/metadata/overrides.go, allowsSkipAwaitWithDelete.
func skipsDeletion(t kubeapi.Target) bool {
	switch t.GVK.GroupVersion().String() + " " + t.GVK.Kind {
	case "v1 Namespace", "v1 Pod", "apps/v1 DaemonSet", "apps/v1 Deployment", "apps/v1 StatefulSet", "batch/v1 Job":
		return true
	}
	return false
}

// gone says that the object of an identity is not there any more.
func gone(live *unstructured.Unstructured, uid types.UID) bool {
	return live == nil || live.GetUID() != uid
}
