#!/bin/sh
# clusters.sh: whether this machine may run the tests on Kubernetes (make e2e). If not, it prints why, and ends with 1.
#
# They need Linux on amd64, for which the node's image is built, and a Docker daemon: one that answers, or the rights to start
# one, which root in a container often lacks.
set -eu
no() { echo "$*"; exit 1; }

[ "$(uname -sm)" = "Linux x86_64" ] || no "the image of a node is built for Linux on amd64, this is $(uname -sm)"
docker version >/dev/null 2>&1 && exit 0
[ "$(id -u)" = 0 ] || no "no Docker daemon answers, and only root can start one"
unshare -m mount -t tmpfs none /mnt 2>/dev/null || no "no Docker daemon answers, and this root may not mount, as one must"
group=$(ls -d /sys/fs/cgroup/memory /sys/fs/cgroup 2>/dev/null | head -n 1)/plattr-probe
{ mkdir "$group" && rmdir "$group"; } 2>/dev/null || no "no Docker daemon answers, and this root may not make cgroups, as one must"
