#!/bin/sh
# settings.sh: for a machine that pulls no images. It builds those of the runtime kind, and prints the settings with which
# plattr uses them, for eval:
#
#   eval "$(internal/tools/kind/settings.sh)" && plattr dev --runtime kind
#
# They are in a registry on localhost:5055, those of the example applications too; cluster.sh down ends it.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"

prepared=$("$here/cluster.sh" prepare plattr-test-settings)
host=$(echo "$prepared" | sed -n 1p)
[ -z "$host" ] || export DOCKER_HOST="$host"
"$here/images.sh"

[ -z "$host" ] || echo "export DOCKER_HOST='$host'"
cat <<SETTINGS
export PLATTR_IMAGE_NODE='$(echo "$prepared" | sed -n 2p)' PLATTR_IMAGE_REGISTRY='$(echo "$prepared" | sed -n 3p)'
export PLATTR_IMAGE_POSTGRESQL=localhost:5055/postgres:17 PLATTR_IMAGE_POSTGREST=localhost:5055/postgrest:12
export PLATTR_IMAGE_KEYCLOAK=localhost:5055/keycloak:26 PLATTR_IMAGE_REDIS=localhost:5055/redis:6.2
export PLATTR_IMAGE_OPENSEARCH=localhost:5055/opensearch:3 PLATTR_IMAGE_TRAEFIK=localhost:5055/traefik:3.6
export PLATTR_IMAGE_DASHBOARDS=none PLATTR_IMAGE_METRICS_SERVER=none # not built; the node has metrics
SETTINGS
