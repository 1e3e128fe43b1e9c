#!/bin/sh
# In place of kindnetd, before the kubelet starts: every node answers ARP for
# its own pods, so the pods of all nodes reach each other over the bridge of
# the "kind" network, and only traffic that leaves the pod network is masqueraded.
set -eu
pods=$(sed -n 's/^ *podSubnet: *"\{0,1\}\([0-9./]*\).*/\1/p' /kind/kubeadm.conf)
ip route replace "$pods" dev eth0
sysctl -qw net.ipv4.conf.eth0.proxy_arp=1
rule="POSTROUTING -s $pods ! -d $pods -m addrtype ! --dst-type LOCAL -j MASQUERADE"
iptables -w -t nat -C $rule 2>/dev/null || iptables -w -t nat -A $rule
# The first packet of every connection from or to a pod is put to kube-network-policies, which says whether a NetworkPolicy
# allows it; while it does not run, everything passes. It makes rules of its own too, for nftables with the statement
# "queue", which not every kernel has. What the node itself sends, the kubelet's probes, is not forwarded and passes.
rule="FORWARD -m conntrack --ctstate NEW -j NFQUEUE --queue-num 98 --queue-bypass"
iptables -w -t mangle -C $rule 2>/dev/null || iptables -w -t mangle -A $rule
# An address of a Service that kube-proxy does not know (yet) is refused here. It would leave for the machine's gateway, and
# where that answers for any address, a client would keep a connection to the wrong server.
services=$(sed -n 's/^ *serviceSubnet: *"\{0,1\}\([0-9./]*\).*/\1/p' /kind/kubeadm.conf)
for chain in OUTPUT FORWARD; do
  rule="$chain -d $services -j REJECT"
  iptables -w -C $rule 2>/dev/null || iptables -w -A $rule
done
