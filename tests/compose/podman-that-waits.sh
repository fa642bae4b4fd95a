#!/bin/bash
# Podman before 4.6 cannot wait for a container's health, and without systemd nothing asks for it: this asks.
# Nor does it start a container whose required one has done its work: the order is kept by the waiting alone.
set -u
if [ "${1:-}" = --version ]; then
  echo "podman version 4.6.0"
elif [ "${1:-}" = wait ] && [ "${2:-}" = --condition=healthy ]; then
  shift 2
  for container in "$@"; do
    until podman healthcheck run "$container" > /dev/null 2>&1; do
      [ "$(podman inspect --format '{{.State.Status}}' "$container")" = running ] || {
        podman logs --tail 20 "$container" >&2
        exit 1
      }
      sleep 0.5
    done
  done
else
  words=()
  for word in "$@"; do
    # Podman takes a list of labels of log lines as several options.
    [[ $word == --requires=* || $word == --log-opt=labels=* ]] || words+=("$word")
  done
  exec podman "${words[@]}"
fi
