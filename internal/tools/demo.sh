#!/bin/sh
# demo.sh: builds plattr and shows the examples guestbook and board on this machine, with times and URLs.
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

# The environment file is for the application; the keys go to curl by its standard input, never by argument.
. ./.plattr/guestbook.env

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

cd ../board
say "7. Sign-in, Redis and search: the board example. The first time fetches Keycloak and OpenSearch: half a minute"
timed "plattr dev" plattr dev
timed migrate plattr db migrate
guestbook_rest=$POSTGREST_URL
. ./.plattr/board.env
board=.plattr/board # the program, beside what plattr keeps here
timed "build the board" go build -o "$board" .
"$board" >.plattr/board.log 2>&1 &
pid=$!
trap 'kill $pid 2>/dev/null || true; rm -f "$board" .plattr/board.log .plattr/cookies .plattr/page' EXIT
tries=0
until curl -fsS -o /dev/null "$APP_URL/healthz" 2>/dev/null; do
  tries=$((tries + 1))
  if [ $tries = 100 ] || ! kill -0 $pid 2>/dev/null; then
    echo "The board does not answer at $APP_URL. It said:" >&2; cat .plattr/board.log >&2; exit 1
  fi
  sleep 0.1
done

# Cookies and the password stay in files that only this user can read.
umask 077
visit() { curl -fsSL -b .plattr/cookies -c .plattr/cookies -o .plattr/page "$@"; }
say "8. Sign in on Keycloak's page as $AUTH_DEMO_USER, post a note, find it"
visit "$APP_URL/auth/sign-in"
form=$(sed -n 's/.*<form[^>]*id="kc-form-login"[^>]*action="\([^"]*\)".*/\1/p' .plattr/page | sed 's/&amp;/\&/g')
printf 'data-urlencode = "username=%s"\ndata-urlencode = "password=%s"\n' "$AUTH_DEMO_USER" "$AUTH_DEMO_PASSWORD" |
  visit -K - "$form"
echo "  signed in as $(sed -n 's/.*class="who">\([^<]*\)<.*/\1/p' .plattr/page)"
visit -F "title=From the demo" -F "body=It was $(date +%H:%M:%S)." "$APP_URL/notes"
visit "$APP_URL/?q=demo"
echo "  GET $APP_URL/?q=demo finds your notes: $(grep -c '<article' .plattr/page); posted so far: $(sed -n 's/.*id="posts">\([0-9]*\)<.*/\1/p' .plattr/page)"

say "9. The same rows over the REST API: with the person's token, with one byte of it changed, without"
token=$(printf 'data = "grant_type=password"\ndata-urlencode = "client_id=%s"\ndata-urlencode = "client_secret=%s"\ndata-urlencode = "username=%s"\ndata-urlencode = "password=%s"\n' \
  "$AUTH_CLIENT_ID" "$AUTH_CLIENT_SECRET" "$AUTH_DEMO_USER" "$AUTH_DEMO_PASSWORD" |
  curl -fsS -K - "$AUTH_INTERNAL_URL/protocol/openid-connect/token" | sed 's/.*"access_token":"\([^"]*\)".*/\1/')
ask() { curl -sS -K - -w '   %{http_code}\n' "$POSTGREST_URL/note?select=title&limit=2"; }
echo "header = \"Authorization: Bearer $token\"" | ask
signature=${token##*.}
case $signature in A*) other=B ;; *) other=A ;; esac
forged=${token%.*}.$other${signature#?}
echo "header = \"Authorization: Bearer $forged\"" | ask
echo | ask

ms=$(( ($(date +%s%N) - total) / 1000000 ))
say "Done in $((ms / 1000)).$((ms % 1000 / 100)) s. The services go on."
cat <<END
  REST      $guestbook_rest/entry   $POSTGREST_URL/note
  S3        $S3_ENDPOINT    Sign-in  $AUTH_ISSUER_URL    Search  $OPENSEARCH_URL
  More      plattr dev status

Next, with $root/bin on your PATH, in testdata/apps/board:
  . .plattr/board.env && go run .      the board in your browser: $APP_URL, sign in with \$AUTH_DEMO_USER and \$AUTH_DEMO_PASSWORD
  plattr test                          its tests, on a copy of all its data
  plattr db reset --yes                back to migrations and seeds, in milliseconds
  plattr dev destroy --yes             delete what the board has
  mkdir /tmp/shop && cd /tmp/shop && plattr init      an application of your own
END
