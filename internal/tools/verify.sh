#!/bin/sh
# verify.sh: regenerates in a copy of the tracked tree and fails on a difference, printing the command to run.
set -eu
cd "$(dirname "$0")/../.."
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
git ls-files | tar cf - -T - | tar xf - -C "$copy"
(cd "$copy" && go generate ./... && go mod verify >/dev/null)
status=0
for f in $(git ls-files); do
  cmp -s "$f" "$copy/$f" || { echo "not up to date: $f"; status=1; }
done
[ $status = 0 ] || { echo "run: make generate"; exit 1; }
echo "generated files are up to date"
