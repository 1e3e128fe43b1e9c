package kubernetes

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
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

// What is asked of an API server at most, unless the program says otherwise: a run asks for all its objects at once.
const (
	defaultQPS   = 500
	defaultBurst = 1000
)

// access is how a cluster is reached.
type access struct {
	config *rest.Config
	// id tells whether two settings mean the same client.
	id string
	// context and user are the names in the kubeconfig; both empty inside a pod.
	context, user string
	namespace     string
}

// reach turns settings into access, without asking the cluster.
func reach(s settings) (access, error) {
	if s.EnableServerSideApply != nil && !*s.EnableServerSideApply {
		return access{}, errors.New("enableServerSideApply: only server-side apply is supported by the embedded provider")
	}
	raw, from, err := load(s.Kubeconfig)
	if err != nil {
		return access{}, err
	}
	overrides := &clientcmd.ConfigOverrides{
		CurrentContext: s.Context,
		Context:        api.Context{Cluster: s.Cluster, Namespace: s.Namespace},
	}
	var a access
	if len(raw.Contexts) == 0 && s.Kubeconfig == "" {
		a, err = inPod(s, from)
	} else {
		a, err = fromFile(raw, from, overrides)
	}
	if err != nil {
		return access{}, err
	}
	a.config.QPS, a.config.Burst = defaultQPS, defaultBurst
	if c := s.KubeClientSettings; c != nil {
		if c.QPS != 0 {
			a.config.QPS = c.QPS
		}
		if c.Burst != 0 {
			a.config.Burst = c.Burst
		}
		a.config.Timeout = time.Duration(c.Timeout) * time.Second
	}
	a.config.WarningHandler = rest.NoWarnings{}
	a.config.UserAgent = "plattr"
	a.config.Dial = (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext
	a.id += fmt.Sprintf(" %g %d %s", a.config.QPS, a.config.Burst, a.config.Timeout)
	return a, nil
}

// load reads the kubeconfig and says where it is from: the setting, KUBECONFIG, or the user's own file.
func load(setting string) (*api.Config, string, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.WarnIfAllMissing = false
	from := "kubeconfig " + strings.Join(rules.GetLoadingPrecedence(), ", ")
	switch {
	case strings.ContainsAny(setting, "\n{"):
		raw, err := clientcmd.Load([]byte(setting))
		if err != nil {
			return nil, "", fmt.Errorf("kubeconfig: %s", conceal(err.Error(), []string{setting}))
		}
		return raw, "the provider's kubeconfig", nil
	case setting != "":
		paths := filepath.SplitList(setting)
		missing := slices.IndexFunc(paths, func(p string) bool { _, err := os.Stat(p); return err != nil })
		if missing >= 0 && len(paths) == 1 {
			return nil, "", fmt.Errorf("kubeconfig %s: %w", setting, fs.ErrNotExist)
		}
		rules.Precedence, from = paths, "kubeconfig "+setting
	}
	raw, err := rules.Load()
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", from, err)
	}
	return raw, from, nil
}

// fromFile chooses the context and makes the client's configuration of it.
func fromFile(raw *api.Config, from string, overrides *clientcmd.ConfigOverrides) (access, error) {
	name := raw.CurrentContext
	if overrides.CurrentContext != "" {
		name = overrides.CurrentContext
	}
	known := slices.Sorted(maps.Keys(raw.Contexts))
	chosen, ok := raw.Contexts[name]
	switch {
	case name == "":
		return access{}, fmt.Errorf("%s has no current context: name one (it has %s)", from, list(known))
	case !ok:
		return access{}, fmt.Errorf("context %q is not in %s: it has %s", name, from, list(known))
	case overrides.Context.Cluster == "" && raw.Clusters[chosen.Cluster] == nil:
		return access{}, fmt.Errorf("context %q of %s means cluster %q, which is not there", name, from, chosen.Cluster)
	}
	client := clientcmd.NewDefaultClientConfig(*raw, overrides)
	config, err := client.ClientConfig()
	if err != nil {
		return access{}, fmt.Errorf("%s: %w", from, err)
	}
	namespace, _, err := client.Namespace()
	if err != nil {
		return access{}, fmt.Errorf("%s: %w", from, err)
	}
	one := raw.DeepCopy()
	one.CurrentContext = name
	if err := api.MinifyConfig(one); err != nil {
		return access{}, fmt.Errorf("%s: %w", from, err)
	}
	one.Contexts[name].Namespace = ""
	content, err := clientcmd.Write(*one)
	if err != nil {
		return access{}, fmt.Errorf("%s: %w", from, err)
	}
	sum := sha256.Sum256(append(content, overrides.Context.Cluster...))
	return access{
		config: config, id: hex.EncodeToString(sum[:]), context: name, user: chosen.AuthInfo, namespace: namespace,
	}, nil
}

// inPod uses the identity of the pod that this process runs in.
func inPod(s settings, from string) (access, error) {
	config, err := rest.InClusterConfig()
	if err != nil {
		return access{}, fmt.Errorf("no cluster: %s has no contexts, and this is no pod", from)
	}
	namespace := s.Namespace
	if namespace == "" {
		namespace = "default"
		if own, err := os.ReadFile("/var/run/secrets/kubernetes.io/serviceaccount/namespace"); err == nil {
			namespace = strings.TrimSpace(string(own))
		}
	}
	return access{config: config, id: "pod " + config.Host, namespace: namespace}, nil
}

func list(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}
