#!/bin/sh
# build.sh NAME: prints the path of a pinned tool, building it once.
#
# Each tool is a module of its own below this folder (its dependencies are not ours), with the program named in its
# go.mod's "tool" line. Beside it may lie Go files, if that program is our own; "ldflags" for the linker; "names", further
# names that the program is called by, which become links to it; and in patch/PACKAGE Go files that are built in place of a
# package of another module. The binary lies outside the work tree, under the hash of all these and the module's go.sum, so
# that a fresh clone finds it and a new version never meets an old one.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
name=$1
dir=$here/$name
[ -f "$dir/go.mod" ] || { echo "build.sh: no tool $name in $here" >&2; exit 2; }
cd "$dir"
patches=$([ ! -d patch ] || find patch -name '*.go' | sort)
# shellcheck disable=SC2086 # no name has a space
hash=$(for f in go.sum *.go ldflags names $patches; do [ ! -f "$f" ] || cat "$f"; done | sha256sum | cut -c1-16)
bin=${XDG_CACHE_HOME:-$HOME/.cache}/plattr/tools/$name-$hash/bin/$name

# patched FOLDER: makes FOLDER/go.mod, which is go.mod with a copy in FOLDER of each module that has a patch. Nothing is
# loaded as a package for it: what only a replaced package imports is never downloaded.
patched() {
  cp go.mod go.sum "$1/"
  for replaced in $(echo "$patches" | sed 's,^patch/\(.*\)/[^/]*$,\1,' | sort -u); do
    module=$(sed -n 's/^\t\([^ ]*\) v.*/\1/p' go.mod | while read -r m; do case $replaced in "$m"/*) echo "$m" ;; esac; done | tail -1)
    if [ ! -d "$1/$module" ]; then
      mkdir -p "$1/$module"
      go mod download "$module"
      cp -r "$(go list -m -f '{{.Dir}}' "$module")/." "$1/$module"
      chmod -R u+w "$1/$module"
      go mod edit -replace "$module=$1/$module" "$1/go.mod"
    fi
    rm "$1/$replaced"/*.go
    cp "patch/$replaced"/*.go "$1/$replaced"
  done
}

if [ ! -x "$bin" ]; then
  export GOWORK=off CGO_ENABLED=0
  package=$(sed -n 's/^tool //p' go.mod)
  mkdir -p "$(dirname "$bin")"
  echo "building $name (once)" >&2
  modules=go.mod
  if [ -n "$patches" ]; then
    copies=$(mktemp -d)
    trap 'rm -rf "$copies"' EXIT
    patched "$copies"
    modules=$copies/go.mod
  fi
  go build -modfile "$modules" -ldflags "$(cat ldflags 2>/dev/null || true)" -o "$bin.$$" "$package"
  if [ -f names ]; then
    while read -r alias; do ln -sf "$name" "$(dirname "$bin")/$alias"; done <names
  fi
  mv "$bin.$$" "$bin"
fi
echo "$bin"
