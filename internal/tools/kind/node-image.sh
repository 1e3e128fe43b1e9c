#!/bin/bash
# node-image.sh: prints the name of the image of a Kind node, building it once.
#
# kindest/node cannot be pulled everywhere, so this makes the like of it from Debian's packages and Go modules: the steps of
# Kind's own images/base/Dockerfile and of `kind build node-image`, minus the downloads. What differs, and why:
#
# - All images of the control plane are one layer under many names, with the one program of internal/tools/kubernetes.
#   They are unpacked here, not in every new cluster, which saves seconds of each.
# - No kindnetd: containerd makes the CNI configuration from the node's pod network, pod-network.sh the routes (IPv4 only).
# - NetworkPolicies and metrics work: kube-network-policies and metrics-server run in every cluster, from the manifest that
#   Kind applies as its network plugin's.
# - Names of images that begin with localhost:5055 mean the registry of cluster.sh.
#
# It needs root (a file system with owners), mmdebstrap, containerd and a Docker daemon (dockerd.sh start).
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
set -o pipefail

packages=systemd,systemd-sysv,iproute2,iptables,conntrack,busybox-static,ethtool,kmod,procps,curl,ca-certificates
packages=$packages,containerd,runc,containernetworking-plugins

# debian prints the path of an archive of Debian with what a node needs; fetched once.
debian() {
  local archive
  archive=$cache/debian-$(sha256sum <<<"$packages" | cut -c1-16).tar
  if [ ! -e "$archive" ]; then
    mmdebstrap --quiet --variant=minbase --dpkgopt='path-exclude=/usr/share/'{doc,man,locale}'/*' \
      --include="$packages" --format=tar bookworm "$archive.tmp" >&2
    mv "$archive.tmp" "$archive"
  fi
  echo "$archive"
}

# base unpacks Debian to $root and adds Kind's own files and ours.
base() {
  mkdir "$root"
  tar -C "$root" -xpf "$(debian)"
  # Debian's sysctls would be set on the whole machine, which has the one kernel.
  rm -f "$root"/etc/{resolv.conf,hostname} "$root"/usr/lib/sysctl.d/*.conf "$root"/usr/bin/containerd-{stress,shim,shim-runc-v1}
  find "$root/usr/lib/cni" -type f | grep -vE '/(host-local|loopback|portmap|ptp)$' | xargs rm
  cp -r --no-preserve=mode,ownership "$kind"/images/base/files/{usr,etc,kind} "$root/"
  rm -f "$root"/etc/sysctl.d/*
  cp -r --no-preserve=mode,ownership "$here/node/." "$root/"
  chmod 755 "$root"/usr/local/bin/* "$root"/kind/bin/*
  units
  mkdir -p "$root"/etc/kubernetes/manifests "$root"/etc/cni/net.d "$root"/opt/cni "$root"/etc/containerd/certs.d/localhost:5055
  echo '[host."http://plattr-test-registry:5000"]' >"$root"/etc/containerd/certs.d/localhost:5055/hosts.toml
  ln -sfn /usr/lib/cni "$root/opt/cni/bin"
  ln -sf /usr/bin/containerd "$root/usr/local/bin/containerd"
}

# units leaves systemd nothing to start but what a node is for.
units() {
  (cd "$root" && rm -f lib/systemd/system/{multi-user,local-fs,basic}.target.wants/* etc/systemd/system/*.wants/* \
    lib/systemd/system/sockets.target.wants/*{udev,initctl}* \
    lib/systemd/system/sysinit.target.wants/systemd-tmpfiles-setup.service)
  echo ReadKMsg=no >>"$root/etc/systemd/journald.conf"
  chroot "$root" systemctl --quiet enable kubelet containerd undo-mount-hacks
  chroot "$root" systemctl --quiet mask systemd-binfmt
}

# kubernetes adds the programs of a node, and Kind's manifest of storage, which is a constant of its source.
kubernetes() {
  install "$program" "$root/usr/bin/kubernetes"
  for name in kubeadm kubelet kubectl; do ln -sf kubernetes "$root/usr/bin/$name"; done
  ln -sf ../../bin/kubernetes "$root/usr/local/bin/crictl"
  echo -n "$version" >"$root/kind/version"
  sed -n '/^const defaultStorageManifest/,/^`$/p' "$storage" |
    sed "1d;\$d;s,\` + storageProvisionerImage + \`,$provisioner,;s,\` + storageHelperImage + \`,$helper," \
      >"$root/kind/manifests/default-storage.yaml"
}

constant() { sed -n "s/^const $1 = \"\(.*\)\"/\1/p" "$storage"; }

# layer makes the one layer of all images in $layer: our program, pause, storage, and iptables for kube-proxy.
layer() {
  mkdir -p "$layer"/{usr/local/bin,usr/bin,usr/sbin,usr/lib,usr/lib64,tmp,run,etc}
  install "$program" "$layer/usr/local/bin/kubernetes"
  while read -r name; do ln -s kubernetes "$layer/usr/local/bin/$name"; done <"$here/../kubernetes/names"
  (cd "$here" && go build -ldflags "-s -w" -o "$layer/pause" ./pause)
  install "$(tool local-path-provisioner)" "$layer/usr/local/bin/"
  install "$root/bin/busybox" "$layer/usr/bin/busybox"
  for name in sh mkdir rm grep; do ln -s busybox "$layer/usr/bin/$name"; done # for storage's scripts, and a probe
  local xtables=(usr/sbin/xtables-nft-multi usr/lib/x86_64-linux-gnu/xtables) libraries
  libraries=$(chroot "$root" ldd "${xtables[0]}" "${xtables[1]}/libxt_statistic.so" |
    sed -n 's,.*[[:space:]]/\(lib[^ ]*\) (.*,\1,p' | sort -u)
  # shellcheck disable=SC2086 # a list
  (cd "$root" && cp -a --parents bin lib lib64 "${xtables[@]}" "$layer/" && cp -L --parents $libraries "$layer/")
  for name in {iptables,ip6tables}{,-save,-restore}; do ln -s xtables-nft-multi "$layer/usr/sbin/$name"; done
}

# archive packs the layer as an archive of images, as docker load reads them.
archive() {
  tar -C "$layer" --sort=name --mtime=@0 -cf "$work/layer.tar" .
  local digest
  digest=$(sha256sum <"$work/layer.tar" | cut -d' ' -f1)
  cat >"$work/config.json" <<JSON
{"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": ["sha256:$digest"]},
 "config": {"Entrypoint": ["/pause"], "Env": ["PATH=/usr/local/bin:/usr/sbin:/usr/bin"]}}
JSON
  { "$(dirname "$program")/kubeadm" config images list --kubernetes-version "$version" && printf '%s\n' "$provisioner" "$helper" \
    plattr-test/kubernetes:latest; } | sed 's/.*/"&"/' | paste -sd, |
    sed 's/.*/[{"Config":"config.json","Layers":["layer.tar"],"RepoTags":[&]}]/' >"$work/manifest.json"
  tar -C "$work" -cf "$work/images.tar" manifest.json config.json layer.tar
}

# preload unpacks the images with a containerd of this machine, whose root is the node's /var/lib/containerd.
preload() {
  containerd --config /dev/null --root "$root/var/lib/containerd" --state "$work/state" --address "$work/sock" >"$work/log" 2>&1 9>&- &
  local pid=$!
  for _ in $(seq 100); do ctr -a "$work/sock" version >/dev/null 2>&1 && break; sleep 0.1; done
  ctr -a "$work/sock" -n k8s.io images import "$work/images.tar" >/dev/null || { cat "$work/log" >&2; kill $pid; return 1; }
  kill $pid
  wait $pid || true
}

build() {
  [ "$(id -u)" = 0 ] || cannot "only root can build the image of a node"
  command -v mmdebstrap >/dev/null || cannot "mmdebstrap is missing"
  command -v containerd >/dev/null || cannot "containerd is missing"
  say "building $image (once)"
  work=$(mktemp -d "$cache/work.XXXXXX") root=$work/root layer=$work/layer
  trap 'rm -rf "$work"' EXIT
  storage=$kind/pkg/build/nodeimage/const_storage.go
  provisioner=$(constant storageProvisionerImage) helper=$(constant storageHelperImage)
  base
  kubernetes
  layer
  archive
  preload
  docker images -q plattr-test/node | xargs -r docker rmi >/dev/null 2>&1 || true # earlier ones, if no cluster uses them
  tar -C "$root" -c . | docker import -c 'ENTRYPOINT ["/usr/local/bin/entrypoint","/sbin/init"]' -c 'ENV container=docker' - "$image" >&2
}

main() {
  program=$(tool kubernetes)
  version=$(sed -n 's/.*component-base.*gitVersion=//p' "$here/../kubernetes/ldflags")
  kind=$(cd "$here" && go mod download -json sigs.k8s.io/kind | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
  inputs=$({ echo "$program $(tool local-path-provisioner)" && cd "$here" && find node pause go.sum node-image.sh -type f |
    sort | xargs sha256sum; } | sha256sum | cut -c1-12)
  image=plattr-test/node:$version-$inputs
  use_docker
  docker image inspect "$image" >/dev/null 2>&1 || build
  echo "$image"
}

locked cluster main
