package kubernetes

import (
	"context"
	"fmt"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/diag"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"plattr.dev/plattr/internal/kubeapi"
)

// terminationTime is how long an object that is being deleted is waited for.
const terminationTime = 5 * time.Minute

// create makes an object, or takes over what the same stack made before, and waits until it works. An object together
// with an error was made and does not work.
func (j *job) create(ctx context.Context, props resource.PropertyMap, manager string) (*unstructured.Unstructured, error) {
	inputs := toObject(props)
	t, err := j.locate(ctx, inputs, true)
	if err != nil {
		return nil, j.explain(t, err)
	}
	live, err := j.make(ctx, t, inputs, manager, "")
	if err != nil {
		return nil, j.explain(t, err)
	}
	return j.awaitReady(ctx, t, inputs, live)
}

// make brings an object about, whatever is there now. uid is the identity in the state, if there is one.
func (j *job) make(ctx context.Context, t kubeapi.Target, inputs map[string]any, manager, uid string) (*unstructured.Unstructured, error) {
	deadline := time.Now().Add(max(timeoutOf(j.timeout, inputs, terminationTime), time.Minute))
	var made *unstructured.Unstructured
	for range 5 { // each turn somebody else was quicker
		live, err := j.settled(ctx, t, deadline)
		if err != nil {
			return nil, err
		}
		h := kubeapi.ApplyOptions{Manager: manager}
		identity := ""
		if live != nil {
			if !owns(live, j.op.Owner, uid) {
				return nil, foreign(t, live, j.op.Owner)
			}
			identity, h.Force = string(live.GetUID()), says(inputs, forceAnnotation)
		}
		err = j.inOrder(ctx, true, noNamespace, func() (err error) {
			made, err = j.Apply(ctx, t, j.body(t, inputs, identity), h)
			return err
		})
		switch {
		case err == nil:
			j.changed(t, inputs)
			return made, nil
		case kubeapi.IsIdentity(err), live == nil && kubeapi.IsConflict(err): // it went, or it came, since it was looked for
			continue
		default:
			return nil, err
		}
	}
	return nil, fmt.Errorf("others make and delete it all the time")
}

func noNamespace(err error) bool {
	status, ok := err.(*apierrors.StatusError) //nolint:errorlint // as it comes from the client
	return ok && apierrors.IsNotFound(err) && status.ErrStatus.Details != nil && status.ErrStatus.Details.Kind == "namespaces"
}

// settled is the object with a target's name, or nil; one that is being deleted is waited for.
func (j *job) settled(ctx context.Context, t kubeapi.Target, deadline time.Time) (*unstructured.Unstructured, error) {
	live, err := j.Find(ctx, t)
	if err != nil || live == nil || live.GetDeletionTimestamp() == nil {
		return live, err
	}
	j.say(diag.Info, "%s is being deleted: waiting until it is gone", t)
	if err := j.awaitGone(ctx, t, live, time.Until(deadline)); err != nil {
		return nil, err
	}
	return j.Find(ctx, t)
}

// changed drops what is remembered of a kind whose definition was applied or deleted.
func (j *job) changed(t kubeapi.Target, inputs map[string]any) {
	if t.GVK.Kind == "CustomResourceDefinition" {
		j.Forget(kubeapi.Text(inputs, "spec", "group"))
	}
}

// previewCreate says what would be made, or why it would not: a dry run asks admission, quotas and permissions too. What
// needs something that the same run makes cannot be asked for, and is taken to succeed.
func (j *job) previewCreate(ctx context.Context, props resource.PropertyMap) (resource.PropertyMap, error) {
	inputs := toObject(props)
	if hasUnknown(inputs) {
		return preview(props), nil
	}
	t, err := j.locate(ctx, inputs, false)
	if err != nil {
		j.say(diag.Debug, "%s is not tried out in the preview: %s", t, err)
		return preview(props), nil //nolint:nilerr // the kind may be made in the same run
	}
	live, err := j.Find(ctx, t)
	switch {
	case err != nil:
		return nil, j.explain(t, err)
	case live != nil && live.GetDeletionTimestamp() != nil:
		return preview(props), nil
	case live != nil && !owns(live, j.op.Owner, ""):
		return nil, foreign(t, live, j.op.Owner)
	case live != nil: // the one that is replaced, or what an interrupted run made
		return preview(props), nil
	}
	_, err = j.Apply(ctx, t, j.body(t, inputs, ""), kubeapi.ApplyOptions{Manager: j.manager(nil, props), DryRun: true})
	if err != nil && (noNamespace(err) || kubeapi.NoDryRun(err) || kubeapi.IsConflict(err)) {
		j.say(diag.Debug, "%s is not tried out in the preview: %s", t, err)
		return preview(props), nil
	}
	return preview(props), j.explain(t, err)
}

// previewUpdate says whether an update would be taken.
func (j *job) previewUpdate(ctx context.Context, req plugin.UpdateRequest) (resource.PropertyMap, error) {
	inputs := toObject(req.NewInputs)
	out := preview(req.NewInputs)
	if hasUnknown(inputs) {
		return out, nil
	}
	t, err := j.locate(ctx, inputs, false)
	if err != nil {
		return out, nil //nolint:nilerr // the kind may be made in the same run
	}
	_, err = j.Apply(ctx, t, j.body(t, inputs, stateUID(req.OldOutputs)), kubeapi.ApplyOptions{
		Manager: j.manager(req.OldOutputs, req.NewInputs), Force: says(inputs, forceAnnotation), DryRun: true,
	})
	if err != nil && (noNamespace(err) || kubeapi.NoDryRun(err) || kubeapi.IsIdentity(err)) {
		j.say(diag.Debug, "%s is not tried out in the preview: %s", t, err)
		return out, nil
	}
	return out, j.explain(t, err)
}

// preview is the state as far as it is known beforehand.
func preview(inputs resource.PropertyMap) resource.PropertyMap {
	out := inputs.Copy()
	if _, ok := out["status"]; !ok {
		out["status"] = resource.MakeComputed(resource.NewStringProperty(""))
	}
	return out
}
