package engine

import (
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"

	"plattr.dev/plattr/internal/providers/aws"
	"plattr.dev/plattr/internal/providers/keycloak"
	"plattr.dev/plattr/internal/providers/kubernetes"
	"plattr.dev/plattr/internal/providers/plattr"
	"plattr.dev/plattr/internal/providers/postgresql"
)

// Providers returns the providers that are served from this process, by package. Those for Kubernetes share their clients.
func Providers() map[string]func() plugin.Provider {
	return map[string]func() plugin.Provider{
		"aws":        aws.New,
		"keycloak":   keycloak.New,
		"kubernetes": kubernetes.NewClusters().New,
		"plattr":     plattr.New,
		"postgresql": postgresql.New,
	}
}
