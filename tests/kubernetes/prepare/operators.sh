#!/bin/bash
# Puts stand-ins for the images of CloudNativePG into one archive: its operator, PostgreSQL and PgBouncer, each under a
# name that the operator knows. PostgreSQL is Debian's, because the operator demands SSL, which the one of .venv lacks.
# usage: operators.sh CACHE
set -euo pipefail
cache=$1
root=$(cd "$(dirname "$0")/../../.." && pwd)
# shellcheck source=tests/kubernetes/prepare/podman.sh
. "$root/tests/kubernetes/prepare/podman.sh"
registry=ghcr.io/cloudnative-pg
standin_trixie=localhost/ordermesh-standin-debian:trixie
trixie=$cache/standins/trixie

[ -e "$trixie/usr/lib/postgresql/17/bin/postgres" ] \
  || debootstrap --variant=minbase --include=ca-certificates,postgresql-17,pgbouncer trixie "$trixie" > "$trixie.log"
rm -rf "$trixie"/var/cache/apt/archives/*.deb "$trixie"/var/lib/apt/lists/*
podman image exists "$standin_trixie" || tar -C "$trixie" -c . | podman import -q - "$standin_trixie" > /dev/null
of_lines "$registry/cloudnative-pg:1.27.0" "$cache/bin" "FROM $standin_debian" \
  'COPY cnpg-manager /operator/manager_amd64' 'RUN ln -s operator/manager_amd64 /manager' 'USER 65532:65532' \
  'ENTRYPOINT ["/manager"]'
# The accounts are those of the operator's own images.
of_lines "$registry/postgresql:17" "$cache/empty" "FROM $standin_trixie" 'RUN usermod --uid 26 --gid 26 postgres' \
  "ENV PATH=/usr/lib/postgresql/17/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8" 'USER 26:26'
of_lines "$registry/pgbouncer:1.24.1" "$cache/empty" "FROM $standin_trixie" \
  'RUN ln -s /usr/sbin/pgbouncer /usr/bin/pgbouncer' 'USER 998:998'
save operators "$registry"/{cloudnative-pg:1.27.0,postgresql:17,pgbouncer:1.24.1}
podman image prune -f > /dev/null
