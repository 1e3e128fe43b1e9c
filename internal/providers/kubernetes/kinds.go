package kubernetes

import (
	"fmt"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// mapping is where the API server has a kind.
type mapping struct {
	resource   schema.GroupVersionResource
	namespaced bool
}

// builtin knows the kinds that components and stacks use, so that working with them asks the API server for no
// discovery. What is not here is looked up.
//
//nolint:gochecknoglobals // a table, never written
var builtin = func() map[schema.GroupVersionKind]mapping {
	table := map[string]string{ // a kind with a * has no namespace
		"v1": "Namespace* namespaces ConfigMap configmaps Secret secrets Service services ServiceAccount serviceaccounts " +
			"PersistentVolumeClaim persistentvolumeclaims PersistentVolume* persistentvolumes ResourceQuota resourcequotas " +
			"LimitRange limitranges Pod pods Event events Node* nodes",
		"apps/v1":                      "Deployment deployments StatefulSet statefulsets DaemonSet daemonsets ReplicaSet replicasets",
		"batch/v1":                     "Job jobs CronJob cronjobs",
		"networking.k8s.io/v1":         "Ingress ingresses IngressClass* ingressclasses NetworkPolicy networkpolicies",
		"autoscaling/v2":               "HorizontalPodAutoscaler horizontalpodautoscalers",
		"policy/v1":                    "PodDisruptionBudget poddisruptionbudgets",
		"rbac.authorization.k8s.io/v1": "Role roles RoleBinding rolebindings ClusterRole* clusterroles ClusterRoleBinding* clusterrolebindings",
		"storage.k8s.io/v1":            "StorageClass* storageclasses",
		"apiextensions.k8s.io/v1":      "CustomResourceDefinition* customresourcedefinitions",
		"discovery.k8s.io/v1":          "EndpointSlice endpointslices",
	}
	out := map[schema.GroupVersionKind]mapping{}
	for version, kinds := range table {
		gv, err := schema.ParseGroupVersion(version)
		if err != nil {
			panic(err) // a typing mistake above
		}
		words := strings.Fields(kinds)
		for i := 0; i < len(words); i += 2 {
			kind, cluster := strings.CutSuffix(words[i], "*")
			out[gv.WithKind(kind)] = mapping{resource: gv.WithResource(words[i+1]), namespaced: !cluster}
		}
	}
	return out
}()

// The kinds that this package itself works with.
//
//nolint:gochecknoglobals // names
var (
	podKind        = schema.GroupVersionKind{Version: "v1", Kind: "Pod"}
	eventKind      = schema.GroupVersionKind{Version: "v1", Kind: "Event"}
	replicaSetKind = schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "ReplicaSet"}
	sliceKind      = schema.GroupVersionKind{Group: "discovery.k8s.io", Version: "v1", Kind: "EndpointSlice"}
	classKind      = schema.GroupVersionKind{Group: "storage.k8s.io", Version: "v1", Kind: "StorageClass"}
)

// kindOf turns a type token, as kubernetes:apps/v1:Deployment, into a kind of the API. Tokens that the official plugin
// serves by other means (charts, YAML files, lists and patches) are refused by name.
func kindOf(token tokens.Type) (schema.GroupVersionKind, error) {
	parts := strings.Split(string(token), ":")
	if len(parts) != 3 || parts[0] != pkg {
		return schema.GroupVersionKind{}, notServed(token)
	}
	group, version, found := strings.Cut(parts[1], "/")
	if !found {
		group, version = "", group
	}
	if group == "core" {
		group = ""
	}
	switch {
	case group == "helm.sh", group == "yaml", group == "kustomize", version == "" || version[0] != 'v':
		return schema.GroupVersionKind{}, notServed(token)
	case official(group) && (strings.HasSuffix(parts[2], "List") || strings.HasSuffix(parts[2], "Patch")):
		return schema.GroupVersionKind{}, notServed(token)
	}
	return schema.GroupVersionKind{Group: group, Version: version, Kind: parts[2]}, nil
}

func notServed(token tokens.Type) error {
	return fmt.Errorf("the embedded kubernetes provider does not serve %s", token)
}

// official says that a group is Kubernetes' own, so that the SDK has types for its kinds.
func official(group string) bool {
	return !strings.Contains(group, ".") || strings.HasSuffix(group, ".k8s.io")
}
