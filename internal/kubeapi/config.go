package kubeapi

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
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

// What is asked of an API server at most, unless the program says otherwise: a run asks for all its objects at once.
const (
	defaultQPS   = 500
	defaultBurst = 1000
)

// Choice says which cluster is meant, and as whom; empty means the machine's default, or the pod's own identity.
type Choice struct {
	// Kubeconfig is the content of a file, or its path.
	Kubeconfig string
	// Context and Cluster are names in it. Namespace is for objects that name none.
	Context, Cluster, Namespace string
	// QPS and Burst are what is asked of the API server in a second at most; 0 means the defaults.
	QPS   float32
	Burst int
	// Timeout is for one request; 0 means none.
	Timeout time.Duration
}

// Access is how a cluster is reached.
type Access struct {
	Config *rest.Config
	// id tells whether two settings mean the same client.
	ID string
	// context and user are the names in the kubeconfig; both empty inside a pod.
	context, User string
	Namespace     string
}

// Reach turns a choice into access, without asking the cluster.
func Reach(s Choice) (Access, error) {
	raw, from, err := load(s.Kubeconfig)
	if err != nil {
		return Access{}, err
	}
	overrides := &clientcmd.ConfigOverrides{
		CurrentContext: s.Context,
		Context:        api.Context{Cluster: s.Cluster, Namespace: s.Namespace},
	}
	var a Access
	if len(raw.Contexts) == 0 && s.Kubeconfig == "" {
		a, err = inPod(s, from)
	} else {
		a, err = fromFile(raw, from, overrides)
	}
	if err != nil {
		return Access{}, err
	}
	a.Config.QPS, a.Config.Burst, a.Config.Timeout = cmp.Or(s.QPS, defaultQPS), cmp.Or(s.Burst, defaultBurst), s.Timeout
	a.Config.WarningHandler = rest.NoWarnings{}
	a.Config.UserAgent = "plattr"
	a.Config.Dial = (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext
	a.ID += fmt.Sprintf(" %g %d %s", a.Config.QPS, a.Config.Burst, a.Config.Timeout)
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
			return nil, "", fmt.Errorf("kubeconfig: %s", strings.ReplaceAll(err.Error(), setting, "[secret]"))
		}
		return raw, "the given kubeconfig", nil
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
func fromFile(raw *api.Config, from string, overrides *clientcmd.ConfigOverrides) (Access, error) {
	name := raw.CurrentContext
	if overrides.CurrentContext != "" {
		name = overrides.CurrentContext
	}
	known := slices.Sorted(maps.Keys(raw.Contexts))
	chosen, ok := raw.Contexts[name]
	switch {
	case name == "":
		return Access{}, fmt.Errorf("%s has no current context: name one (it has %s)", from, list(known))
	case !ok:
		return Access{}, fmt.Errorf("context %q is not in %s: it has %s", name, from, list(known))
	case overrides.Context.Cluster == "" && raw.Clusters[chosen.Cluster] == nil:
		return Access{}, fmt.Errorf("context %q of %s means cluster %q, which is not there", name, from, chosen.Cluster)
	}
	client := clientcmd.NewDefaultClientConfig(*raw, overrides)
	config, err := client.ClientConfig()
	if err != nil {
		return Access{}, fmt.Errorf("%s: %w", from, err)
	}
	namespace, _, err := client.Namespace()
	if err != nil {
		return Access{}, fmt.Errorf("%s: %w", from, err)
	}
	one := raw.DeepCopy()
	one.CurrentContext = name
	if err := api.MinifyConfig(one); err != nil {
		return Access{}, fmt.Errorf("%s: %w", from, err)
	}
	one.Contexts[name].Namespace = ""
	content, err := clientcmd.Write(*one)
	if err != nil {
		return Access{}, fmt.Errorf("%s: %w", from, err)
	}
	sum := sha256.Sum256(append(content, overrides.Context.Cluster...))
	return Access{
		Config: config, ID: hex.EncodeToString(sum[:]), context: name, User: chosen.AuthInfo, Namespace: namespace,
	}, nil
}

// inPod uses the identity of the pod that this process runs in.
func inPod(s Choice, from string) (Access, error) {
	config, err := rest.InClusterConfig()
	if err != nil {
		return Access{}, fmt.Errorf("no cluster: %s has no contexts, and this is no pod", from)
	}
	namespace := s.Namespace
	if namespace == "" {
		namespace = "default"
		if own, err := os.ReadFile("/var/run/secrets/kubernetes.io/serviceaccount/namespace"); err == nil {
			namespace = strings.TrimSpace(string(own))
		}
	}
	return Access{Config: config, ID: "pod " + config.Host, Namespace: namespace}, nil
}

func list(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}
