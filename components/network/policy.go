package network

import (
	"fmt"

	metav1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/meta/v1"
	networkingv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/networking/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"plattr.dev/plattr/internal/kube"
)

// namespaceLabel is the one that every namespace has, with its name
// (https://kubernetes.io/docs/reference/labels-annotations-taints/).
const namespaceLabel = "kubernetes.io/metadata.name"

// notPublic are the ranges that the internet does not route (RFC 1918, 6598, 3927, 4193 and 4291): other pods, the nodes,
// and the metadata service of a cloud, which gives whoever asks the node's identity.
func notPublic() (v4, v6 []string) {
	return []string{"10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8"},
		[]string{"fc00::/7", "fe80::/10", "::1/128"}
}

// addPolicies makes two policies: one for the pods that serve, and one for those that migrate, whom nobody may talk to.
func (a *Args) addPolicies(ctx *pulumi.Context, name string, parent pulumi.ResourceOption) error {
	for _, p := range []struct {
		suffix, role string
		ingress      networkingv1.NetworkPolicyIngressRuleArray
	}{
		{"", kube.RoleServer, a.ingressRules()},
		{"-migrate", kube.RoleMigration, networkingv1.NetworkPolicyIngressRuleArray{}},
	} {
		_, err := networkingv1.NewNetworkPolicy(ctx, name+p.suffix, &networkingv1.NetworkPolicyArgs{
			Metadata: a.App.Object(a.App.Name + p.suffix),
			Spec: &networkingv1.NetworkPolicySpecArgs{
				PodSelector: &metav1.LabelSelectorArgs{MatchLabels: a.App.Selector(p.role)},
				PolicyTypes: pulumi.ToStringArray([]string{"Ingress", "Egress"}),
				Ingress:     p.ingress, Egress: a.egressRules(),
			},
		}, parent)
		if err != nil {
			return fmt.Errorf("network policy%s: %w", p.suffix, err)
		}
	}
	return nil
}

func (a *Args) ingressRules() networkingv1.NetworkPolicyIngressRuleArray {
	ports := []int{a.Port}
	if a.RestPort != 0 {
		ports = append(ports, a.RestPort)
	}
	return networkingv1.NetworkPolicyIngressRuleArray{&networkingv1.NetworkPolicyIngressRuleArgs{
		From: networkingv1.NetworkPolicyPeerArray{namespacePeer(a.Ingress.Controller)}, Ports: tcp(ports),
	}}
}

func (a *Args) egressRules() networkingv1.NetworkPolicyEgressRuleArray {
	v4, v6 := notPublic()
	rules := networkingv1.NetworkPolicyEgressRuleArray{
		&networkingv1.NetworkPolicyEgressRuleArgs{ // names
			To: networkingv1.NetworkPolicyPeerArray{namespacePeer("kube-system")},
			Ports: networkingv1.NetworkPolicyPortArray{
				&networkingv1.NetworkPolicyPortArgs{Protocol: pulumi.String("UDP"), Port: pulumi.Int(53)},
				&networkingv1.NetworkPolicyPortArgs{Protocol: pulumi.String("TCP"), Port: pulumi.Int(53)},
			},
		},
		&networkingv1.NetworkPolicyEgressRuleArgs{To: networkingv1.NetworkPolicyPeerArray{
			rangePeer("0.0.0.0/0", v4...), rangePeer("::/0", v6...),
		}},
	}
	for _, p := range a.Egress {
		peer := rangePeer(p.CIDR)
		if p.Namespace != "" {
			peer = namespacePeer(p.Namespace)
		}
		rules = append(rules, &networkingv1.NetworkPolicyEgressRuleArgs{
			To: networkingv1.NetworkPolicyPeerArray{peer}, Ports: tcp(p.Ports),
		})
	}
	return rules
}

// namespacePeer is every pod of a namespace, or of all if it is empty.
func namespacePeer(namespace string) *networkingv1.NetworkPolicyPeerArgs {
	selector := &metav1.LabelSelectorArgs{}
	if namespace != "" {
		selector.MatchLabels = pulumi.StringMap{namespaceLabel: pulumi.String(namespace)}
	}
	return &networkingv1.NetworkPolicyPeerArgs{NamespaceSelector: selector}
}

func rangePeer(cidr string, except ...string) *networkingv1.NetworkPolicyPeerArgs {
	block := &networkingv1.IPBlockArgs{Cidr: pulumi.String(cidr)}
	if len(except) > 0 {
		block.Except = pulumi.ToStringArray(except)
	}
	return &networkingv1.NetworkPolicyPeerArgs{IpBlock: block}
}

func tcp(ports []int) networkingv1.NetworkPolicyPortArray {
	out := networkingv1.NetworkPolicyPortArray{}
	for _, p := range ports {
		out = append(out, &networkingv1.NetworkPolicyPortArgs{Protocol: pulumi.String("TCP"), Port: pulumi.Int(p)})
	}
	return out
}
