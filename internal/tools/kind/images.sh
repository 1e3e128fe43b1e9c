#!/bin/bash
# images.sh [NAME...]: pushes images to the registry of the clusters, localhost:5055, building each once; all without a name.
#
# No image is pulled: the services are the programs that plattr downloads for laptops, on a few packages of Debian; plattr
# and the example applications are built from this work tree. Names, variables, users and folders are those of the official
# images, so that a manifest differs in nothing but the registry:
#
#   postgres:17  redis:6.2  postgrest:12  keycloak:26  opensearch:3      plattr:dev  board:dev  guestbook:dev
#
# traefik:3.6 is the ingress controller, which ingress.yaml runs. It is built from its source, without the DNS providers of
# ACME and the provider for AWS ECS, most of what it would take to build: see ../traefik.
#
# The S3 server of laptops is a command of plattr: `plattr serve-s3 FILE`. A registry must run: cluster.sh up.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
set -o pipefail
registry=localhost:5055 top=$here/../../..

# runtime is what the programs are linked with, shells for their scripts and a user's certificates.
runtime=bash,busybox-static,ca-certificates,libc6,libgcc-s1,libstdc++6,libssl3,zlib1g,tzdata

# base prints the path of the layer that all services share.
base() {
  local archive root
  archive=$cache/runtime-$({ echo "$runtime" && declare -f base; } | sha256sum | cut -c1-16).tar.gz
  if [ ! -e "$archive" ]; then
    root=$(mktemp -d "$cache/work.XXXXXX")
    mmdebstrap --quiet --variant=extract --dpkgopt='path-exclude=/usr/share/'{doc,man,locale}'/*' \
      --include="$runtime" bookworm "$root" >&2
    (cd "$root" && rm -rf usr/share/{doc,man,locale,perl*} usr/lib/x86_64-linux-gnu/{gconv,perl*} usr/bin/perl* var/lib/apt var/cache)
    for name in $(chroot "$root" busybox --list); do
      [ -e "$root/bin/$name" ] || [ -e "$root/usr/bin/$name" ] || [ -e "$root/sbin/$name" ] || ln -s /bin/busybox "$root/usr/bin/$name"
    done
    ln -sf busybox "$root/bin/sh"
    cat "$root"/usr/share/ca-certificates/mozilla/*.crt >"$root/etc/ssl/certs/ca-certificates.crt"
    printf '%s\n' root:x:0:0::/root:/bin/sh postgres:x:999:999::/var/lib/postgresql:/bin/sh plattr:x:1000:1000::/:/bin/sh >"$root/etc/passwd"
    mkdir -p "$root/tmp" && chmod 1777 "$root/tmp"
    tar -C "$root" --sort=name --mtime=@0 --owner=0 --group=0 -c . | gzip -1 >"$archive.tmp"
    mv "$archive.tmp" "$archive"
    rm -rf "$root"
  fi
  echo "$archive"
}

# java prints the path of the layer with Java.
java() {
  local home archive
  home=$(dirname "$(fetch java)")
  archive=$cache/java-$(sha256sum <<<"$home" | cut -c1-16).tar.gz
  [ -e "$archive" ] || { tar -C "$home" --transform 's,^\.,opt/java,' --owner=0 --group=0 -c . | gzip -1 >"$archive.tmp" && mv "$archive.tmp" "$archive"; }
  echo "$archive"
}

fetch() { (cd "$top" && go run ./internal/tools/fetch "$1"); }

# own FOLDER USER: a folder of the image that a user of it may write to.
own() { mkdir -p "$root/$1" && chown -R "$2:$2" "$root/$1"; }

# image NAME LAYERS... -- OPTIONS...: an image of the layers below what is in $root; the options are crane mutate's.
image() {
  local name=$1 layers=()
  shift
  while [ "$1" != -- ]; do layers+=(-f "$1"); shift; done
  shift
  tar -C "$root" -c . | gzip -1 >"$root.tar.gz"
  quietly "$crane" append "${layers[@]}" -f "$root.tar.gz" --oci-empty-base -t "$registry/$name"
  quietly "$crane" mutate "$registry/$name" --set-platform linux/amd64 "$@" -t "$registry/$name"
}

# quietly COMMAND...: what it says is of interest only if it fails.
quietly() {
  local said
  said=$("$@" 2>&1) || { say "$said"; return 1; }
}

postgres() {
  mkdir -p "$root/opt" "$root/usr/local/bin"
  cp -r "$(dirname "$(fetch postgresql)")" "$root/opt/postgresql"
  install "$here/images/postgres" "$root/usr/local/bin/docker-entrypoint.sh"
  own var/lib/postgresql/data 999
  chmod 700 "$root/var/lib/postgresql/data"
  image "$1" "$(base)" -- --user 999 --env PATH=/opt/postgresql/bin:/usr/local/bin:/usr/bin:/bin --workdir /var/lib/postgresql \
    --entrypoint docker-entrypoint.sh --cmd postgres --exposed-ports 5432
}

redis() {
  mkdir -p "$root/usr/local/bin"
  cp "$(fetch redis)/redis-server" "$root/usr/local/bin/"
  own data 999
  image "$1" "$(base)" -- --user 999 --env PATH=/usr/local/bin:/usr/bin:/bin --workdir /data \
    --cmd redis-server,--bind,'*',--protected-mode,no --exposed-ports 6379
}

postgrest() {
  mkdir -p "$root/usr/local/bin"
  cp "$(fetch postgrest)/postgrest" "$root/usr/local/bin/"
  image "$1" "$(base)" -- --user 1000 --env PATH=/usr/local/bin:/usr/bin:/bin --cmd postgrest --exposed-ports 3000
}

keycloak() {
  mkdir -p "$root/opt"
  cp -r "$(dirname "$(fetch keycloak)")" "$root/opt/keycloak"
  own opt/keycloak 1000
  image "$1" "$(base)" "$(java)" -- --user 1000 --env JAVA_HOME=/opt/java --env PATH=/opt/java/bin:/usr/bin:/bin \
    --entrypoint /opt/keycloak/bin/kc.sh --exposed-ports 8080
}

opensearch() {
  mkdir -p "$root/usr/share" "$root/usr/local/bin"
  cp -r "$(dirname "$(fetch opensearch)")" "$root/usr/share/opensearch"
  install "$here/images/opensearch" "$root/usr/local/bin/opensearch-docker-entrypoint.sh"
  printf '%s\n' 'network.host: 0.0.0.0' 'cluster.routing.allocation.disk.threshold_enabled: false' \
    >"$root/usr/share/opensearch/config/opensearch.yml"
  # As on laptops: without modules that this Java does not have; the agent's classes are wanted even where it does not run. Thai
  # words come from ICU, among the libraries: the launcher asks for providers of locale data by itself.
  sed -i '/incubator.vector/d; /-javaagent/d' "$root/usr/share/opensearch/config/jvm.options"
  mv "$root"/usr/share/opensearch/agent/*.jar "$root/usr/share/opensearch/lib/"
  own usr/share/opensearch/data 1000
  own usr/share/opensearch 1000
  image "$1" "$(base)" "$(java)" -- --user 1000 --env OPENSEARCH_JAVA_HOME=/opt/java \
    --env PATH=/opt/java/bin:/usr/local/bin:/usr/bin:/bin \
    --workdir /usr/share/opensearch --entrypoint opensearch-docker-entrypoint.sh --exposed-ports 9200
}

plattr() {
  mkdir -p "$root/usr/local/bin"
  (cd "$top" && go build -ldflags "-s -w" -o "$root/usr/local/bin/plattr" ./cmd/plattr)
  image "$1" "$(base)" -- --user 1000 --env PATH=/usr/local/bin:/usr/bin:/bin --entrypoint plattr
}

traefik() {
  mkdir -p "$root/usr/local/bin"
  install "$(tool traefik)" "$root/usr/local/bin/traefik"
  install "$here/images/traefik" "$root/entrypoint.sh"
  image "$1" "$(base)" -- --env PATH=/usr/local/bin:/usr/bin:/bin --entrypoint /entrypoint.sh --cmd traefik --exposed-ports 80
}

# application NAME: as its Dockerfile has it, the program, its migrations and certificates on nothing.
application() {
  local name=${1%:*}
  mkdir -p "$root/etc/ssl/certs"
  (cd "$top/testdata/apps/$name" && go build -trimpath -ldflags "-s -w" -o "$root/$name" .)
  cp -r "$top/testdata/apps/$name/migrations" "$root/"
  tar -C "$root" -xzf "$(base)" ./etc/ssl/certs/ca-certificates.crt
  image "$1" -- --user 10001 --entrypoint "/$name" --exposed-ports 3000
}

# inputs of an image, the work tree's included, as text.
inputs() {
  case $1 in
  plattr:*) cd "$top" && go list -deps -f '{{if not .Standard}}{{.ImportPath}} {{with .Module}}{{.Version}}{{end}}{{end}}' ./cmd/plattr && git ls-files -s cmd components internal localdev operator stacks go.sum && git diff HEAD -- cmd components internal localdev operator stacks go.sum ;;
  board:* | guestbook:*) cd "$top/testdata/apps/${1%:*}" && git ls-files -s . && git diff HEAD -- . ;;
  traefik:*) tool traefik ;;
  *) fetch "$2" ;;
  esac
  cat "$here/images.sh" "$here"/images/*
}

# push NAME PROGRAM MAKE: the image from the cache, or made by the function MAKE.
push() {
  local name=$1 kept
  kept=$cache/images/${name/:/-}-$(inputs "$1" "$2" | sha256sum | cut -c1-16)
  if [ ! -d "$kept" ]; then
    say "building the image $name (once)"
    root=$(mktemp -d "$cache/work.XXXXXX")
    chmod 755 "$root"
    "$3" "$name"
    mkdir -p "$cache/images"
    find "$cache/images" -maxdepth 1 -name "${name/:/-}-*" -mtime +3 -exec rm -rf {} + # another work tree may need newer ones
    quietly "$crane" pull --format oci "$registry/$name" "$kept"
    rm -rf "$root" "$root.tar.gz"
  else
    quietly "$crane" push "$kept" "$registry/$name"
  fi
}

one() {
  case ${1%:*} in
  postgres) push postgres:17 postgresql postgres ;;
  redis) push redis:6.2 redis redis ;;
  postgrest) push postgrest:12 postgrest postgrest ;;
  keycloak) push keycloak:26 keycloak keycloak ;;
  opensearch) push opensearch:3 opensearch opensearch ;;
  traefik) push traefik:3.6 traefik traefik ;;
  plattr) push plattr:dev plattr plattr ;;
  board | guestbook) push "$1:dev" "$1" application ;;
  *) die "no image is called $1" ;;
  esac
}

main() {
  crane=$(tool crane)
  [ $# -gt 0 ] || set -- postgres redis postgrest keycloak opensearch traefik plattr board guestbook
  for name; do one "$name"; done
}

locked images main "$@"
