package platform

import (
	"context"
	"encoding/base64"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"plattr.dev/plattr/internal/kubeapi"
)

// readSecret reads a Secret of the environment's cluster.
func (e *Environment) readSecret(ctx context.Context, namespace, name string) (map[string][]byte, error) {
	access, err := kubeapi.Reach(kubeapi.Choice{Kubeconfig: e.path(e.settings.Cluster.Kubeconfig), Context: e.settings.Cluster.Context})
	if err != nil {
		return nil, err
	}
	cluster, err := kubeapi.New(access)
	if err != nil {
		return nil, err
	}
	target := kubeapi.TargetOf(schema.GroupVersionKind{Version: "v1", Kind: "Secret"}, namespace, name)
	object, err := cluster.Find(ctx, target)
	if err != nil {
		return nil, cluster.Explain(target, err)
	}
	if object == nil {
		return nil, fmt.Errorf("there is no %s", target)
	}
	data := map[string][]byte{}
	values, _ := object.Object["data"].(map[string]any)
	for key, v := range values {
		text, _ := v.(string)
		if data[key], err = base64.StdEncoding.DecodeString(text); err != nil {
			return nil, fmt.Errorf("key %s of %s cannot be read", key, target)
		}
	}
	return data, nil
}
