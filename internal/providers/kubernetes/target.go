package kubernetes

import (
	"context"
	"errors"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"plattr.dev/plattr/internal/kubeapi"
)

// locate finds out where an object is. A kind that is not there yet is waited for when wait says so, because its
// definition may be made at this moment.
func (j *job) locate(ctx context.Context, o map[string]any, wait bool) (kubeapi.Target, error) {
	t := kubeapi.Target{GVK: kubeapi.KindOf(o), Namespace: kubeapi.Text(o, "metadata", "namespace"), Name: kubeapi.Text(o, "metadata", "name")}
	err := j.inOrder(ctx, wait, func(err error) bool { return errors.Is(err, kubeapi.ErrNoKind) }, func() (err error) {
		t.Mapping, err = j.Mapping(ctx, t.GVK)
		return err
	})
	if err != nil {
		return t, err
	}
	switch {
	case !t.Mapping.Namespaced:
		t.Namespace = ""
	case t.Namespace == "":
		t.Namespace = "default"
	}
	return t, nil
}

// inOrder does something again while it lacks what another part of the run is making.
func (j *job) inOrder(ctx context.Context, wait bool, lacks func(error) bool, do func() error) error {
	start, pause := time.Now(), 100*time.Millisecond
	for {
		err := do()
		if err == nil || !wait || !lacks(err) || time.Since(start)+pause > j.Patience.Order {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pause):
		}
		pause = min(2*pause, 2*time.Second)
	}
}

// body is what is applied: the inputs as the API server keeps them, with the owner's mark. With a UID it is for one
// certain object, never for another of the same name.
func (j *job) body(t kubeapi.Target, inputs map[string]any, uid string) map[string]any {
	o := cloneObject(inputs)
	delete(o, "status")
	encodeStrings(o)
	meta, _ := o["metadata"].(map[string]any)
	if meta == nil {
		meta = map[string]any{}
		o["metadata"] = meta
	}
	for _, key := range serverSide {
		delete(meta, key)
	}
	delete(meta, "namespace")
	if t.Mapping.Namespaced {
		meta["namespace"] = t.Namespace
	}
	notes, _ := meta["annotations"].(map[string]any)
	if notes == nil {
		notes = map[string]any{}
		meta["annotations"] = notes
	}
	notes[markKey] = j.op.Owner
	if uid != "" {
		meta["uid"] = uid
	}
	return o
}

// stateUID is the identity of the object that a state is of.
func stateUID(state resource.PropertyMap) string {
	return kubeapi.Text(toObject(state), "metadata", "uid")
}
