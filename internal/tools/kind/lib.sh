# lib.sh: what the scripts of this folder share; they source it, with their folder in $here.
# shellcheck shell=sh disable=SC2154
set -eu
cache=${XDG_CACHE_HOME:-$HOME/.cache}/plattr/kind # kept between runs: images, Debian, the registry's blobs
daemon=$cache/dockerd                             # a Docker of our own, if the machine has none
export CGO_ENABLED=0 GOWORK=off

tool() { "$here/../build.sh" "$1"; } # the path of a pinned tool
say() { echo "$(basename "$0"): $*" >&2; }
die() { say "$*"; exit 1; }
cannot() { say "$*"; exit 3; } # this machine is not made for it: tests skip

# use_docker chooses the Docker daemon: the one that answers, otherwise our own.
use_docker() {
  docker version >/dev/null 2>&1 || export DOCKER_HOST="unix://$daemon/docker.sock"
}

# locked NAME COMMAND...: one of the name at a time on this machine, the scripts that it calls included.
locked() {
  mkdir -p "$cache"
  lock=$cache/$1.lock
  shift
  if [ -n "${PLATTR_KIND_LOCKED:-}" ]; then "$@"; return; fi
  exec 9>"$lock"
  flock 9
  export PLATTR_KIND_LOCKED=1
  "$@"
}
