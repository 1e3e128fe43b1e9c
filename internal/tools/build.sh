#!/bin/sh
# build.sh NAME: prints the path of a pinned tool, building it once.
#
# Each tool is a module of its own below this folder (its dependencies are not ours), with the program named in its
# go.mod's "tool" line. The binary lies outside the work tree, under the hash of the module's go.sum, so that a fresh
# clone finds it and a new version never meets an old one.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
name=$1
dir=$here/$name
[ -f "$dir/go.mod" ] || { echo "build.sh: no tool $name in $here" >&2; exit 2; }
hash=$(sha256sum "$dir/go.sum" | cut -c1-16)
bin=${XDG_CACHE_HOME:-$HOME/.cache}/plattr/tools/$name-$hash/bin/$name # as testutil.Tool has it
if [ ! -x "$bin" ]; then
  package=$(sed -n 's/^tool //p' "$dir/go.mod")
  mkdir -p "$(dirname "$bin")"
  echo "building $name (once)" >&2
  (cd "$dir" && GOWORK=off CGO_ENABLED=0 go build -o "$bin.$$" "$package")
  mv "$bin.$$" "$bin"
fi
echo "$bin"
