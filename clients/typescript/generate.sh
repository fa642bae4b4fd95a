#!/usr/bin/env bash
# Generates src/gen from the contracts; --check fails when it is stale. Needs `make setup` and `npm ci`.
set -euo pipefail
cd "$(dirname "$0")"
bin=../../.venv/bin
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
"$bin/python" ../../proto/generate.py --image "$scratch/image.binpb"
"$bin/buf" generate "$scratch/image.binpb" --template buf.gen.yaml --include-imports \
  --exclude-path ordermesh/internal -o "$scratch"
# @bufbuild/protobuf has these.
rm -r "$scratch/gen/google/protobuf"
if [ "${1:-}" = --check ]; then
  diff -r "$scratch/gen" src/gen || { echo "src/gen is stale: run clients/typescript/generate.sh" >&2; exit 1; }
else
  rm -rf src/gen
  cp -r "$scratch/gen" src/gen
fi
