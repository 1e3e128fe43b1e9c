#!/bin/sh
# dockerd.sh start|stop: a Docker daemon for the tests, where the machine runs none.
#
# start does nothing if a daemon answers. Otherwise it starts one whose images stay in the cache, and notes what it, and
# systemd and the kubelets in its containers, will change on the whole machine; stop ends that daemon, if no container runs
# in it any more, and puts all of this back. A daemon that was there before is left alone.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"

settings="net.ipv4.ip_forward net.ipv4.conf.all.accept_redirects net.ipv6.conf.all.forwarding fs.file-max fs.nr_open
  kernel.panic kernel.panic_on_oops vm.overcommit_memory"
# made by dockerd, by any containerd, and by a mount of Kind's
folders="/run/docker /run/containerd /run/mount /opt/containerd /lib/modules"

start() {
  use_docker
  docker version >/dev/null 2>&1 && return
  { command -v docker && command -v dockerd; } >/dev/null || cannot "there is no Docker: install docker.io"
  [ "$(id -u)" = 0 ] || cannot "no Docker daemon answers, and only root can start one"
  mkdir -p "$daemon"
  note
  # shellcheck disable=SC2046 # arguments
  setsid dockerd --data-root "$daemon/data" --exec-root /run/plattr-dockerd -p "$daemon/pid" -H "$DOCKER_HOST" \
    $(runtime) >"$daemon/log" 2>&1 </dev/null 9>&- &
  for _ in $(seq 150); do docker version >/dev/null 2>&1 && return; sleep 0.2; done
  cat "$daemon/log" >&2
  die "dockerd does not answer"
}

# note writes down what put_back needs, unless an earlier daemon died and its notes are still there.
note() {
  [ ! -e "$daemon/sysctl" ] || return 0
  # shellcheck disable=SC2086 # lists
  {
    iptables-save >"$daemon/iptables"
    ls -d $folders >"$daemon/folders" 2>/dev/null || true
    sysctl -e $settings >"$daemon/sysctl" 2>/dev/null
  }
}

# runtime is for a root without CAP_SYS_RESOURCE, in a sandbox: runc would fail to hand it on. The daemon may outlive this work
# tree, so it has a copy.
runtime() {
  [ $((0x$(sed -n 's/^CapEff:\s*//p' /proc/self/status) >> 24 & 1)) = 1 ] && return
  install "$here/runc-without-sys-resource" "$daemon/runc"
  echo "--add-runtime=sandbox=$daemon/runc --default-runtime=sandbox"
}

stop() {
  [ -e "$daemon/sysctl" ] || return 0 # the daemon is not ours
  pid=$(cat "$daemon/pid" 2>/dev/null) || { put_back; return; } # it died
  export DOCKER_HOST="unix://$daemon/docker.sock"
  [ -z "$(docker ps -q 2>/dev/null)" ] || { say "containers run: dockerd stays"; return 0; }
  docker network rm kind >/dev/null 2>&1 || true
  kill "$pid" 2>/dev/null || true
  for _ in $(seq 150); do [ -e "$daemon/pid" ] || break; sleep 0.2; done
  [ ! -e "$daemon/pid" ] || die "dockerd $pid does not end"
  put_back
}

# put_back restores what start noted, unless another daemon needs it.
put_back() {
  ! pgrep -x -r D,R,S,I,T dockerd >/dev/null || return 0 # not a zombie
  ip link del docker0 2>/dev/null || true
  # others' rules stay as they are now
  forward=$(sed -n '/^\*filter/,/^COMMIT/s/^:FORWARD \([A-Z]*\).*/\1/p' "$daemon/iptables")
  iptables-save | grep -vE 'DOCKER|docker0' | sed "s/^:FORWARD DROP/:FORWARD ${forward:-ACCEPT}/" | iptables-restore
  sysctl -qp "$daemon/sysctl" || true
  rmdir /sys/fs/cgroup/*/docker 2>/dev/null || true
  for folder in $folders; do
    grep -qx "$folder" "$daemon/folders" || find "$folder" -depth -type d -empty -delete 2>/dev/null || true
  done
  rm -rf /run/plattr-dockerd "$daemon/sysctl" "$daemon/iptables" "$daemon/folders"
}

case ${1:-} in
start | stop) locked cluster "$1" ;;
*) die "usage: dockerd.sh start|stop" ;;
esac
