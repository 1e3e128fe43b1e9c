package kubeapi

import (
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// mapping is where the API server has a kind.
type mapping struct {
	resource   schema.GroupVersionResource
	Namespaced bool
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
			out[gv.WithKind(kind)] = mapping{resource: gv.WithResource(words[i+1]), Namespaced: !cluster}
		}
	}
	return out
}()

// The kinds that are looked for by name.
//
//nolint:gochecknoglobals // names
var (
	PodKind          = schema.GroupVersionKind{Version: "v1", Kind: "Pod"}
	ServiceKind      = schema.GroupVersionKind{Version: "v1", Kind: "Service"}
	SecretKind       = schema.GroupVersionKind{Version: "v1", Kind: "Secret"}
	DeploymentKind   = schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}
	ReplicaSetKind   = schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "ReplicaSet"}
	JobKind          = schema.GroupVersionKind{Group: "batch", Version: "v1", Kind: "Job"}
	IngressKind      = schema.GroupVersionKind{Group: "networking.k8s.io", Version: "v1", Kind: "Ingress"}
	IngressClassKind = schema.GroupVersionKind{Group: "networking.k8s.io", Version: "v1", Kind: "IngressClass"}
	AutoscalerKind   = schema.GroupVersionKind{Group: "autoscaling", Version: "v2", Kind: "HorizontalPodAutoscaler"}
	SliceKind        = schema.GroupVersionKind{Group: "discovery.k8s.io", Version: "v1", Kind: "EndpointSlice"}
	ClassKind        = schema.GroupVersionKind{Group: "storage.k8s.io", Version: "v1", Kind: "StorageClass"}

	eventKind = schema.GroupVersionKind{Version: "v1", Kind: "Event"}
)

// Known is where one of Kubernetes' own kinds is, without asking for it.
func Known(gvk schema.GroupVersionKind) (mapping, bool) {
	m, ok := builtin[gvk]
	return m, ok
}
