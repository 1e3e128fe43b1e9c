package kubernetes

import (
	"strings"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"plattr.dev/plattr/internal/kubeapi"
)

// fixed are the fields whose change makes a new object, by kind; [] means each element of a list.
// Source: pulumi-kubernetes v4, provider/pkg/provider/diff.go, forceNew.
//
//nolint:gochecknoglobals // a table, never written
var fixed = map[string]string{
	"apps/v1 Deployment":                              "spec.selector",
	"apps/v1 DaemonSet":                               "spec.selector",
	"apps/v1 StatefulSet":                             "spec.podManagementPolicy spec.revisionHistoryLimit spec.selector spec.serviceName spec.volumeClaimTemplates",
	"batch/v1 Job":                                    "spec.completions spec.parallelism spec.selector spec.template",
	"rbac.authorization.k8s.io/v1 RoleBinding":        "roleRef",
	"rbac.authorization.k8s.io/v1 ClusterRoleBinding": "roleRef",
	"storage.k8s.io/v1 StorageClass":                  "parameters provisioner",
	"v1 PersistentVolumeClaim":                        "spec.accessModes spec.selector spec.storageClassName spec.volumeName",
	"v1 ResourceQuota":                                "spec.scopes",
	"v1 Secret":                                       "type",
	"v1 Service":                                      "spec.clusterIP",
	"v1 PersistentVolume": "spec.awsElasticBlockStore spec.azureDisk spec.azureFile spec.cephfs spec.cinder spec.csi spec.fc " +
		"spec.flexVolume spec.flocker spec.gcePersistentDisk spec.glusterfs spec.hostPath spec.iscsi spec.local spec.nfs " +
		"spec.photonPersistentDisk spec.portworxVolume spec.quobyte spec.rbd spec.scaleIO spec.storageos spec.vsphereVolume",
	"v1 Pod": "spec.affinity spec.automountServiceAccountToken spec.dnsConfig spec.dnsPolicy spec.enableServiceLinks " +
		"spec.hostAliases spec.hostIPC spec.hostNetwork spec.hostPID spec.hostname spec.imagePullSecrets spec.nodeName " +
		"spec.nodeSelector spec.overhead spec.preemptionPolicy spec.priority spec.priorityClassName spec.readinessGates " +
		"spec.restartPolicy spec.runtimeClassName spec.schedulerName spec.securityContext spec.serviceAccount " +
		"spec.serviceAccountName spec.shareProcessNamespace spec.subdomain spec.terminationGracePeriodSeconds spec.volumes " +
		containers,
}

// containers are the fixed fields of a Pod's containers.
const containers = "spec.containers.[].args spec.containers.[].command spec.containers.[].env spec.containers.[].image " +
	"spec.containers.[].imagePullPolicy spec.containers.[].lifecycle spec.containers.[].livenessProbe spec.containers.[].ports " +
	"spec.containers.[].readinessProbe spec.containers.[].resources spec.containers.[].securityContext spec.containers.[].stdin " +
	"spec.containers.[].stdinOnce spec.containers.[].terminationMessagePath spec.containers.[].terminationMessagePolicy " +
	"spec.containers.[].tty spec.containers.[].volumeDevices spec.containers.[].volumeMounts spec.containers.[].workingDir"

// rules say which changes of a kind make a new object.
type rules []path

// rulesOf are the rules of a kind. The data of ConfigMaps and Secrets are fixed unless the provider is told that they
// are not, or where the object says of itself that they are.
func (s settings) rulesOf(gvk schema.GroupVersionKind, olds, news map[string]any) rules {
	key := gvk.GroupVersion().String() + " " + gvk.Kind
	patterns := "metadata.name metadata.namespace " + fixed[key]
	if key == "v1 Pod" {
		patterns += " " + strings.ReplaceAll(containers, "spec.containers", "spec.initContainers")
	}
	isFixed := kubeapi.Field(olds, "immutable") == true || kubeapi.Field(news, "immutable") == true
	switch {
	case key == "v1 Secret" && (isFixed || !s.EnableSecretMutable):
		patterns += " data stringData"
	case key == "v1 ConfigMap" && (isFixed || !s.EnableConfigMapMutable):
		patterns += " data binaryData"
	}
	var out rules
	for pattern := range strings.FieldsSeq(patterns) {
		var p path
		for step := range strings.SplitSeq(pattern, ".") {
			p = append(p, step)
		}
		out = append(out, p)
	}
	return out
}

// replaces says that a change makes a new object: it is at or below a fixed field, or brings one along.
func (r rules) replaces(c change) bool {
	for _, rule := range r {
		if i := agree(rule, c.path); i == len(rule) || i == len(c.path) && brings(c.new, rule[i:]) {
			return true
		}
	}
	return false
}

// agree counts the steps that a rule and a path have in common from their beginning.
func agree(rule, p path) int {
	for i := range min(len(rule), len(p)) {
		if _, index := p[i].(int); p[i] != rule[i] && (!index || rule[i] != "[]") {
			return i
		}
	}
	return min(len(rule), len(p))
}

func brings(v any, rule path) bool {
	if len(rule) == 0 {
		return true
	}
	if list, ok := v.([]any); ok && rule[0] == "[]" {
		for _, e := range list {
			if brings(e, rule[1:]) {
				return true
			}
		}
		return false
	}
	below, ok := at(v, rule[:1])
	return ok && brings(below, rule[1:])
}
