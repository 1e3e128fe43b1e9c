#!/bin/sh
# build.sh NAME: prints the path of a pinned tool, building it once.
#
# Each tool is a module of its own below this folder (its dependencies are not ours), with the program named in its
# go.mod's "tool" line. Beside it may lie Go files, if that program is our own; "ldflags" for the linker; and "names",
# further names that the program is called by, which become links to it. The binary lies outside the work tree, under the
# hash of all these and the module's go.sum, so that a fresh clone finds it and a new version never meets an old one.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
name=$1
dir=$here/$name
[ -f "$dir/go.mod" ] || { echo "build.sh: no tool $name in $here" >&2; exit 2; }
cd "$dir"
hash=$(for f in go.sum *.go ldflags names; do [ ! -f "$f" ] || cat "$f"; done | sha256sum | cut -c1-16)
bin=${XDG_CACHE_HOME:-$HOME/.cache}/plattr/tools/$name-$hash/bin/$name
if [ ! -x "$bin" ]; then
  package=$(sed -n 's/^tool //p' go.mod)
  mkdir -p "$(dirname "$bin")"
  echo "building $name (once)" >&2
  GOWORK=off CGO_ENABLED=0 go build -ldflags "$(cat ldflags 2>/dev/null || true)" -o "$bin.$$" "$package"
  if [ -f names ]; then
    while read -r alias; do ln -sf "$name" "$(dirname "$bin")/$alias"; done <names
  fi
  mv "$bin.$$" "$bin"
fi
echo "$bin"
