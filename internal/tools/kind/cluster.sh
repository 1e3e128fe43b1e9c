#!/bin/sh
# cluster.sh up NAME KUBECONFIG | prepare NAME | down NAME: a Kind cluster with what images need.
#
# up starts a Docker daemon if none answers, a registry on localhost:5055, which means the same inside the cluster, and a
# cluster NAME of one node, and writes KUBECONFIG. Port 80 of the node is a free port of the machine, printed at the end.
# prepare does all of that but the cluster, for tests of a program that makes one of this name itself, with a registry
# NAME-registry: it prints DOCKER_HOST and the names of the images of a node and of a registry, a line each.
# down removes that cluster, and with the last one the registry and a daemon that up started. Other clusters are left alone.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
registry=plattr-test-registry prefix=plattr-test # of all clusters that are ours

prepare() {
  "$here/dockerd.sh" start
  use_docker
  image=$("$here/node-image.sh")
  start_registry
  printf '%s\n' "${DOCKER_HOST:-}" "$image" "$tag"
}

up() {
  "$here/dockerd.sh" start
  use_docker
  image=$("$here/node-image.sh")
  start_registry
  "$(tool kind)" create cluster --quiet --name "$name" --image "$image" --kubeconfig "$kubeconfig" --wait 2m --config - <<YAML
kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
nodes:
  - role: control-plane
    extraPortMappings: [{containerPort: 80, hostPort: 0, listenAddress: 127.0.0.1}]
YAML
  kubectl rollout status daemonset/kube-network-policies --timeout=2m
  kubectl wait --for=condition=Available --timeout=2m deployment/coredns apiservice/v1beta1.metrics.k8s.io
  docker port "$name-control-plane" 80/tcp
}

kubectl() { KUBECACHEDIR=$cache/kubectl "$(dirname "$(tool kubernetes)")/kubectl" --kubeconfig "$kubeconfig" -n kube-system "$@" >&2; }

# start_registry starts the registry, on the network of the clusters; what was pushed to it stays in the cache.
start_registry() {
  crane=$(tool crane)
  tag=plattr-test/registry:1-$(basename "$(dirname "$(dirname "$crane")")")
  docker image inspect "$tag" >/dev/null 2>&1 || # it is run as the official image is
    tar -C "$(dirname "$crane")" -c crane | docker import -c 'ENTRYPOINT ["/crane"]' \
      -c 'CMD ["registry", "serve", "--address", ":5000", "--disk", "/var/lib/registry"]' - "$tag" >/dev/null
  if [ -z "$(docker ps -q -f "name=^$registry\$")" ]; then
    docker rm -f "$registry" >/dev/null 2>&1 || true
    mkdir -p "$cache/registry"
    docker run -d --name "$registry" -p 127.0.0.1:5055:5000 -v "$cache/registry:/var/lib/registry" "$tag" >/dev/null
  fi
  # Clusters that a program makes are on this network, too: Kind makes it only where it is missing.
  docker network inspect kind >/dev/null 2>&1 || docker network create kind >/dev/null
  docker network connect kind "$registry" 2>/dev/null || true # it is connected already
}

down() {
  use_docker
  docker version >/dev/null 2>&1 || return 0 # then there is no cluster, either
  "$(tool kind)" delete cluster --quiet --name "$name" --kubeconfig /dev/null
  docker rm -fv "$name-registry" >/dev/null 2>&1 || true # of a program that was tested
  "$(tool kind)" get clusters --quiet | grep -q "^$prefix" && return
  docker rm -fv "$registry" >/dev/null 2>&1 || true
  "$here/dockerd.sh" stop
}

[ $# -ge 2 ] || die "usage: cluster.sh up NAME KUBECONFIG | prepare NAME | down NAME"
name=$2 kubeconfig=${3:-}
case $name in "$prefix"*) ;; *) die "a cluster's name begins with $prefix" ;; esac
case $1 in
up | prepare | down) locked cluster "$1" ;;
*) die "usage: cluster.sh up NAME KUBECONFIG | prepare NAME | down NAME" ;;
esac
