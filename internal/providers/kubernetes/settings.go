package kubernetes

import (
	"errors"
	"time"

	"plattr.dev/plattr/internal/kubeapi"
)

// settings are the inputs of the provider resource that are served. Those of the official plugin that are not here
// (charts, rendering to files) are refused by name.
type settings struct {
	// Kubeconfig is the content of a file, or its path.
	Kubeconfig string `json:"kubeconfig,omitempty"`
	Context    string `json:"context,omitempty"`
	Cluster    string `json:"cluster,omitempty"`
	// Namespace is for objects that name none.
	Namespace         string `json:"namespace,omitempty"`
	ClusterIdentifier string `json:"clusterIdentifier,omitempty"`

	EnableServerSideApply       *bool `json:"enableServerSideApply,omitempty"`
	EnableConfigMapMutable      bool  `json:"enableConfigMapMutable,omitempty"`
	EnableSecretMutable         bool  `json:"enableSecretMutable,omitempty"`
	DeleteUnreachable           bool  `json:"deleteUnreachable,omitempty"`
	SuppressDeprecationWarnings bool  `json:"suppressDeprecationWarnings,omitempty"`
	SuppressHelmHookWarnings    bool  `json:"suppressHelmHookWarnings,omitempty"`

	KubeClientSettings *struct {
		Burst   int     `json:"burst,omitempty"`
		QPS     float32 `json:"qps,omitempty"`
		Timeout int     `json:"timeout,omitempty"`
	} `json:"kubeClientSettings,omitempty"`
}

// reach turns settings into access, without asking the cluster.
func (s settings) reach() (kubeapi.Access, error) {
	if s.EnableServerSideApply != nil && !*s.EnableServerSideApply {
		return kubeapi.Access{}, errors.New("enableServerSideApply: only server-side apply is supported by the embedded provider")
	}
	c := kubeapi.Choice{Kubeconfig: s.Kubeconfig, Context: s.Context, Cluster: s.Cluster, Namespace: s.Namespace}
	if k := s.KubeClientSettings; k != nil {
		c.QPS, c.Burst, c.Timeout = k.QPS, k.Burst, time.Duration(k.Timeout)*time.Second
	}
	return kubeapi.Reach(c)
}
