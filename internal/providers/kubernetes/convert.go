package kubernetes

import (
	"encoding/base64"
	"maps"
	"math"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"plattr.dev/plattr/internal/kubeapi"
)

// unknown stands in an object for a value that is not known yet.
type unknown struct{}

// The hidden properties of the official plugin's states.
// Source: pulumi-kubernetes, provider/pkg/provider/provider.go, checkpointObject.
const (
	inputsKey         = "__inputs"
	initialVersionKey = "__initialApiVersion"
	fieldManagerKey   = "__fieldManager"
)

// dashed are the keys of a CustomResourceDefinition that an SDK cannot write as they are.
// Source: pulumi-kubernetes, provider/pkg/provider/provider.go, underscoreToDashMap.
const dashed = " x-kubernetes-embedded-resource x-kubernetes-int-or-string x-kubernetes-list-map-keys " +
	"x-kubernetes-list-type x-kubernetes-map-type x-kubernetes-preserve-unknown-fields x-kubernetes-validations "

// toObject opens properties into an object of the API: no secrets, no nulls, nothing hidden.
func toObject(props resource.PropertyMap) map[string]any {
	out := map[string]any{}
	for k, v := range props {
		if strings.HasPrefix(string(k), "__") {
			continue
		}
		if opened := toAny(v); opened != nil {
			out[toKey(string(k))] = opened
		}
	}
	return out
}

func toAny(v resource.PropertyValue) any {
	switch {
	case v.IsSecret():
		return toAny(v.SecretValue().Element)
	case v.IsComputed():
		return unknown{}
	case v.IsOutput():
		if !v.OutputValue().Known {
			return unknown{}
		}
		return toAny(v.OutputValue().Element)
	case v.IsArray():
		out := make([]any, 0, len(v.ArrayValue()))
		for _, e := range v.ArrayValue() {
			out = append(out, toAny(e))
		}
		return out
	case v.IsObject():
		out := make(map[string]any, len(v.ObjectValue()))
		for k, e := range v.ObjectValue() {
			if opened := toAny(e); opened != nil {
				out[toKey(string(k))] = opened
			}
		}
		return out
	case v.IsNumber():
		if n := v.NumberValue(); n == math.Trunc(n) && math.Abs(n) < 1<<53 {
			return int64(n)
		}
		return v.NumberValue()
	case v.IsNull():
		return nil
	default:
		return v.V
	}
}

// fromObject closes an object of the API into properties.
func fromObject(o map[string]any) resource.PropertyMap {
	out := make(resource.PropertyMap, len(o))
	for k, v := range o {
		out[resource.PropertyKey(fromKey(k))] = fromAny(v)
	}
	return out
}

func fromAny(v any) resource.PropertyValue {
	switch v := v.(type) {
	case unknown:
		return resource.MakeComputed(resource.NewStringProperty(""))
	case map[string]any:
		return resource.NewObjectProperty(fromObject(v))
	case []any:
		out := make([]resource.PropertyValue, 0, len(v))
		for _, e := range v {
			out = append(out, fromAny(e))
		}
		return resource.NewArrayProperty(out)
	case int64:
		return resource.NewNumberProperty(float64(v))
	default:
		return resource.NewPropertyValue(v)
	}
}

func toKey(k string) string {
	if !strings.HasPrefix(k, "x_kubernetes_") {
		return k
	}
	if key := strings.ReplaceAll(k, "_", "-"); strings.Contains(dashed, " "+key+" ") {
		return key
	}
	return k
}

func fromKey(k string) string {
	if strings.HasPrefix(k, "x-kubernetes-") && strings.Contains(dashed, " "+k+" ") {
		return strings.ReplaceAll(k, "-", "_")
	}
	return k
}

// keepSecrets makes secret in to what is secret under the same path in from: an array as a whole, because its order may
// be another. The data of a Secret are secret whatever the program said.
// Source: pulumi-kubernetes, provider/pkg/provider/provider.go, annotateSecrets.
func keepSecrets(to, from resource.PropertyMap) {
	if isSecretKind(to) {
		for _, key := range []resource.PropertyKey{"data", "stringData"} {
			if v, ok := to[key]; ok && !v.IsSecret() {
				to[key] = resource.MakeSecret(v)
			}
		}
	}
	for key, was := range from {
		now, ok := to[key]
		switch {
		case !ok || now.IsSecret():
		case now.IsObject() && was.IsObject():
			keepSecrets(now.ObjectValue(), was.ObjectValue())
		case was.ContainsSecrets():
			to[key] = resource.MakeSecret(now)
		}
	}
}

func isSecretKind(props resource.PropertyMap) bool {
	kind, version := props["kind"], props["apiVersion"]
	return kind.IsString() && kind.StringValue() == "Secret" && version.IsString() && version.StringValue() == "v1"
}

// lastApplied is where `kubectl apply` keeps a whole object.
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// checkpoint is the state of an object: itself, and what the official plugin hides beside it.
func checkpoint(inputs resource.PropertyMap, live *unstructured.Unstructured, version, manager string) resource.PropertyMap {
	o := live.Object
	if live.GetKind() == "Secret" && live.GetAnnotations()[lastApplied] != "" {
		o = live.DeepCopy().Object // kubectl's copy holds the values in the clear
		unstructured.RemoveNestedField(o, "metadata", "annotations", lastApplied)
	}
	out := fromObject(o)
	keepSecrets(out, inputs)
	copied := inputs.Copy()
	delete(copied, inputsKey)
	out[inputsKey] = resource.NewObjectProperty(copied)
	out[initialVersionKey] = resource.NewStringProperty(version)
	out[fieldManagerKey] = resource.NewStringProperty(manager)
	return out
}

// parseID splits namespace/name; a thing without a namespace has its name alone.
func parseID(id resource.ID) (namespace, name string) {
	if before, after, found := strings.Cut(string(id), "/"); found {
		return before, after
	}
	return "", string(id)
}

func objectID(o *unstructured.Unstructured) resource.ID {
	if o.GetNamespace() == "" {
		return resource.ID(o.GetName())
	}
	return resource.ID(o.GetNamespace() + "/" + o.GetName())
}

// encodeStrings moves a Secret's stringData into its data, as the API server would: of stringData the server keeps no
// account per key, so that a key that the program drops would stay for ever.
// Source: kubernetes.io, Secret, "Note: The stringData field for a Secret does not work well with server-side apply".
func encodeStrings(o map[string]any) {
	strs, ok := o["stringData"].(map[string]any)
	if !ok || kubeapi.Text(o, "kind") != "Secret" || kubeapi.Text(o, "apiVersion") != "v1" {
		return
	}
	data, _ := o["data"].(map[string]any)
	merged := make(map[string]any, len(data)+len(strs))
	maps.Copy(merged, data)
	for k, v := range strs {
		if s, ok := v.(string); ok {
			merged[k] = base64.StdEncoding.EncodeToString([]byte(s))
		}
	}
	o["data"] = merged
	delete(o, "stringData")
}
