#!/bin/sh
# pod-network.sh makes the node's part of the pod network, in place of kindnetd, before the kubelet starts.
set -eu

subnet() { sed -n "s/^ *$1: *\"\{0,1\}\([0-9./]*\).*/\1/p" /kind/kubeadm.conf; }

# rule TABLE CHAIN RULE...: adds a rule, once.
rule() {
  table=$1
  shift
  iptables -w -t "$table" -C "$@" 2>/dev/null || iptables -w -t "$table" -A "$@"
}

pods=$(subnet podSubnet) services=$(subnet serviceSubnet)

# Every node answers ARP for its own pods, so the pods of all nodes reach each other over the bridge of the network "kind",
# and only traffic that leaves the pod network is masqueraded.
ip route replace "$pods" dev eth0
sysctl -qw net.ipv4.conf.eth0.proxy_arp=1
rule nat POSTROUTING -s "$pods" ! -d "$pods" -m addrtype ! --dst-type LOCAL -j MASQUERADE

# The first packet of every connection from or to a pod is put to kube-network-policies, which says whether a NetworkPolicy
# allows it; while it does not run, everything passes. It makes rules of its own too, for nftables with the statement
# "queue", which not every kernel has. What the node itself sends, the kubelet's probes, is not forwarded and passes.
rule mangle FORWARD -m conntrack --ctstate NEW -j NFQUEUE --queue-num 98 --queue-bypass

# An address of a Service that kube-proxy does not know (yet) is refused here. It would leave for the machine's gateway, and
# where that answers for any address, a client would keep a connection to the wrong server.
rule filter OUTPUT -d "$services" -j REJECT
rule filter FORWARD -d "$services" -j REJECT
