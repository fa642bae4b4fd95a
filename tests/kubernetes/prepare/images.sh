#!/bin/bash
# Puts the images of the test node into one archive: the image of the services in three versions, and stand-ins for
# PostgreSQL, Kafka, Envoy and the pause of each pod, under the names that the chart uses. It builds only what changed.
# usage: images.sh CACHE
set -euo pipefail
cache=$1
root=$(cd "$(dirname "$0")/../../.." && pwd)
# shellcheck source=tests/kubernetes/prepare/podman.sh
. "$root/tests/kubernetes/prepare/podman.sh"
service=docker.io/library/ordermesh

changed() { # <name of the image> <line of its Containerfile>...: over the stand-in or the image that the first line names
  of_lines "$1" "$cache/empty" "${@:2}"
}

adds_column() { # <package> <table>: a line that adds a migration, after which rows have a column that nobody else knows
  echo "RUN echo \"SELECT lock_patiently('$2', 'ACCESS EXCLUSIVE'); ALTER TABLE $2 ADD COLUMN next_release text;\"" \
    "> /opt/ordermesh/lib/python3.11/site-packages/$1/migrations/9000_next_release.sql"
}

make_stand_ins "$cache/standins"
build "$service:0.1.0" "$root" --build-arg "BASE=$standin_python" "${reach[@]}"
# The next release, with a migration more for each database, and one whose `orders serve` never listens.
changed "$service:0.1.1" "FROM $service:0.1.0" 'LABEL org.opencontainers.image.version=0.1.1' 'USER 0:0' \
  "$(adds_column orders orders)" "$(adds_column processor sales_metrics)" 'USER 10001:10001'
changed "$service:0.1.2" "FROM $service:0.1.0" \
  'ENTRYPOINT ["sh", "-c", "[ \"$*\" != \"orders serve\" ] || exec sleep 3600; exec python -m \"$@\"", "sh"]'
changed registry.k8s.io/pause:3.10 "FROM $standin_debian" 'CMD ["sleep", "infinity"]'
podman tag "$standin_postgres" docker.io/library/postgres:18.1-bookworm
podman tag "$standin_kafka" docker.io/apache/kafka:4.3.1
podman tag "$standin_envoy" docker.io/envoyproxy/envoy:v1.40.0
save images "$service":0.1.{0,1,2} registry.k8s.io/pause:3.10 docker.io/library/postgres:18.1-bookworm \
  docker.io/apache/kafka:4.3.1 docker.io/envoyproxy/envoy:v1.40.0
podman image prune -f > /dev/null
