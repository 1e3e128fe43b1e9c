package kubernetes

import (
	"context"
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"plattr.dev/plattr/internal/kubeapi"
	"plattr.dev/plattr/internal/providers/embedded"
)

// Check fills in what follows from the type (apiVersion, kind) and from the provider (namespace), and refuses what the
// API server could not be asked for. Fields that a kind does not have are the API server's to refuse: it does so by name.
func (p *provider) Check(ctx context.Context, req plugin.CheckRequest) (plugin.CheckResponse, error) {
	gvk, err := kindOf(req.URN.Type())
	if err != nil {
		return plugin.CheckResponse{}, err
	}
	o := toObject(req.News)
	failures := checkObject(o, gvk, embedded.NewOp(req.URN).Owner)
	if len(failures) > 0 {
		return plugin.CheckResponse{Properties: req.News, Failures: failures}, nil
	}
	o["apiVersion"], o["kind"] = gvk.GroupVersion().String(), gvk.Kind
	if meta, ok := o["metadata"].(map[string]any); ok {
		for _, key := range serverSide {
			delete(meta, key)
		}
		if _, given := meta["namespace"]; !given {
			in, err := p.namespaced(ctx, req.URN, gvk)
			if err != nil {
				return plugin.CheckResponse{}, err
			}
			if in && p.namespace != "" {
				meta["namespace"] = p.namespace
			}
		}
	}
	checked := fromObject(o)
	keepSecrets(checked, req.News)
	return plugin.CheckResponse{Properties: checked}, nil
}

func checkObject(o map[string]any, gvk schema.GroupVersionKind, owner string) []plugin.CheckFailure {
	var failures []plugin.CheckFailure
	fail := func(property resource.PropertyKey, format string, args ...any) {
		failures = append(failures, plugin.CheckFailure{Property: property, Reason: fmt.Sprintf(format, args...)})
	}
	for key, want := range map[string]string{"apiVersion": gvk.GroupVersion().String(), "kind": gvk.Kind} {
		if has, ok := o[key].(string); ok && has != want {
			fail(resource.PropertyKey(key), "%s is %q, but the resource's type means %q", key, has, want)
		}
	}
	if hasUnknown(map[string]any{"": o["metadata"]}) && o["metadata"] == (any)(unknown{}) {
		return failures
	}
	switch name := kubeapi.Field(o, "metadata", "name").(type) {
	case nil:
		if kubeapi.Field(o, "metadata", "generateName") != nil {
			fail("metadata.generateName", "metadata.generateName cannot be used with server-side apply: give metadata.name")
		} else {
			fail("metadata.name", "metadata.name is missing: every object is named by the program")
		}
	case string:
		if name == "" {
			fail("metadata.name", "metadata.name is empty")
		}
	}
	if mark := kubeapi.Annotation(o, markKey); mark != "" && mark != owner {
		fail("metadata.annotations", "annotation %s is %q in the program, but this stack is %q", markKey, mark, owner)
	}
	if expr := kubeapi.Annotation(o, waitForAnnotation); expr != "" {
		if _, err := parseWaitFor(expr); err != nil {
			fail("metadata.annotations", "annotation %s: %s", waitForAnnotation, err)
		}
	}
	return failures
}

// namespaced says whether a kind lives in namespaces. A kind that the cluster does not have yet is taken to: its
// definition may be made in the same run, and then the API server is asked again.
func (p *provider) namespaced(ctx context.Context, urn resource.URN, gvk schema.GroupVersionKind) (bool, error) {
	if m, ok := kubeapi.Known(gvk); ok {
		return m.Namespaced, nil
	}
	if p.absent() {
		return true, nil
	}
	ctx, j, done, err := p.begin(ctx, urn, nil)
	if err != nil {
		return false, err
	}
	defer done()
	m, err := j.Mapping(ctx, gvk)
	if err != nil {
		return true, nil //nolint:nilerr // whoever needs the answer asks again and says so
	}
	return m.Namespaced, nil
}
