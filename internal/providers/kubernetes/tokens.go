package kubernetes

import (
	"fmt"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"k8s.io/apimachinery/pkg/runtime/schema"
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
