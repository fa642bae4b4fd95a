#!/bin/bash
# Puts the images of what scales pods into an archive: KEDA and metrics-server as they were built, and Debian's
# Prometheus, each under the name of the real image.
# usage: autoscaling.sh CACHE
set -euo pipefail
cache=$1
root=$(cd "$(dirname "$0")/../../.." && pwd)
# shellcheck source=tests/kubernetes/prepare/podman.sh
. "$root/tests/kubernetes/prepare/podman.sh"
keda=ghcr.io/kedacore/keda:2.18.0
adapter=ghcr.io/kedacore/keda-metrics-apiserver:2.18.0
resources=registry.k8s.io/metrics-server/metrics-server:v0.8.0
prometheus=docker.io/prom/prometheus:v2.42.0

alone() { # <name of the image> <program in the cache> <path in the image> <user>
  of_lines "$1" "$cache/bin" 'FROM scratch' "COPY $2 $3" "USER $4" "ENTRYPOINT [\"$3\"]"
}

alone "$keda" keda-operator /keda 65532:65532
alone "$adapter" keda-adapter /keda-adapter 65532:65532
alone "$resources" metrics-server /metrics-server 65534
debian=$("$root/.venv/bin/python" -c 'from stack.downloads import debian; print(debian.ensure("prometheus"))')
of_lines "$prometheus" "$debian/usr/bin" "FROM $standin_debian" 'COPY prometheus /bin/prometheus' 'USER 65534' \
  'ENTRYPOINT ["/bin/prometheus"]'
save autoscaling "$keda" "$adapter" "$resources" "$prometheus"
podman image prune -f > /dev/null
