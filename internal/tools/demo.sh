#!/bin/sh
# demo.sh: builds plattr and shows the guestbook example on this machine, with times and URLs.
set -eu
cd "$(dirname "$0")/../.."
root=$PWD
total=$(date +%s%N)

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
[ -t 1 ] || say() { printf '\n%s\n' "$*"; }
timed() { # timed LABEL COMMAND...
  label=$1; shift
  start=$(date +%s%N)
  "$@"
  ms=$(( ($(date +%s%N) - start) / 1000000 ))
  printf '  (%s: %d.%01ds)\n' "$label" $((ms / 1000)) $((ms % 1000 / 100))
}

say "1. Build plattr (the first time compiles the Pulumi engine: minutes; then seconds)"
timed build go build -o bin/plattr ./cmd/plattr
PATH=$root/bin:$PATH

cd testdata/apps/guestbook
say "2. plattr dev: PostgreSQL, REST API and S3, and everything the guestbook asks for"
timed "plattr dev" plattr dev

say "3. plattr db migrate, plattr db seed"
timed migrate plattr db migrate
timed seed plattr db seed

# The environment file is for the application; the keys go to curl by file, never by argument.
set -a
. ./.plattr/guestbook.env
set +a

say "4. The REST API: the tables are served as they are"
echo "  GET $POSTGREST_URL/latest?select=name,message&limit=2"
curl -fsS "$POSTGREST_URL/latest?select=name,message&limit=2"; echo
say "5. The bucket: put, list, get"
# S3 wants the header, which curl sends by itself only from version 8 on.
sign() {
  printf 'user = "%s:%s"\naws-sigv4 = "aws:amz:%s:s3"\n' "$S3_ACCESS_KEY" "$S3_SECRET_KEY" "$S3_REGION"
  echo 'header = "x-amz-content-sha256: UNSIGNED-PAYLOAD"'
}
echo "hello from the guestbook" > .plattr/hello.txt
sign | curl -fsS -K - -T .plattr/hello.txt "$S3_ENDPOINT/$S3_BUCKET_PHOTOS/hello.txt"
echo "  GET $S3_ENDPOINT/$S3_BUCKET_PHOTOS?list-type=2"
sign | curl -fsS -K - "$S3_ENDPOINT/$S3_BUCKET_PHOTOS?list-type=2" | grep -o '<Key>[^<]*</Key>'
echo "  GET $S3_ENDPOINT/$S3_BUCKET_PHOTOS/hello.txt"
sign | curl -fsS -K - "$S3_ENDPOINT/$S3_BUCKET_PHOTOS/hello.txt"
rm -f .plattr/hello.txt

say "6. Once more: nothing to do"
timed "plattr dev" plattr dev

ms=$(( ($(date +%s%N) - total) / 1000000 ))
say "Done in $((ms / 1000)).$((ms % 1000 / 100)) s. The services go on."
cat <<END
  REST      $POSTGREST_URL/entry
  S3        $S3_ENDPOINT    (bucket $S3_BUCKET_PHOTOS)
  Console   see: plattr dev status

Next, with $root/bin on your PATH, in testdata/apps/guestbook:
  plattr db shell                      a SQL shell
  plattr db reset --yes                back to migrations and seeds, in milliseconds
  plattr dev status                    what runs, where, with how much memory
  plattr dev destroy --yes             delete what the guestbook has
  mkdir /tmp/shop && cd /tmp/shop && plattr init      an application of your own
END
